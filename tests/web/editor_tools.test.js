import assert from "node:assert/strict";
import { test } from "node:test";

import { decodeRle } from "../../pages/components/web/lib/rle.js";
import { countsOf, emptyBitmap } from "../../pages/components/web/lib/bitmap.js";
import { findDuplicates } from "../../pages/components/web/review/duplicates.js";
import { cornersOf, findHandle, signedArea } from "../../pages/components/web/review/tools/outline_tool.js";
import { fillPolygon } from "../../pages/components/web/lib/raster.js";
import { snapToBorder } from "../../pages/components/web/review/tools/stage_tools.js";

const image = { width: 60, height: 40 };

/** @param {number[]} ring */
function runsOf(ring) {
  return decodeRle({ size: [image.height, image.width], counts: countsOf(fillPolygon(ring, image), image) });
}

const square = (x, y, side) => [x, y, x + side, y, x + side, y + side, x, y + side];

test("near the border a point is on it, and beyond it, too", () => {
  assert.deepEqual(snapToBorder([2, 38], image, 2), [0, 40]);
  assert.deepEqual(snapToBorder([-5, 50], image, 2), [0, 40]);
  assert.deepEqual(snapToBorder([20, 20], image, 2), [20, 20]);
  assert.deepEqual(snapToBorder([1, 39], image, Infinity), [1, 39], "an arrow key goes by single pixels");
});

test("a corner is found before an edge, and nothing that is out of reach", () => {
  const rings = [
    [
      [10, 10],
      [30, 10],
      [30, 30],
    ],
    [
      [40, 5],
      [50, 5],
      [50, 15],
    ],
  ];
  assert.deepEqual(findHandle(rings, [29, 11], 3), { ring: 0, at: 1, isCorner: true });
  assert.deepEqual(findHandle(rings, [20, 11], 3), { ring: 0, at: 0, isCorner: false });
  assert.deepEqual(findHandle(rings, [45, 11], 3), { ring: 1, at: 2, isCorner: false });
  assert.equal(findHandle(rings, [15, 25], 3), null);
});

test("a mask has as few corners as a hand can move, and a hole runs the other way", () => {
  const bitmap = emptyBitmap([5, 5, 25, 25]);
  bitmap.bits.fill(1);
  for (let x = 8; x < 12; x += 1) bitmap.bits.fill(0, x * 20 + 8, x * 20 + 12);
  const rings = cornersOf(decodeRle({ size: [40, 60], counts: countsOf(bitmap, image) }), 1);
  assert.deepEqual(
    rings.map((ring) => ring.length),
    [4, 4],
  );
  assert.deepEqual(
    rings.map((ring) => signedArea(ring) / 2),
    [400, -16],
  );
});

test("a mask with a ragged edge gets at most so many corners", () => {
  const wide = { width: 2000, height: 2000 };
  const ring = [];
  for (let i = 0; i < 2000; i += 1) {
    const radius = 700 + 4 * Math.sin(i * 1.7) + 40 * Math.sin(i * 0.031);
    ring.push(1000 + radius * Math.cos(i / 318.3), 1000 + radius * Math.sin(i / 318.3));
  }
  const counts = countsOf(fillPolygon(ring, wide), wide);
  const rings = cornersOf(decodeRle({ size: [2000, 2000], counts }), 1);
  assert.ok(rings.flat().length >= 20 && rings.flat().length <= 120);
});

test("what is small on the screen has fewer corners", () => {
  const counts = countsOf(
    fillPolygon(
      Array.from({ length: 120 }, (_, i) => 30 + 15 * (i % 2 ? Math.sin : Math.cos)((i - (i % 2)) / 19.1)),
      image,
    ),
    image,
  );
  const runs = decodeRle({ size: [40, 60], counts });
  const [near, far] = [8, 1].map((scale) => cornersOf(runs, scale).flat().length);
  assert.ok(far >= 3 && far <= 8 && near > far, `${near} and ${far}`);
});

const candidate = (id, ring, more = {}) => ({
  id,
  category: 1,
  score: 0.5,
  isAccepted: false,
  runs: runsOf(ring),
  ...more,
});

test("of two masks that are the same the better stays, whatever they are called", () => {
  const pairs = findDuplicates([
    candidate(1, square(10, 10, 20), { score: 0.6 }),
    candidate(2, square(11, 10, 20), { score: 0.9, category: 2 }),
    candidate(3, square(40, 5, 10)),
  ]);
  assert.deepEqual(
    pairs.map(({ better, worse }) => [better, worse]),
    [[2, 1]],
  );
  assert.ok(pairs[0].iou > 0.9 && pairs[0].iou < 1);
});

test("what a person accepted is better than any score", () => {
  const pairs = findDuplicates([
    candidate(1, square(10, 10, 20), { score: 0.99 }),
    candidate(2, square(10, 10, 20), { score: 0.2, isAccepted: true }),
  ]);
  assert.deepEqual(
    pairs.map(({ better, worse }) => [better, worse]),
    [[2, 1]],
  );
});

test("a part of one of the same category is a duplicate, one of another category is not", () => {
  const whole = candidate(1, square(5, 5, 30), { score: 0.9 });
  assert.equal(findDuplicates([whole, candidate(2, square(8, 8, 8))]).length, 1);
  assert.equal(findDuplicates([whole, candidate(2, square(8, 8, 8), { category: 2 })]).length, 0);
  assert.equal(findDuplicates([whole, candidate(2, square(38, 8, 8))]).length, 0);
});

test("of three that are the same one stays, and the worse of a pair makes no other one worse", () => {
  const same = [0.9, 0.8, 0.7].map((score, id) => candidate(id + 1, square(10 + id, 10, 20), { score }));
  assert.deepEqual(
    findDuplicates(same).map(({ better, worse }) => [better, worse]),
    [
      [1, 2],
      [1, 3],
    ],
  );
  const chain = [
    candidate(1, square(10, 10, 20), { score: 0.9 }),
    candidate(2, square(14, 10, 20), { score: 0.8 }),
    candidate(3, square(18, 10, 20), { score: 0.7 }),
  ];
  assert.deepEqual(
    findDuplicates(chain).map(({ better, worse }) => [better, worse]),
    [[1, 2]],
  );
});
