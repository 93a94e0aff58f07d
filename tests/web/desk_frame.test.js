import assert from "node:assert/strict";
import { test } from "node:test";

import { PANEL_WIDTHS, boundedWidth, deskHeight, readPanel } from "../../pages/components/web/viewer/desk_frame.js";

test("the desk fills what is left of the window below its place", () => {
  assert.equal(deskHeight(900, 50), 844);
  assert.equal(deskHeight(900, 50.6), 843, "whole pixels, and none of them under the fold");
});

test("in a low window the desk keeps a height that one can work with", () => {
  assert.equal(deskHeight(200, 150), 300);
});

test("the panel has a width within bounds", () => {
  assert.equal(boundedWidth(10), PANEL_WIDTHS.least);
  assert.equal(boundedWidth(240.4), 240);
  assert.equal(boundedWidth(1e9), PANEL_WIDTHS.most);
});

test("the panel is as it was left", () => {
  assert.deepEqual(readPanel('{"isOpen": false, "width": 300}'), { isOpen: false, width: 300 });
  assert.deepEqual(readPanel('{"isOpen": true, "width": 9000}'), { isOpen: true, width: PANEL_WIDTHS.most });
});

test("what somebody else left under the panel's name is as nothing", () => {
  const untouched = { isOpen: null, width: PANEL_WIDTHS.usual };
  for (const text of [null, "", "{", "null", "[]", '"x"', '{"isOpen": "yes", "width": "wide"}']) {
    assert.deepEqual(readPanel(text), untouched, `${text}`);
  }
});
