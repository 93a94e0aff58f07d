import assert from "node:assert/strict";
import { test } from "node:test";

import { simplifyRing, traceRings } from "../../pages/components/web/lib/contours.js";
import { decodeRle } from "../../pages/components/web/lib/rle.js";
import { bitmap, doubleArea, encode, encodeCounts, fillEvenOdd, random, randomMask } from "./helpers.js";

/** @param {string[]} rows */
const ringsOf = (rows) => traceRings(decodeRle(encode(bitmap(rows))));

test("one pixel has one square ring, clockwise", () => {
  const rings = ringsOf(["...", ".#.", "..."]);
  assert.equal(rings.length, 1);
  assert.equal(rings[0].length, 8);
  assert.equal(doubleArea(rings[0]), 2);
});

test("an empty mask has no rings", () => assert.deepEqual(ringsOf(["..", ".."]), []));

test("a straight edge has no corner between its ends", () => {
  assert.deepEqual(
    ringsOf(["#####", "#####"]).map((ring) => ring.length),
    [8],
  );
});

test("a hole is a ring of its own, the other way round", () => {
  const rings = ringsOf(["####", "#..#", "####"]);
  assert.deepEqual(
    rings.map(doubleArea).sort((a, b) => a - b),
    [-4, 24],
  );
});

test("pixels that touch at a corner only are apart; holes that do are one", () => {
  assert.equal(ringsOf(["#.", ".#"]).length, 2);
  assert.equal(ringsOf([".#", "#."]).length, 2);
  assert.deepEqual(
    ringsOf(["####", "#.##", "##.#", "####"])
      .map(doubleArea)
      .sort((a, b) => a - b),
    [-4, 32],
  );
  assert.deepEqual(
    ringsOf(["####", "##.#", "#.##", "####"])
      .map(doubleArea)
      .sort((a, b) => a - b),
    [-4, 32],
  );
});

test("filled by the even-odd rule, the rings give back the mask, pixel by pixel", () => {
  for (let seed = 0; seed < 600; seed += 1) {
    const mask = randomMask(seed);
    const runs = decodeRle(encode(mask));
    const rings = traceRings(runs);
    assert.deepEqual(fillEvenOdd(rings, mask.height, mask.width), mask.bits, `seed ${seed}`);
    assert.equal(
      rings.reduce((sum, ring) => sum + doubleArea(ring), 0),
      2 * runs.area,
      `seed ${seed}`,
    );
  }
});

test("there are as many outer rings as 4-connected parts", () => {
  for (let seed = 0; seed < 200; seed += 1) {
    const mask = randomMask(seed);
    const rings = traceRings(decodeRle(encode(mask)));
    assert.equal(rings.filter((ring) => doubleArea(ring) > 0).length, countParts(mask), `seed ${seed}`);
  }
});

test("a simplified ring keeps every corner within the tolerance", () => {
  for (let seed = 0; seed < 200; seed += 1) {
    const mask = randomMask(seed);
    for (const ring of traceRings(decodeRle(encode(mask)))) {
      const simple = simplifyRing(ring, 0.75);
      assert.ok(simple.length >= 6 && simple.length <= ring.length);
      for (let i = 0; i < ring.length; i += 2) {
        assert.ok(distanceToRing(ring[i], ring[i + 1], simple) <= 0.75 + 1e-9, `seed ${seed}`);
      }
    }
  }
});

test("a staircase becomes a line", () => {
  const rows = Array.from({ length: 40 }, (_, y) => "#".repeat(y + 1) + ".".repeat(40 - y));
  const [ring] = ringsOf(rows);
  assert.ok(ring.length > 150);
  assert.ok(simplifyRing(ring, 0.75).length <= 12);
});

// A step for each pixel would be half a million million steps, which no computer ends in the minutes that this
// may take; what the masks' runs need is done in a moment on any.
test("1000 masks on a 480 megapixel image cost what their runs cost, and have their rings", () => {
  const draw = random(5);
  const [height, width] = [20_000, 24_000];
  for (let n = 0; n < 1000; n += 1) {
    const r = Math.round(20 + draw() * 180);
    const [left, top] = [Math.round(draw() * (width - 2 * r)), Math.round(draw() * (height - 2 * r))];
    const [near, far] = [discCounts(r, 2 * r, 2 * r, 0, 0), discCounts(r, height, width, left, top)];
    const simple = (/** @type {import("../../pages/components/web/lib/rle.js").CocoRle} */ rle) =>
      traceRings(decodeRle(rle)).map((ring) => [...simplifyRing(ring, 0.75)]);
    const moved = simple(near).map((ring) => ring.map((value, i) => value + (i % 2 === 0 ? left : top)));
    assert.deepEqual(simple(far), moved);
  }
});

/** A disc from its runs alone. @type {(r: number, height: number, width: number, left: number, top: number) => import("../../pages/components/web/lib/rle.js").CocoRle} */
function discCounts(r, height, width, left, top) {
  const counts = [];
  let at = 0;
  for (let x = 0; x < 2 * r; x += 1) {
    const half = Math.floor(Math.sqrt(r * r - (x + 0.5 - r) ** 2));
    if (half === 0) continue;
    const start = (left + x) * height + top + r - half;
    counts.push(start - at, 2 * half);
    at = start + 2 * half;
  }
  return encodeCounts([height, width], [...counts, height * width - at]);
}

/** @param {{height: number, width: number, bits: Uint8Array}} mask */
function countParts({ height, width, bits }) {
  const left = bits.slice();
  let parts = 0;
  for (let start = 0; start < left.length; start += 1) {
    if (!left[start]) continue;
    parts += 1;
    const stack = [start];
    left[start] = 0;
    while (stack.length > 0) {
      const at = /** @type {number} */ (stack.pop());
      const [x, y] = [Math.floor(at / height), at % height];
      for (const [a, b] of [
        [x + 1, y],
        [x - 1, y],
        [x, y + 1],
        [x, y - 1],
      ]) {
        const other = a * height + b;
        if (a >= 0 && b >= 0 && a < width && b < height && left[other]) {
          left[other] = 0;
          stack.push(other);
        }
      }
    }
  }
  return parts;
}

/** @param {number} px @param {number} py @param {ArrayLike<number>} ring */
function distanceToRing(px, py, ring) {
  let least = Infinity;
  for (let i = 0; i < ring.length; i += 2) {
    const [ax, ay] = [ring[i], ring[i + 1]];
    const [dx, dy] = [ring[(i + 2) % ring.length] - ax, ring[(i + 3) % ring.length] - ay];
    const t = Math.min(1, Math.max(0, ((px - ax) * dx + (py - ay) * dy) / (dx * dx + dy * dy || 1)));
    least = Math.min(least, Math.hypot(px - ax - t * dx, py - ay - t * dy));
  }
  return least;
}
