import assert from "node:assert/strict";
import { test } from "node:test";

import { StepCount, stepsOf } from "../../pages/components/web/stepper/stepper.js";

const data = { session: "a", taken: 0, at: 1, count: 5, back: "before", forward: "next" };

function said(count, step) {
  count.go(step);
  const { unsaid } = count;
  if (unsaid !== null) count.said = unsaid.steps;
  return unsaid;
}

test("each press counts, however late the answer comes", () => {
  const count = new StepCount();
  count.accept(data);
  assert.deepEqual(said(count, 1), { session: "a", steps: 1 });
  assert.deepEqual(said(count, 1), { session: "a", steps: 2 });
  assert.equal(count.at, 3, "shown at once");
  count.accept({ ...data, taken: 1, at: 2 }); // the answer to the first alone
  assert.equal(count.at, 3);
  assert.deepEqual(said(count, 1), { session: "a", steps: 3 });
  count.accept({ ...data, taken: 3, at: 4 });
  assert.equal(count.unsaid, null);
});

test("a step back is said although Python has not heard of the one forward yet", () => {
  const count = new StepCount();
  count.accept(data);
  assert.deepEqual(said(count, 1), { session: "a", steps: 1 });
  assert.deepEqual(said(count, -1), { session: "a", steps: 0 });
  count.accept({ ...data, taken: 1, at: 2 }); // the answer to the first alone
  assert.equal(count.at, 1);
  count.accept(data);
  assert.equal(count.at, 1);
  assert.equal(count.unsaid, null);
});

test("there is nothing beyond the ends", () => {
  const count = new StepCount();
  assert.equal(said(count, 1), null, "nor before there is a list");
  count.accept({ ...data, at: 0, count: 1 });
  assert.equal(count.can(1), false);
  assert.equal(said(count, 1), null);
  assert.equal(said(count, -1), null);
  assert.equal(count.steps, 0);
});

test("buttons that come in the place of others know of the presses that are still under way", () => {
  const counted = new Map();
  const first = new StepCount(counted);
  first.accept(data);
  said(first, 1);
  said(first, 1);
  const second = new StepCount(counted);
  second.accept({ ...data, taken: 1, at: 2 });
  assert.equal(second.at, 3);
  assert.deepEqual(second.unsaid, { session: "a", steps: 2 }, "the old ones may not have come to say it");
  assert.deepEqual(said(second, 1), { session: "a", steps: 3 });
});

test("keys step, and those that turn pages only while the picture has the focus", () => {
  const steps = (key, held = {}, isInPicture = true) => stepsOf({ key, ...held }, { at: 1, count: 5, isInPicture });
  const alt = { altKey: true };
  assert.deepEqual([steps("ArrowLeft", alt), steps("ArrowRight", alt, false), steps("Home", alt)], [-1, 1, null]);
  assert.deepEqual(
    ["PageUp", "PageDown", "Home", "End"].map((key) => steps(key)),
    [-1, 1, -1, 3],
  );
  for (const key of ["PageUp", "PageDown", "Home", "End"]) {
    assert.equal(steps(key, {}, false), null, "elsewhere they scroll");
    for (const held of ["shiftKey", "ctrlKey", "metaKey"]) assert.equal(steps(key, { [held]: true }), null);
  }
  assert.equal(steps("ArrowLeft"), null);
});

test("to the last and back to the first", () => {
  const count = new StepCount();
  count.accept(data);
  assert.deepEqual(said(count, 3), { session: "a", steps: 3 });
  assert.equal(count.at, 4);
  assert.deepEqual(said(count, -4), { session: "a", steps: -1 });
  assert.equal(count.at, 0);
});

test("another session's count is not this one's", () => {
  const count = new StepCount();
  count.accept({ ...data, taken: 7 });
  assert.deepEqual(said(count, 1), { session: "a", steps: 8 }, "it goes on from what was taken in before");
  count.accept({ ...data, session: "b" });
  assert.deepEqual(said(count, 1), { session: "b", steps: 1 });
});
