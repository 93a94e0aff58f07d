import assert from "node:assert/strict";
import { test } from "node:test";

import { nameOf } from "../../pages/components/web/uploads/pasting.js";

test("what browsers call image.png gets the time as a name, and other files keep theirs", () => {
  const now = new Date(2026, 2, 4, 5, 6, 7);
  assert.equal(nameOf("image.png", now, 0), "pasted 2026-03-04 05.06.07.png");
  assert.equal(nameOf("image.jpeg", now, 1), "pasted 2026-03-04 05.06.07 (2).jpeg");
  assert.equal(nameOf("holiday.png", now, 0), "holiday.png");
  assert.equal(nameOf("my image.png", now, 0), "my image.png");
});
