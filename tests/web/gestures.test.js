import assert from "node:assert/strict";
import { test } from "node:test";

import { wheelZoom } from "../../pages/components/web/viewer/gestures.js";
import { Hand } from "../../pages/components/web/viewer/hand.js";
import { Part, eventOf, makeDocument } from "./streamlit_page.js";

globalThis.document = makeDocument();
globalThis.window = new EventTarget();

/** What has the focus: it answers to a selector. */
class Focused extends Part {
  constructor(selector) {
    super({ selector });
  }

  matches(selectors) {
    return this.closest(selectors) !== null;
  }
}

/** A hand over a stage that the pointer is on. */
function begin(context) {
  const stop = new AbortController();
  context.after(() => stop.abort());
  const stage = Object.assign(new EventTarget(), { classList: { toggle() {} } });
  const hand = new Hand(stage);
  hand.listen(stop.signal);
  stage.dispatchEvent(new Event("pointerenter"));
  return { hand, stage };
}

function press(name, part = new Focused("main"), values = {}) {
  const event = eventOf(name, part, { key: " ", ...values });
  let isTaken = false;
  event.preventDefault = () => (isTaken = true);
  globalThis.document.dispatchEvent(event);
  return isTaken;
}

test("a wheel zooms with Ctrl as much as without, and a pinch by its small steps", () => {
  const turn = { deltaY: -120, deltaMode: 0, ctrlKey: false };
  assert.ok(wheelZoom(turn) > 1.15 && wheelZoom(turn) < 1.3);
  assert.equal(wheelZoom({ ...turn, ctrlKey: true }), wheelZoom(turn));
  assert.equal(wheelZoom({ deltaY: -7.5, deltaMode: 1, ctrlKey: false }), wheelZoom(turn), "lines");
  const pinch = { ...turn, deltaY: 6, ctrlKey: true };
  assert.ok(wheelZoom(pinch) < 0.95 && wheelZoom(pinch) < wheelZoom({ ...pinch, ctrlKey: false }));
});

test("Space over the picture is the hand while it is held, and never scrolls the page or presses a clicked button", (context) => {
  const { hand } = begin(context);
  assert.ok(press("keydown"));
  assert.ok(hand.isOut);
  assert.ok(press("keydown", undefined, { repeat: true }));
  assert.ok(press("keyup", new Focused("button")));
  assert.ok(!hand.isOut);
  press("keydown", new Focused("button"));
  assert.ok(hand.isOut);
  globalThis.window.dispatchEvent(new Event("blur"));
  assert.ok(!hand.isOut, "nobody hears of the key's end in another window");
});

test("Space is left to whoever writes, to a button reached by Tab, and to the page beside the picture", (context) => {
  const { hand, stage } = begin(context);
  assert.ok(!press("keydown", new Focused("textarea")));
  press("keydown", undefined, { key: "Tab" });
  assert.ok(!press("keydown", new Focused("button")));
  press("pointerdown");
  for (const held of ["ctrlKey", "metaKey", "altKey"]) assert.ok(!press("keydown", undefined, { [held]: true }));
  assert.ok(!press("keydown", undefined, { key: "a" }));
  stage.dispatchEvent(new Event("pointerleave"));
  assert.ok(!press("keydown") && !press("keyup"));
  assert.ok(!hand.isOut);
});
