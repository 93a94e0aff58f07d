import assert from "node:assert/strict";
import { test } from "node:test";

import { countsOf, emptyBitmap } from "../../pages/components/web/lib/bitmap.js";
import { decodeRle } from "../../pages/components/web/lib/rle.js";
import { drawnOf, readCopied } from "../../pages/components/web/review/clipboard.js";

const image = { width: 40, height: 30 };
const CATEGORIES = [
  { id: 7, name: "cell", color: "#000000" },
  { id: 9, name: "Nucleus", color: "#000000" },
];

/** A filled box of an image as it was copied. @param {[number, number, number, number]} box @param {object} [changes] */
function copied(box, changes = {}) {
  const bitmap = emptyBitmap(box);
  bitmap.bits.fill(1);
  const rle = { size: [image.height, image.width], counts: countsOf(bitmap, image) };
  return { rle, category_id: 7, category: "cell", is_crowd: false, ...changes };
}

const clipboard = (...instances) => ({ version: 1, project_id: 3, instances });

test("what is copied is read again, and what is no copy of ours is nothing", () => {
  const ours = clipboard(copied([1, 2, 5, 9]));
  assert.deepEqual(readCopied(JSON.stringify(ours)), ours);
  const bad = [
    null,
    "",
    "{",
    "null",
    '"text"',
    JSON.stringify({ ...ours, version: 2 }),
    JSON.stringify({ ...ours, project_id: "3" }),
    JSON.stringify({ ...ours, instances: {} }),
    JSON.stringify({ ...ours, instances: Array(1001).fill(ours.instances[0]) }),
    ...[{ rle: null }, { rle: { size: [1], counts: "" } }, { rle: { size: [9, -1], counts: "" } }]
      .concat([{ rle: { size: [1e9, 1e9], counts: "0" } }, { category_id: "7" }, { category: 7 }, { is_crowd: 1 }])
      .map((changes) => JSON.stringify(clipboard({ ...copied([1, 2, 5, 9]), ...changes }))),
    `{"version": 1, "x": "${"y".repeat(4_000_000)}"}`,
  ];
  for (const text of bad) assert.equal(readCopied(text), null, String(text).slice(0, 60));
});

test("they are drawn at the same place, clipped to a smaller image", () => {
  const inside = copied([1, 2, 5, 9], { is_crowd: true });
  const cut = copied([10, 10, 20, 20]);
  const beyond = copied([30, 5, 38, 9]);
  const small = { width: 14, height: 12 };
  const { drawn, outside, unknown } = drawnOf(clipboard(inside, cut, beyond), small, 3, CATEGORIES);
  assert.deepEqual([outside, unknown], [1, []]);
  assert.deepEqual(
    drawn.map(({ mask, category_id, is_crowd }) => [[...mask.box], category_id, is_crowd]),
    [
      [[1, 2, 5, 9], 7, true],
      [[10, 10, 14, 12], 7, false],
    ],
  );
  for (const { mask } of drawn) {
    const [x1, y1, x2, y2] = mask.box;
    assert.equal(decodeRle({ size: [12, 14], counts: mask.counts }).area, (x2 - x1) * (y2 - y1));
  }
});

test("in another project categories are found by name, and those that are not there are named once", () => {
  const one = copied([1, 2, 5, 9], { category_id: 99, category: "nucleus" });
  const two = copied([1, 2, 5, 9], { category_id: 7, category: "kite" });
  const { drawn, unknown } = drawnOf(clipboard(one, two, two), image, 4, CATEGORIES);
  assert.deepEqual([drawn.map(({ category_id }) => category_id), unknown], [[9], ["kite"]]);
  const same = drawnOf(clipboard(two, one), image, 3, CATEGORIES);
  assert.deepEqual(
    [same.drawn.map(({ category_id }) => category_id), same.unknown],
    [[7, 9], []],
    "by id, then by name",
  );
});

test("a mask that covers another number of pixels is no mask", () => {
  const broken = copied([1, 2, 5, 9]);
  broken.rle.size = [31, 40];
  assert.throws(() => drawnOf(clipboard(broken), image, 3, CATEGORIES), RangeError);
});
