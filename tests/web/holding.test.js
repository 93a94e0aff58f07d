// A finger that stays brings the menu, one that moves or goes does not.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { Holding } from "../../pages/components/web/viewer/holding.js";

/** @type {EventTarget} */
let stage;
/** @type {string[]} */
let shown;

const act = () => shown.push("menu");

beforeEach(() => {
  globalThis.window = globalThis;
  stage = new EventTarget();
  shown = [];
});

/** Whether the browser goes on with the finger that leaves, as it does with a tap. */
const isTap = () => stage.dispatchEvent(new Event("touchend", { cancelable: true }));

test("a finger that stays is heard once, and its end is no tap", (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const holding = new Holding(stage, new AbortController().signal);
  holding.begin(act);
  context.mock.timers.tick(5000);
  assert.deepEqual(shown, ["menu"]);
  assert.equal(isTap(), false);
  holding.begin(act);
  holding.stop();
  context.mock.timers.tick(5000);
  assert.deepEqual(shown, ["menu"], "the next one went at once");
  assert.equal(isTap(), true);
});

test("a second finger begins anew", (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const holding = new Holding(stage, new AbortController().signal);
  holding.begin(act);
  context.mock.timers.tick(400);
  holding.begin(act);
  context.mock.timers.tick(400);
  assert.deepEqual(shown, []);
  context.mock.timers.tick(400);
  assert.deepEqual(shown, ["menu"]);
});

test("where the picture is left, nothing comes any more", (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const leaving = new AbortController();
  new Holding(stage, leaving.signal).begin(act);
  leaving.abort();
  context.mock.timers.tick(5000);
  assert.deepEqual(shown, []);
});
