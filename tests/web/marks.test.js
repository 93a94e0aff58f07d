import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import {
  IMAGES_KEPT,
  MarkStore,
  clearMarks,
  countMarks,
  isHidden,
  marksText,
  noMarks,
  renameMarks,
  reveal,
  toggleHidden,
  toggleLocked,
  toggleSolo,
} from "../../pages/components/web/viewer/marks.js";
import {
  acceptMessage,
  isPickable,
  makeReport,
  selectInstance,
  selectShown,
  shownInstances,
  stepInstance,
} from "../../pages/components/web/viewer/state.js";

const read = () => JSON.parse(readFileSync(new URL("../data/viewer/message.json", import.meta.url), "utf8"));
const instances = [1, 2, 3, 4].map((id) => ({ id }));
const hiddenOf = (marks) => instances.filter(({ id }) => isHidden(marks, id)).map(({ id }) => id);

/** A storage with room for so many characters. */
function storage(room = Infinity) {
  const kept = new Map();
  return {
    getItem: (key) => kept.get(key) ?? null,
    setItem: (key, text) => {
      if (text.length > room) throw new Error("QuotaExceededError");
      kept.set(key, text);
    },
  };
}

test("hiding is undone by doing it again, as a whole", () => {
  const marks = noMarks();
  toggleHidden(marks, [1, 2]);
  assert.deepEqual(hiddenOf(marks), [1, 2]);
  toggleHidden(marks, [2, 3]);
  assert.deepEqual(hiddenOf(marks), [1, 2, 3], "of mixed ones all become hidden");
  toggleHidden(marks, [1, 2]);
  assert.deepEqual(hiddenOf(marks), [3]);
  toggleHidden(marks, []);
  assert.deepEqual(hiddenOf(marks), [3]);
});

test("what is singled out hides all others, and leaves what was hidden before as it was", () => {
  const marks = noMarks();
  toggleHidden(marks, [1, 2]);
  toggleSolo(marks, [2]);
  assert.deepEqual(hiddenOf(marks), [1, 3, 4], "what is singled out is seen");
  toggleSolo(marks, [3]);
  assert.deepEqual(hiddenOf(marks), [1, 2, 4]);
  toggleHidden(marks, [3]);
  assert.deepEqual(hiddenOf(marks), [1, 2, 3, 4]);
  toggleHidden(marks, [3]);
  assert.deepEqual(hiddenOf(marks), [1, 2, 4]);
  toggleSolo(marks, [3]);
  assert.deepEqual(hiddenOf(marks), [1]);
  toggleSolo(marks, []);
  assert.equal(marks.solo, null);
});

test("what is made while one is singled out is seen", () => {
  const marks = noMarks();
  toggleSolo(marks, [1]);
  reveal(marks, [4]);
  assert.deepEqual(hiddenOf(marks), [2, 3]);
});

test("counts in words, and all of it ended at once", () => {
  const marks = noMarks();
  assert.equal(marksText(countMarks(marks, instances)), "");
  toggleHidden(marks, [1]);
  toggleLocked(marks, [1, 2]);
  toggleLocked(marks, [2, 3]);
  assert.equal(marksText(countMarks(marks, instances)), "1 hidden, 3 locked");
  toggleLocked(marks, [1, 2, 3]);
  assert.equal(marksText(countMarks(marks, instances)), "1 hidden");
  toggleSolo(marks, [2]);
  clearMarks(marks);
  assert.deepEqual(countMarks(marks, instances), { hidden: 0, locked: 0 });
});

test("marks follow an instance to its new id", () => {
  const marks = noMarks();
  toggleLocked(marks, [-5000, 2]);
  toggleSolo(marks, [-5000]);
  renameMarks(marks, new Map([[-5000, 3]]));
  assert.deepEqual([[...marks.locked], [...marks.solo]], [[2, 3], [3]]);
});

test("marks are kept image by image, the latest ones, and what does not hold is as if it was never there", () => {
  const store = new MarkStore(storage());
  const marks = noMarks();
  toggleHidden(marks, [1]);
  toggleLocked(marks, [2]);
  toggleSolo(marks, [3]);
  store.save("a", marks);
  assert.deepEqual(new MarkStore(store.storage).load("a"), marks);
  assert.deepEqual(store.load("b"), noMarks());
  for (let n = 0; n < IMAGES_KEPT; n += 1) store.save(`image ${n}`, marks);
  assert.deepEqual(store.load("a"), noMarks(), "the oldest one goes");
  assert.deepEqual(store.load("image 0"), marks);
  store.save("image 0", noMarks());
  assert.equal(store.read().length, IMAGES_KEPT - 1);
  for (const text of ["{", "7", '[["a", [1], ["x"], null]]', '[["a", [1.5], [], null], [1, [], [], null]]']) {
    store.storage.setItem("maskdesk-marks", text);
    assert.deepEqual(store.load("a"), noMarks(), text);
  }
});

test("a storage that is full keeps the latest image, and none keeps nothing", () => {
  const marks = noMarks();
  toggleHidden(marks, [1, 2, 3]);
  const store = new MarkStore(storage(60));
  for (const key of ["a", "b", "c", "d"]) store.save(key, marks);
  assert.deepEqual(store.load("d"), marks);
  assert.deepEqual(store.load("a"), noMarks());
  new MarkStore(storage(1)).save("a", marks);
  new MarkStore(null).save("a", marks);
  assert.deepEqual(new MarkStore(null).load("a"), noMarks());
});

test("what is hidden is not shown, and what is hidden or locked is not selected", () => {
  const model = acceptMessage(null, read());
  const shown = () => shownInstances(model).map(({ id }) => id);
  assert.deepEqual(shown(), [7, 3, 12]);
  toggleHidden(model.marks, [7]);
  toggleLocked(model.marks, [3]);
  assert.deepEqual(shown(), [3, 12]);
  assert.deepEqual(
    [7, 3, 12].map((id) => isPickable(model, model.byId.get(id))),
    [false, false, true],
  );
  selectShown(model);
  assert.deepEqual([...model.selected], [12]);
  selectInstance(model, 3, false);
  assert.deepEqual([...model.selected], []);
  assert.equal(stepInstance(model, 1), 12);
  model.selected = new Set([7, 3, 12]);
  assert.deepEqual(makeReport(model).selected, [12]);
});

test("marks last over Python's next message of the same image, and end with another image", () => {
  let model = acceptMessage(null, read());
  toggleHidden(model.marks, [7]);
  model = acceptMessage(model, read());
  assert.equal(isHidden(model.marks, 7), true);
  const other = read();
  other.image.key = "another";
  assert.equal(isHidden(acceptMessage(model, other).marks, 7), false);
});
