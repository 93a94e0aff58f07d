// People are a pair of letters, and a sentence for who wants to know more.

import assert from "node:assert/strict";
import { test } from "node:test";

import { initialsOf, tellPerson } from "../../pages/components/web/review/people.js";

test("initials are those of the first and the last word", () => {
  assert.equal(initialsOf("Ann"), "A");
  assert.equal(initialsOf(" ann  b.  lee "), "AL");
  assert.equal(initialsOf("\u{1F600} x"), "\u{1F600}X", "whole characters");
  assert.equal(initialsOf(""), "");
});

test("who is on the same image is told apart", () => {
  assert.equal(tellPerson({ name: "Ann", is_here: true }), "Ann is here, on this image");
  assert.equal(tellPerson({ name: "Ann", is_here: false }), "Ann is in this project");
});
