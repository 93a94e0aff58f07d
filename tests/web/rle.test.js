import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { containsPixel, decodeCounts, decodeRle } from "../../pages/components/web/lib/rle.js";
import { bitmap, encode, randomMask, toBits } from "./helpers.js";

const samples = JSON.parse(readFileSync(new URL("../data/viewer/rle_samples.json", import.meta.url), "utf8"));

test("decode gives pycocotools' masks", () => {
  assert.ok(samples.length >= 10);
  for (const { name, rle, area, box, foreground } of samples) {
    const runs = decodeRle(rle);
    assert.equal(runs.area, area, name);
    assert.deepEqual(runs.box, box, name);
    assert.deepEqual(
      [...runs.starts].map((start, i) => [start, runs.ends[i]]),
      foreground,
      name,
    );
  }
});

test("decode is the inverse of encode", () => {
  for (let seed = 0; seed < 400; seed += 1) {
    const mask = randomMask(seed);
    assert.deepEqual(toBits(decodeRle(encode(mask))), mask.bits, `seed ${seed}`);
  }
});

test("a pixel is contained where its bit is set, and nowhere outside the image", () => {
  for (let seed = 0; seed < 60; seed += 1) {
    const mask = randomMask(seed);
    const runs = decodeRle(encode(mask));
    for (let x = -1; x <= mask.width; x += 1) {
      for (let y = -1; y <= mask.height; y += 1) {
        const inside = x >= 0 && y >= 0 && x < mask.width && y < mask.height;
        assert.equal(containsPixel(runs, x, y), inside && mask.bits[x * mask.height + y] === 1);
      }
    }
  }
});

test("empty runs are skipped and the runs around them joined", () => {
  // 2 background, 3 foreground, 0 background, 1 foreground, 0 background, 0 foreground, 4 background
  const runs = decodeRle({ size: [5, 2], counts: "230N0O4" });
  assert.deepEqual(decodeCounts("230N0O4"), [2, 3, 0, 1, 0, 0, 4]);
  assert.deepEqual([[...runs.starts], [...runs.ends], runs.area], [[2], [6], 4]);
});

test("an empty mask has no runs and no box", () => {
  const runs = decodeRle(encode(bitmap(["...", "..."])));
  assert.deepEqual([runs.starts.length, runs.area, runs.box], [0, 0, [0, 0, 0, 0]]);
});

test("damaged counts are refused", () => {
  for (const [counts, reason] of [
    ["5", /cover 5 pixels/],
    ["o", /unexpected end/],
    ["\u0000", /unexpected end or character/],
    ["<img>", /counts:/],
    ["oooooooo0", /too long/],
    ["O7", /negative/],
  ]) {
    assert.throws(() => decodeRle({ size: [2, 3], counts }), reason, counts);
  }
});
