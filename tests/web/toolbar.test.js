import assert from "node:assert/strict";
import { test } from "node:test";

import { placeAfter } from "../../pages/components/web/lib/toolbar.js";

test("arrows go through a toolbar round and round", () => {
  assert.equal(placeAfter("ArrowDown", 0, 3), 1);
  assert.equal(placeAfter("ArrowRight", 2, 3), 0);
  assert.equal(placeAfter("ArrowUp", 0, 3), 2);
  assert.equal(placeAfter("ArrowLeft", 1, 3), 0);
});

test("Home and End lead to its ends", () => {
  assert.equal(placeAfter("Home", 2, 3), 0);
  assert.equal(placeAfter("End", 0, 3), 2);
});

test("other keys lead nowhere, and neither does any in an empty toolbar", () => {
  assert.equal(placeAfter("a", 0, 3), null);
  assert.equal(placeAfter("ArrowDown", -1, 0), null);
});
