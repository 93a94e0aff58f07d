// Instances that a message only names: fetched once, and given to the newest message.

import assert from "node:assert/strict";
import test from "node:test";

import { FarInstances } from "../../pages/components/web/viewer/far_instances.js";

const settle = () => new Promise((resolve) => setTimeout(resolve, 5));
const message = (/** @type {object} */ part) => /** @type {any} */ ({ version: 1, instances: [], ack: 0, ...part });

/** @param {Record<string, unknown>} files */
function serve(files) {
  /** @type {string[]} */
  const asked = [];
  const fetch = (/** @type {string} */ url) => {
    asked.push(url);
    return Promise.resolve({
      ok: url in files,
      status: url in files ? 200 : 404,
      json: () => Promise.resolve(files[url]),
    });
  };
  Object.assign(globalThis, { fetch });
  return asked;
}

test("a message that has its instances is as it is", () => {
  const own = message({ instances: [{ id: 1 }] });
  assert.equal(
    new FarInstances().complete(own, () => assert.fail()),
    own,
  );
});

test("they are fetched once, and the newest message has them", async () => {
  const asked = serve({ "https://desk.test/a.json": [{ id: 7 }], "https://desk.test/b.json": [{ id: 8 }] });
  const far = new FarInstances();
  /** @type {string[]} */
  const told = [];
  const url = "https://desk.test/a.json";
  assert.equal(
    far.complete(message({ instances_url: url, ack: 1 }), () => told.push("first")),
    null,
  );
  assert.equal(
    far.complete(message({ instances_url: url, ack: 2 }), () => told.push("second")),
    null,
  );
  await settle();
  assert.deepEqual(told, ["second"]);
  assert.deepEqual(
    far.complete(message({ instances_url: url, ack: 3 }), () => {}),
    message({ instances_url: url, ack: 3, instances: [{ id: 7 }] }),
  );
  assert.deepEqual(asked, [url]);
  far.complete(message({ instances_url: "https://desk.test/b.json" }), () => told.push("other"));
  await settle();
  assert.deepEqual(told, ["second", "other"]);
  assert.equal(asked.length, 2);
});

test("what cannot be had is none, and the picture is shown without", async () => {
  serve({});
  const far = new FarInstances();
  const { warn } = console;
  console.warn = () => {};
  let told = false;
  far.complete(message({ instances_url: "https://desk.test/gone.json" }), () => (told = true));
  await settle();
  console.warn = warn;
  assert.ok(told);
  assert.deepEqual(far.complete(message({ instances_url: "https://desk.test/gone.json" }), () => {})?.instances, []);
});
