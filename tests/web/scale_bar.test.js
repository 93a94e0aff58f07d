import assert from "node:assert/strict";
import { test } from "node:test";

import { scaleBar } from "../../pages/components/web/viewer/scale_bar.js";

test("a bar is as long as it says, round, and has room", () => {
  for (const micrometres of [0.001, 0.065, 0.325, 1, 7.3, 900]) {
    for (const scale of [0.03, 0.5, 1, 3.7, 40]) {
      for (const width of [320, 1000, 4000]) {
        const bar = scaleBar(micrometres, scale, width);
        assert.ok(bar !== null);
        const [number, unit] = bar.text.split(" ");
        const told = Number(number) * { pm: 1e-6, nm: 1e-3, µm: 1, mm: 1e3 }[unit];
        assert.ok(Math.abs((bar.length / scale) * micrometres - told) < 1e-9 * told);
        assert.match(number, /^[125]0*$/);
        assert.ok(bar.length <= Math.min(180, width / 4) && bar.length > Math.min(180, width / 4) / 2.6);
      }
    }
  }
});

test("lengths are told in units that people use", () => {
  assert.equal(scaleBar(0.325, 1, 1000)?.text, "50 µm");
  assert.equal(scaleBar(0.01, 1, 1000)?.text, "1 µm");
  assert.equal(scaleBar(0.001, 1, 1000)?.text, "100 nm");
  assert.equal(scaleBar(20, 1, 1000)?.text, "2 mm");
});

test("nothing is said where the size of a pixel is unknown", () => {
  assert.equal(scaleBar(undefined, 1, 1000), null);
  assert.equal(scaleBar(null, 1, 1000), null);
  assert.equal(scaleBar(0.5, 1, 0), null);
});
