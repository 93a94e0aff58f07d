import assert from "node:assert/strict";
import { test } from "node:test";

import {
  PLAIN,
  applyTones,
  gridStep,
  readLook,
  toneTable,
  turned,
  unturned,
  unturnedWay,
} from "../../pages/components/web/viewer/look.js";

const look = (changes) => ({ ...PLAIN, ...changes });

test("a plain look changes nothing, and an inverted one all", () => {
  assert.equal(toneTable(PLAIN), null);
  assert.equal(toneTable(look({ grid: true, turns: 1 })), null);
  assert.deepEqual(
    [...toneTable(look({ invert: true }))],
    Array.from({ length: 256 }, (_, at) => 255 - at),
  );
});

test("brightness adds, contrast turns about the middle, gamma lifts the dark, and none of them turns the order", () => {
  const bright = toneTable(look({ brightness: 0.2 }));
  assert.deepEqual([bright[0], bright[100], bright[255]], [51, 151, 255]);
  const hard = toneTable(look({ contrast: 2 }));
  assert.deepEqual([hard[0], hard[64], hard[127], hard[128], hard[255]], [0, 0, 127, 129, 255]);
  const lifted = toneTable(look({ gamma: 2 }));
  assert.deepEqual([lifted[0], lifted[64], lifted[255]], [0, 128, 255]);
  for (const table of [bright, hard, lifted]) {
    for (let at = 1; at < 256; at += 1) assert.ok(table[at] >= table[at - 1]);
  }
});

test("tones change colours and leave alpha", () => {
  const data = new Uint8ClampedArray([0, 100, 255, 7, 10, 20, 30, 255]);
  applyTones(data, toneTable(look({ invert: true })));
  assert.deepEqual([...data], [255, 155, 0, 7, 245, 235, 225, 255]);
});

test("what the browser kept is a look, or plain where it does not hold", () => {
  const kept = look({ brightness: -0.5, contrast: 2, gamma: 0.5, invert: true, crosshair: true, turns: 3 });
  assert.deepEqual(readLook(JSON.stringify(kept)), kept);
  for (const text of [null, "", "{", "7", "[]", '{"brightness": 2, "contrast": 0, "gamma": "1", "turns": 4}']) {
    assert.deepEqual(readLook(text), PLAIN, String(text));
  }
  assert.deepEqual(readLook('{"invert": 1, "grid": true, "turns": "1", "more": 1}'), look({ grid: true }));
});

test("a grid's lines are apart, and as many pixels as one counts by", () => {
  const steps = [100, 32, 31, 16, 8, 6.4, 3.2, 1, 0.1].map((scale) => gridStep(scale));
  assert.deepEqual(steps, [1, 1, 2, 2, 5, 5, 10, 50, 500]);
});

test("a point of a turned view has its way back, and four quarters are a whole turn", () => {
  const stage = { width: 300, height: 200 };
  for (const turns of [0, 1, 2, 3]) {
    for (const point of [
      [0, 0],
      [300, 200],
      [17, 123],
    ]) {
      assert.deepEqual(turned(unturned(point, turns, stage), turns, stage), point);
    }
  }
  // Seen turned clockwise by a quarter, the drawing's first corner is at the stage's upper right.
  assert.deepEqual(turned([0, 0], 1, stage), [300, 0]);
  assert.deepEqual(turned([0, 0], 2, stage), [300, 200]);
  assert.deepEqual(turned([0, 0], 3, stage), [0, 200]);
  let way = [3, -5];
  for (let turn = 0; turn < 4; turn += 1) way = unturnedWay(way, 1);
  assert.deepEqual(way, [3, -5]);
  assert.deepEqual(unturnedWay([0, 1], 1), [1, 0], "down on the screen is right in the picture");
});
