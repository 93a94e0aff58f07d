import assert from "node:assert/strict";
import { test } from "node:test";

import { Leaving, tellAsked } from "../../pages/components/web/lib/leaving.js";
import { Part, eventOf, makeDocument, setScript } from "./streamlit_page.js";

globalThis.document = makeDocument();
globalThis.window = new EventTarget();
/** The clock, which the tests set. */
let now = 100_000;
globalThis.performance.now = () => now;

function begin(context) {
  const stop = new AbortController();
  setScript("notRunning");
  context.after(() => stop.abort());
  return new Leaving(stop.signal);
}

test("what can wait does while the page is drawn, and no longer", (context) => {
  const leave = begin(context);
  assert.equal(leave.calm, 0);
  setScript("running");
  assert.ok(leave.calm > 0);
  assert.equal(leave.rest, 0, "what cannot wait need not");
  now += 9999;
  assert.ok(leave.calm > 0);
  setScript("notRunning");
  assert.equal(leave.calm, 0);
  setScript("running");
  assert.ok(leave.calm > 0, "another run, another wait");
});

test("a page that is drawn without an end is not waited for for ever", (context) => {
  const leave = begin(context);
  setScript("running");
  assert.ok(leave.calm > 0);
  now += 10_000;
  assert.equal(leave.calm, 0);
  now += 10_000;
  assert.equal(leave.calm, 0, "nor once more for each thing said");
});

test("a press is waited for by what can wait, too", (context) => {
  const leave = begin(context);
  globalThis.document.dispatchEvent(eventOf("click", new Part({ selector: "button" })));
  assert.ok(leave.rest > 0);
  assert.equal(leave.calm, leave.rest);
  now += 2000;
  assert.equal(leave.calm, 0);
});

test("when a component asks for the whole page, the others wait as for a press", (context) => {
  const leave = begin(context);
  tellAsked();
  assert.ok(leave.rest > 0, "it has not begun to be drawn");
  setScript("running");
  assert.ok(leave.rest > 0);
  setScript("notRunning");
  assert.equal(leave.rest, 0);
});
