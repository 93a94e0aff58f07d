import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import {
  acceptMessage,
  categoryCounts,
  comeBack,
  countText,
  fillsMasks,
  labelText,
  leftThreshold,
  makeReport,
  selectInstance,
  selectShown,
  shownInstances,
  stepInstance,
  toggleCategory,
  toggled,
} from "../../pages/components/web/viewer/state.js";
import { readableOn } from "../../pages/components/web/viewer/labels.js";

/** @param {string} name */
const read = (name) => JSON.parse(readFileSync(new URL(`../data/viewer/${name}`, import.meta.url), "utf8"));
const message = (changes = {}) => ({ ...read("message.json"), ...changes });

test("the sample message is shown by score", () => {
  const model = acceptMessage(null, message());
  assert.deepEqual(
    shownInstances(model).map((one) => one.id),
    [7, 3, 12],
  );
  assert.equal(countText(model, 3), "3 of 4 shown");
});

test("choices made on the sample message give the sample report", () => {
  const model = acceptMessage(null, message());
  selectInstance(model, 3, false);
  selectInstance(model, 12, true);
  toggleCategory(model, 44);
  model.display.color_by = "category";
  model.display.opacity = 0.35;
  model.display.boxes = false;
  model.display.splash = true;
  model.threshold = 0.62;
  assert.deepEqual(makeReport(model), read("report.json"));
});

test("in a colour splash masks have no fill: asking for it ends the splash, leaving it brings back what was", () => {
  const { display } = acceptMessage(null, message());
  Object.assign(display, toggled(display, "splash"));
  assert.deepEqual([display.splash, display.masks, fillsMasks(display)], [true, true, false]);
  const left = { ...display, ...toggled(display, "splash") };
  assert.deepEqual([left.splash, fillsMasks(left)], [false, true]);
  for (const masks of [true, false]) {
    const filled = { ...display, masks, ...toggled({ ...display, masks }, "masks") };
    assert.deepEqual([filled.splash, filled.masks], [false, true]);
  }
  assert.deepEqual(toggled(display, "boxes"), { boxes: false });
});

test("an older echo does not undo a newer choice; its acknowledgement lets Python's word stand", () => {
  let model = acceptMessage(null, message());
  model.threshold = 0.8;
  model.touched = true;
  const { seq } = makeReport(model);
  model = acceptMessage(model, message({ ack: seq - 1 }));
  assert.equal(model.threshold, 0.8);
  model = acceptMessage(model, message({ ack: seq, score_threshold: 0.3 }));
  assert.equal(model.threshold, 0.3);
});

test("a change still being made survives any message about the same image", () => {
  let model = acceptMessage(null, message());
  model.threshold = 0.77;
  model.touched = true;
  model = acceptMessage(model, message({ ack: 99 }));
  assert.equal(model.threshold, 0.77);
  assert.ok(makeReport(model).seq > 99);
});

test("a moved score is seen, and the way back is the model's own", () => {
  const model = acceptMessage(null, message());
  assert.equal(leftThreshold(model), message().own_threshold);
  model.threshold = message().own_threshold + 0.004;
  assert.equal(leftThreshold(model), null);
  assert.equal(leftThreshold(acceptMessage(null, message({ own_threshold: null }))), null);
  const older = message();
  delete older.own_threshold;
  assert.equal(leftThreshold(acceptMessage(null, older)), null);
});

test("another image takes everything from the message and numbers go on", () => {
  let model = acceptMessage(null, message());
  model.threshold = 0.8;
  const first = makeReport(model).seq;
  const image = { ...message().image, key: "other" };
  model = acceptMessage(model, message({ image, ack: 0 }));
  assert.equal(model.threshold, 0.5);
  assert.ok(makeReport(model).seq > first);
});

test("an unanswered selection of an instance that has gone is reported again without it", () => {
  let model = acceptMessage(null, message());
  selectInstance(model, 3, false);
  makeReport(model);
  const instances = message().instances.filter((/** @type {any} */ one) => one.id !== 3);
  model = acceptMessage(model, message({ instances }));
  assert.ok(model.touched);
  assert.deepEqual(makeReport(model).selected, []);
});

test("what is not shown is not reported as selected, but comes back while the slider still moves", () => {
  const model = acceptMessage(null, message());
  selectInstance(model, 12, false);
  model.threshold = 0.99;
  assert.deepEqual([...model.selected], [12]);
  assert.deepEqual(makeReport(model).selected, []);
});

test("selection: one, more, less, none", () => {
  const model = acceptMessage(null, message());
  assert.ok(selectInstance(model, 3, false));
  assert.ok(!selectInstance(model, 3, false));
  selectInstance(model, 7, true);
  assert.deepEqual([...model.selected], [3, 7]);
  selectInstance(model, 3, true);
  assert.deepEqual([...model.selected], [7]);
  assert.ok(!selectInstance(model, null, true));
  assert.ok(selectInstance(model, null, false));
  assert.equal(model.selected.size, 0);
});

test("all that is shown can be selected at once, and nothing else", () => {
  const model = acceptMessage(null, message());
  const shown = shownInstances(model).map(({ id }) => id);
  assert.ok(shown.length > 1 && shown.length < model.instances.length);
  assert.ok(selectShown(model));
  assert.deepEqual([...model.selected], shown);
  assert.ok(model.touched && !selectShown(model));
});

test("stepping goes round the shown instances by score", () => {
  const model = acceptMessage(null, message());
  const seen = [];
  for (let i = 0; i < 4; i += 1) {
    const id = stepInstance(model, 1);
    seen.push(id);
    selectInstance(model, id, false);
  }
  assert.deepEqual(seen, [7, 3, 12, 7]);
  assert.equal(stepInstance(model, -1), 12);
  model.threshold = 1;
  assert.equal(stepInstance(model, 1), null);
});

test("what Python had not taken in when the page was left is reported on coming back", () => {
  const left = acceptMessage(null, message());
  left.threshold = 0.8;
  left.touched = true;
  const { seq } = makeReport(left);
  const lost = acceptMessage(comeBack(left, seq - 1), message({ ack: seq - 1 }));
  assert.equal(lost.threshold, 0.8);
  assert.equal(lost.touched, true, "so it is reported");
  const heard = acceptMessage(comeBack(left, seq), message({ ack: seq, score_threshold: 0.3 }));
  assert.deepEqual([heard.threshold, heard.touched], [0.3, false]);
  const other = { ...message().image, key: "sha256-00" };
  const elsewhere = acceptMessage(comeBack(left, seq - 1), message({ ack: seq - 1, image: other }));
  assert.deepEqual([elsewhere.threshold, elsewhere.touched], [message().score_threshold, false]);
});

test("category counts follow the score, not the eye", () => {
  const model = acceptMessage(null, message());
  toggleCategory(model, 1);
  const rows = categoryCounts(model).map(({ id, above, total }) => [id, above, total]);
  assert.deepEqual(rows, [
    [1, 2, 2],
    [44, 1, 2],
  ]);
});

test("no instances is a state like any other", () => {
  const model = acceptMessage(null, message({ instances: [], selected: [] }));
  assert.deepEqual(shownInstances(model), []);
  assert.equal(stepInstance(model, 1), null);
  assert.equal(countText(model, 0), "0 of 0 shown");
});

test("a message of another version is refused", () => {
  assert.throws(() => acceptMessage(null, message({ version: 2 })), /version 2/);
});

test("label tags are short, and readable on their colour", () => {
  const [instance] = message().instances;
  assert.equal(labelText({ ...instance, label: "x".repeat(300) }).length, 33);
  assert.equal(readableOn("#ffff00"), "#000000");
  assert.equal(readableOn("#0000aa"), "#ffffff");
});

test("a measured length is told until another image comes", () => {
  const model = acceptMessage(null, message());
  assert.ok(!("measured" in makeReport(model)));
  model.measured = 42.5;
  assert.equal(makeReport(model).measured, 42.5);
  const again = acceptMessage(model, message({ ack: model.seq }));
  assert.equal(makeReport(again).measured, 42.5);
  const other = acceptMessage(again, message({ image: { ...message().image, key: "other" } }));
  assert.ok(!("measured" in makeReport(other)));
});
