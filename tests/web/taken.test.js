// Images that others have open are passed over; who opens one is told whose it is.

import assert from "node:assert/strict";
import { test } from "node:test";

import { nextFree, tellHere, tellPassed } from "../../pages/components/web/review/taken.js";

const state = (at, taken, length = 6) => ({ at, length, message: { taken } });

test("a step leads over what others have open, in both directions", () => {
  assert.deepEqual(nextFree(state(1, {}), 1), { at: 2, passed: [] });
  assert.deepEqual(nextFree(state(1, { 2: "Ann", 3: "Bob" }), 1), { at: 4, passed: ["Ann", "Bob"] });
  assert.deepEqual(nextFree(state(4, { 2: "Ann", 3: "Ann" }), -1), { at: 1, passed: ["Ann"] });
});

test("where others have all the rest the step leads out of the queue", () => {
  assert.deepEqual(nextFree(state(3, { 4: "Ann", 5: "Bob" }), 1), { at: 6, passed: ["Ann", "Bob"] });
  assert.deepEqual(nextFree(state(1, { 0: "Ann" }), -1), { at: -1, passed: ["Ann"] });
});

test("one who is named like a property of objects is nobody in the way", () => {
  assert.deepEqual(nextFree({ at: 0, length: 3, message: null }, 1), { at: 1, passed: [] });
  assert.equal(tellHere(["constructor"]), "constructor is here");
});

test("people are told in plain sentences", () => {
  assert.equal(tellHere([]), "");
  assert.equal(tellHere(["Ann"]), "Ann is here");
  assert.equal(tellHere(["Ann", "Bob", "Eve"]), "Ann, Bob and Eve are here");
  assert.equal(tellPassed([]), "");
  assert.equal(tellPassed(["Ann"]), "passed over what Ann has open");
  assert.equal(tellPassed(["Ann", "Bob"]), "passed over what Ann and Bob have open");
});
