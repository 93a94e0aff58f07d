import assert from "node:assert/strict";
import { test } from "node:test";

import { RefusalList } from "../../pages/components/web/review/refusals.js";

/** @returns {any} */
function makeStorage() {
  const values = new Map();
  return {
    getItem: (/** @type {string} */ key) => values.get(key) ?? null,
    setItem: (/** @type {string} */ key, /** @type {string} */ value) => values.set(key, value),
  };
}

const first = { seq: 3, text: "7 has been changed." };
const second = { seq: 4, text: "8 has been changed." };
const texts = (/** @type {any[]} */ lines) => lines.map(({ text }) => text);

test("each refusal is a line of its project, and of no other", () => {
  const list = new RefusalList(makeStorage(), "tab");
  assert.deepEqual(list.add(1, [first, second]), [first, second]);
  assert.deepEqual(list.add(1, [first, second]), [], "told once");
  assert.deepEqual(texts(list.of(1)), [first.text, second.text]);
  assert.deepEqual(list.of(2), []);
  list.add(2, [{ seq: 9, text: "gone" }]);
  assert.deepEqual([list.of(1).length, list.of(2).length], [2, 1]);
});

test("one is closed alone, or all of the project", () => {
  const list = new RefusalList(makeStorage(), "tab");
  list.add(1, [first, second]);
  list.add(2, [{ seq: 9, text: "gone" }]);
  list.dismiss(1, 3);
  assert.deepEqual(texts(list.of(1)), [second.text]);
  list.dismiss(1, null);
  assert.deepEqual([list.of(1).length, list.of(2).length], [0, 1]);
  list.dismiss(7, null);
});

test("a reload keeps what is open and does not bring back what was closed; another tab has its own", () => {
  const storage = makeStorage();
  const list = new RefusalList(storage, "tab");
  list.add(1, [first, second]);
  list.dismiss(1, 3);
  const again = new RefusalList(storage, "tab");
  assert.deepEqual(texts(again.of(1)), [second.text]);
  assert.deepEqual(again.add(1, [first, second]), []);
  again.open("other");
  assert.deepEqual([again.of(1), again.add(1, [first])], [[], [first]]);
});

test("storage that is forbidden, full or broken hides nothing", () => {
  for (const text of ["{", "5", '{"known": 3}', "null"]) {
    const broken = /** @type {any} */ ({
      getItem: () => text,
      setItem: () => {
        throw new Error("full");
      },
    });
    const list = new RefusalList(broken, "tab");
    assert.deepEqual(list.add(1, [first]), [first]);
    assert.deepEqual(texts(list.of(1)), [first.text]);
    list.dismiss(1, null);
    assert.deepEqual(list.of(1), []);
  }
});
