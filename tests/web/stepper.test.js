import assert from "node:assert/strict";
import { test } from "node:test";

import { StepCount } from "../../pages/components/web/stepper/stepper.js";

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

test("another session's count is not this one's", () => {
  const count = new StepCount();
  count.accept({ ...data, taken: 7 });
  assert.deepEqual(said(count, 1), { session: "a", steps: 8 }, "it goes on from what was taken in before");
  count.accept({ ...data, session: "b" });
  assert.deepEqual(said(count, 1), { session: "b", steps: 1 });
});
