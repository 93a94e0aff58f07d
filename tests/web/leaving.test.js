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

/** Looks for some time, as what waits does. @returns {number} how long it had to wait (ms) */
function waited(leave, time) {
  const started = now;
  while (leave.calm > 0 && now - started < time) now += leave.calm;
  return now - started;
}

test("what can wait does while the page is drawn, and no longer", (context) => {
  const leave = begin(context);
  assert.equal(leave.calm, 0);
  setScript("running");
  assert.equal(leave.rest, 0, "what cannot wait need not");
  assert.equal(waited(leave, 5000), 5000);
  setScript("notRunning");
  assert.equal(leave.calm, 0);
  setScript("running");
  assert.equal(waited(leave, 9000), 9000, "another run, another wait");
});

test("a page that is drawn without an end is not waited for for ever", (context) => {
  const leave = begin(context);
  setScript("running");
  assert.equal(waited(leave, 60_000), 10_000);
  assert.equal(leave.calm, 0, "nor once more for each thing said");
  now += 20_000;
  assert.ok(leave.calm > 0, "what is said much later is something else");
});

test("a press is waited for by what can wait, too", (context) => {
  const leave = begin(context);
  globalThis.document.dispatchEvent(eventOf("click", new Part({ selector: "button" })));
  assert.ok(leave.rest > 0);
  assert.equal(leave.calm, leave.rest);
  now += 2000;
  assert.equal(leave.calm, 0);
});

test("what can wait does from the moment in which the whole page is asked for", (context) => {
  const leave = begin(context);
  tellAsked();
  assert.ok(leave.calm > 0, "it has not begun to be drawn");
  assert.equal(leave.rest, 0, "what goes before a press still goes");
  setScript("running");
  assert.ok(leave.calm > 0);
  setScript("notRunning");
  assert.equal(leave.calm, 0);
  tellAsked();
  assert.equal(waited(leave, 60_000), 2000, "of some wishes nothing comes");
});
