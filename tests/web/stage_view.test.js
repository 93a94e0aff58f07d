import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { boxOverlap, draggedBox, gripAt, inOrder } from "../../pages/components/web/stage_view/boxes.js";
import { labelPlace } from "../../pages/components/web/stage_view/stage_draw.js";
import { StageState, legendMark } from "../../pages/components/web/stage_view/stage_state.js";

const SAMPLES = new URL("../data/stage_view/", import.meta.url);
const read = (name) => JSON.parse(readFileSync(new URL(name, SAMPLES), "utf-8"));
const SIZE = { width: 200, height: 100 };

test("areas and IoU of two boxes", () => {
  assert.deepEqual(boxOverlap([0, 0, 10, 10], [5, 0, 15, 10]), {
    first: 100,
    second: 100,
    both: 50,
    either: 150,
    iou: 1 / 3,
  });
  assert.equal(boxOverlap([0, 0, 10, 10], [0, 0, 10, 10]).iou, 1);
  assert.equal(boxOverlap([0, 0, 10, 10], [10, 0, 20, 10]).iou, 0, "side by side they share nothing");
  assert.equal(boxOverlap([3, 3, 3, 3], [3, 3, 3, 3]).iou, 0, "a box without area is no box");
});

test("labels stay within the picture, of which the canvas may show more beside it", () => {
  const context = { font: "", measureText: (text) => ({ width: 10 * text.length }) };
  const place = (x, text) => labelPlace(context, x, 50, text, [20, 180]).at;
  assert.deepEqual(place(60, "abc"), [60, 33, 98, 50], "above its corner");
  assert.deepEqual(place(170, "abc"), [142, 33, 180, 50], "as far left as it has to be");
  assert.deepEqual(place(5, "abc"), [20, 33, 58, 50]);
  assert.equal(place(60, "a label that is longer than the picture")[0], 20, "its beginning can be read");
});

test("two boxes of one size that are shifted by a third have an IoU of one half", () => {
  assert.equal(boxOverlap([0, 0, 30, 9], [10, 0, 40, 9]).iou, 0.5);
});

test("corners are gripped before insides, and the smallest box of several", () => {
  const boxes = [
    [0, 0, 100, 80],
    [20, 20, 40, 40],
  ];
  assert.deepEqual(gripAt(boxes, 21, 22, 5), { index: 1, grip: "x1y1" });
  assert.deepEqual(gripAt(boxes, 98, 79, 5), { index: 0, grip: "x2y2" });
  assert.deepEqual(gripAt(boxes, 30, 30, 5), { index: 1, grip: "move" });
  assert.deepEqual(gripAt(boxes, 70, 30, 5), { index: 0, grip: "move" });
  assert.equal(gripAt(boxes, 150, 90, 5), null);
});

test("a dragged box stays in the picture and keeps a pixel", () => {
  assert.deepEqual(draggedBox([10, 10, 60, 60], "move", -50, 500, SIZE), [0, 50, 50, 100]);
  assert.deepEqual(draggedBox([10, 10, 60, 60], "x2y2", 500, -500, SIZE), [10, 10, 200, 11]);
  assert.deepEqual(draggedBox([10, 10, 60, 60], "x1y1", 500, -5, SIZE), [59, 5, 60, 60]);
  assert.deepEqual(draggedBox([10, 10, 60, 60], "x1y2", -3, 4, SIZE), [7, 10, 60, 64]);
});

test("the sample message is taken in, and what was done is answered as the sample answer", () => {
  const state = new StageState();
  state.accept(read("message.json"));
  assert.deepEqual(state.passes(state.message.layers[0]), [true, true, false]);
  state.value = 0.75;
  state.replace(0, draggedBox(state.boxes[0], "move", 5, 5, state.message));
  assert.deepEqual(state.answer, read("answer.json"));
  assert.match(state.sentence, /your box: 2,500 px · object: 2,500 px · shared: 1,575 px · together: 3,425 px/);
  assert.match(state.sentence, /IoU = 1,575 \/ 3,425 = 0\.460/);
  assert.match(state.sentence, /2 of 3 have an IoU of 0\.75 or more with object/);
});

test("a message of the same scene changes layers and keeps what was done; another scene begins anew", () => {
  const state = new StageState();
  const message = read("message.json");
  state.accept(message);
  state.value = 0.9;
  state.draw([50, 40, 20, 10]);
  state.accept({ ...message, layers: [] });
  assert.equal(state.value, 0.9);
  assert.deepEqual(state.drawn, [20, 10, 50, 40]);
  state.accept({ ...message, scene: "iou-4" });
  assert.equal(state.value, 0.5);
  assert.equal(state.drawn, null);
});

test("only so many of a counted layer are shown, and a slip of the hand draws nothing", () => {
  const state = new StageState();
  const message = read("message.json");
  state.accept({ ...message, slider: { ...message.slider, least: 1, most: 3, step: 1, value: 2 } });
  assert.equal(state.shown({ ...message.layers[0], counted: true }), 2);
  assert.equal(state.shown(message.layers[0]), 3);
  assert.equal(state.draw([5, 5, 6, 90]), false);
  assert.equal(state.drawn, null);
  assert.deepEqual(inOrder([9, 8, 1, 2]), [1, 2, 9, 8]);
});

test("a layer's mark in the legend has all of its colours", () => {
  assert.equal(legendMark({ kind: "boxes", colors: ["#111111", "#111111"] }), "#111111");
  assert.equal(legendMark({ kind: "picture" }), "");
  const two = legendMark({ kind: "boxes", colors: ["#111111", "#222222", "#111111"] });
  assert.equal(two, "linear-gradient(90deg, #111111 0% 50%, #222222 50% 100%)");
  assert.match(legendMark({ kind: "boxes", judged: true }), /#2ca02c 0% 50%, #d62728/);
  const many = Array.from({ length: 50 }, (_, n) => `#0000${10 + n}`);
  const mark = legendMark({ kind: "boxes", colors: many });
  assert.equal(mark.match(/#/g)?.length, 5);
  assert.ok(mark.includes(`${many[0]} 0%`) && mark.includes(`${many[49]} 80% 100%`));
});

test("another version is refused", () => {
  assert.throws(() => new StageState().accept({ ...read("message.json"), version: 2 }), /version 2/);
});
