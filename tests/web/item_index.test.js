// The index of instances: the same as a look at each, in the same order.

import assert from "node:assert/strict";
import test from "node:test";

import { boxesMeet } from "../../pages/components/web/lib/geometry.js";
import { ItemIndex, indexOf } from "../../pages/components/web/viewer/item_index.js";

/** Numbers in [0, 1) that are the same in each run. @param {number} seed */
function chance(seed) {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** @param {number} count @param {number} side @param {number} most of an item's side */
function itemsOf(count, side, most) {
  const next = chance(count);
  return Array.from({ length: count }, (_, id) => {
    const [x, y] = [next() * side - side / 4, next() * side - side / 4];
    const extent = [x, y, x + 1 + next() * most, y + 1 + next() * most];
    return /** @type {any} */ ({ instance: { id }, shape: { extent } });
  });
}

for (const [count, most] of [
  [0, 30],
  [40, 30],
  [3000, 30],
  [3000, 20000],
]) {
  test(`${count} items of up to ${most} pixels`, () => {
    const items = itemsOf(count, 20000, most);
    const index = new ItemIndex(items);
    const next = chance(7);
    const boxes = Array.from({ length: 200 }, () => {
      const [x, y] = [next() * 24000 - 8000, next() * 24000 - 8000];
      const side = next() ** 3 * 30000;
      return [x, y, x + side, y + side * next()];
    });
    for (const box of [...boxes, [-1e6, -1e6, 1e6, 1e6], [5, 5, 5 + 1e-6, 5 + 1e-6]]) {
      const expected = items.filter((item) => boxesMeet(item.shape.extent, box));
      assert.deepEqual(
        index.within(box).map((item) => item.instance.id),
        expected.map((item) => item.instance.id),
      );
    }
  });
}

test("an index is made once for the same items", () => {
  const items = itemsOf(600, 100, 3);
  assert.equal(indexOf(items), indexOf(items));
  assert.notEqual(indexOf(items), indexOf([...items]));
});
