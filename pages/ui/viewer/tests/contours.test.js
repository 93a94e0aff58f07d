import assert from "node:assert/strict";
import { test } from "node:test";

import { simplifyRing, traceRings } from "../frontend/contours.js";
import { decodeRle } from "../frontend/rle.js";
import { bitmap, doubleArea, encode, fillEvenOdd, random, randomMask } from "./helpers.js";

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
  assert.deepEqual(ringsOf(["#####", "#####"]).map((ring) => ring.length), [8]);
});

test("a hole is a ring of its own, the other way round", () => {
  const rings = ringsOf(["####", "#..#", "####"]);
  assert.deepEqual(rings.map(doubleArea).sort((a, b) => a - b), [-4, 24]);
});

test("pixels that touch at a corner only are apart; holes that do are one", () => {
  assert.equal(ringsOf(["#.", ".#"]).length, 2);
  assert.equal(ringsOf([".#", "#."]).length, 2);
  assert.deepEqual(ringsOf(["####", "#.##", "##.#", "####"]).map(doubleArea).sort((a, b) => a - b), [-4, 32]);
  assert.deepEqual(ringsOf(["####", "##.#", "#.##", "####"]).map(doubleArea).sort((a, b) => a - b), [-4, 32]);
});

test("filled by the even-odd rule, the rings give back the mask, pixel by pixel", () => {
  for (let seed = 0; seed < 600; seed += 1) {
    const mask = randomMask(seed);
    const runs = decodeRle(encode(mask));
    const rings = traceRings(runs);
    assert.deepEqual(fillEvenOdd(rings, mask.height, mask.width), mask.bits, `seed ${seed}`);
    assert.equal(rings.reduce((sum, ring) => sum + doubleArea(ring), 0), 2 * runs.area, `seed ${seed}`);
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

test("100 masks on a 12 megapixel image take less than a second", () => {
  const draw = random(5);
  const [height, width] = [3000, 4000];
  const masks = Array.from({ length: 100 }, () => {
    const [cx, cy, r] = [500 + draw() * 3000, 500 + draw() * 2000, 60 + draw() * 400];
    const bits = new Uint8Array(height * width);
    for (let x = Math.ceil(cx - r); x < cx + r; x += 1) {
      const half = Math.sqrt(Math.max(0, r * r - (x - cx) ** 2));
      bits.fill(1, x * height + Math.round(cy - half), x * height + Math.round(cy + half));
    }
    return encode({ height, width, bits });
  });
  const began = performance.now();
  for (const mask of masks) traceRings(decodeRle(mask)).forEach((ring) => simplifyRing(ring, 0.75));
  assert.ok(performance.now() - began < 1000, `${performance.now() - began} ms`);
});

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
      for (const [a, b] of [[x + 1, y], [x - 1, y], [x, y + 1], [x, y - 1]]) {
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
