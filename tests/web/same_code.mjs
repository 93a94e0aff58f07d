// Says which pairs of scripts differ in more than comments: standard input has them as JSON, [name, one, other] each.

import { readFileSync } from "node:fs";
import { ModuleKind, ScriptTarget, transpile } from "typescript";

/** @param {string} script */
const plain = (script) =>
  transpile(script, { target: ScriptTarget.ESNext, module: ModuleKind.ESNext, removeComments: true });

const pairs = /** @type {[string, string, string][]} */ (JSON.parse(readFileSync(0, "utf8")));
const others = pairs.filter(([, one, other]) => plain(one) !== plain(other)).map(([name]) => name);
process.stdout.write(JSON.stringify(others));
