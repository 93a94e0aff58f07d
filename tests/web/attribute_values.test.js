// What can be said of several instances at once, and what is said of all of them.

import assert from "node:assert/strict";
import { test } from "node:test";

import {
  commonAttributes,
  commonValue,
  otherValues,
  readValue,
  writtenValue,
} from "../../pages/components/web/review/attribute_values.js";

const FLAG = { name: "occluded", kind: "yes-no" };
const STAGE = { name: "stage", kind: "choice", options: ["early", "late"] };
const AGE = { name: "age", kind: "number" };
const NOTE = { name: "note", kind: "text" };
const state = (/** @type {object} */ attributes, is_crowd = false) => ({ attributes, is_crowd });

test("several categories have in common what they declare alike", () => {
  const cell = { attributes: [FLAG, STAGE, AGE] };
  assert.deepEqual(commonAttributes([cell]), [FLAG, STAGE, AGE]);
  const other = { attributes: [FLAG, { ...STAGE, options: ["early"] }, { ...AGE, kind: "text" }] };
  assert.deepEqual(commonAttributes([cell, other]), [FLAG]);
  assert.deepEqual(commonAttributes([cell, {}]), []);
  assert.deepEqual(commonAttributes([]), []);
});

test("what differs is mixed, also where of some nothing is said", () => {
  const states = [state({ age: 3, note: "a" }), state({ age: 3 })];
  assert.deepEqual(commonValue(states, "age"), { isMixed: false, value: 3 });
  assert.deepEqual(commonValue(states, "note"), { isMixed: true, value: null });
  assert.deepEqual(commonValue(states, "constructor"), { isMixed: false, value: null });
  assert.deepEqual(commonValue([state({}, true), state({}, true)], "crowd"), { isMixed: false, value: true });
  assert.deepEqual(commonValue([], "age"), { isMixed: false, value: null });
});

test("what a person writes becomes a value of the attribute, or none", () => {
  for (const one of [FLAG, STAGE, AGE, NOTE]) assert.equal(readValue(one, " "), null);
  assert.deepEqual([readValue(FLAG, "yes"), readValue(FLAG, "no"), readValue(FLAG, "maybe")], [true, false, undefined]);
  assert.deepEqual([readValue(STAGE, "late"), readValue(STAGE, "never")], ["late", undefined]);
  assert.deepEqual(
    [readValue(AGE, "2.50"), readValue(AGE, "old"), readValue(AGE, "1e15")],
    [2.5, undefined, undefined],
  );
  assert.equal(readValue(NOTE, " <b>odd</b> "), "<b>odd</b>");
  for (const [one, value] of [
    [FLAG, false],
    [STAGE, "late"],
    [AGE, 0],
    [NOTE, "x"],
    [NOTE, null],
  ]) {
    assert.equal(readValue(one, writtenValue(value)), value);
  }
});

test("what a file says beside the declared attributes is told", () => {
  const states = [state({ age: 3, pose: "left" }), state({ pose: "right", checked: true })];
  assert.deepEqual(otherValues(states, [AGE]), ["pose: mixed", "checked: mixed"]);
  assert.deepEqual(otherValues([state({ age: 3 })], [AGE]), []);
});
