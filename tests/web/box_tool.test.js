import assert from "node:assert/strict";
import { test } from "node:test";

import { boxBetween } from "../../pages/components/web/review/tools/box_tool.js";

const image = { width: 60, height: 40 };

test("a box is the same from whichever corner it was dragged, and ends at the image's border", () => {
  assert.deepEqual(boxBetween([10, 5], [30, 25], image), [10, 5, 30, 25]);
  assert.deepEqual(boxBetween([30, 25], [10, 5], image), [10, 5, 30, 25]);
  assert.deepEqual(boxBetween([30, 5], [10, 25], image), [10, 5, 30, 25]);
  assert.deepEqual(boxBetween([-7, 5], [90, 99], image), [0, 5, 60, 40]);
});

test("beside the image, or without an area, there is no box", () => {
  assert.equal(boxBetween([61, 5], [90, 25], image), null);
  assert.equal(boxBetween([10, 5], [10.5, 25], image), null);
});
