import assert from "node:assert/strict";
import { test } from "node:test";

import { lengthOf, lengthText } from "../../pages/components/web/viewer/aids.js";

test("a length is the distance of both ends, in pixels of the image", () => {
  assert.equal(
    lengthOf([
      [10, 20],
      [13, 16],
    ]),
    5,
  );
});

test("lengths are told with the digits that a hand can measure, in micrometres where pixels have a size", () => {
  assert.equal(lengthText(42.34, undefined), "42.3 px");
  assert.equal(lengthText(1234.4, null), "1234 px");
  assert.equal(lengthText(42.34, 0.325), "42.3 px · 13.8 µm");
});
