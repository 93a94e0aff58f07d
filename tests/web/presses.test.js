import assert from "node:assert/strict";
import { test } from "node:test";

import { Presses } from "../../pages/components/web/lib/presses.js";
import { Part, eventOf, makeDocument, observed, setScript } from "./streamlit_page.js";

globalThis.document = makeDocument();
/** The clock, which the tests set. */
let now = 100_000;
globalThis.performance.now = () => now;

const WIDGET = new Part({ selector: "button" });

function begin(context) {
  const stop = new AbortController();
  setScript("notRunning");
  context.after(() => stop.abort());
  return { presses: new Presses(stop.signal), stop };
}

const press = (name = "click", part = WIDGET, values = {}) =>
  globalThis.document.dispatchEvent(eventOf(name, part, values));

test("nothing pressed, nothing to wait for, even while the script runs", (context) => {
  const { presses } = begin(context);
  setScript("running");
  assert.equal(presses.rest, 0);
});

test("a press is waited for until the run with it is over", (context) => {
  const { presses } = begin(context);
  for (const name of ["pointerdown", "click", "change", "drop"]) {
    press(name);
    assert.ok(presses.rest > 0, `${name}: Streamlit is about to send it`);
    setScript("running");
    now += 5000;
    assert.ok(presses.rest > 0, "the script may not have come to it");
    setScript("notRunning");
    assert.equal(presses.rest, 0);
    setScript("running");
    assert.equal(presses.rest, 0, "that is another run");
    setScript("notRunning");
  }
});

test("a run that was under way is not the run with the press", (context) => {
  const { presses } = begin(context);
  press();
  setScript("running");
  press();
  setScript("notRunning"); // ended for the second press
  assert.ok(presses.rest > 0);
  setScript("running");
  assert.ok(presses.rest > 0);
  setScript("notRunning");
  assert.equal(presses.rest, 0);
});

test("a press of which nothing comes, and a run without an end, are not waited for for ever", (context) => {
  const { presses } = begin(context);
  press();
  now += 1999;
  assert.ok(presses.rest > 0);
  now += 1;
  assert.equal(presses.rest, 0);
  press();
  setScript("running");
  now += 9999;
  assert.ok(presses.rest > 0);
  now += 1;
  assert.equal(presses.rest, 0);
});

test("presses of a component of ours are its own affair", (context) => {
  const { presses } = begin(context);
  for (const name of ["pointerdown", "click", "change", "drop"]) press(name, new Part({ isOurs: true }));
  press("keydown", new Part({ isOurs: true, selector: "button" }), { key: "Enter" });
  assert.equal(presses.rest, 0);
});

test("of keys, only those count by which a widget changes", (context) => {
  const { presses } = begin(context);
  press("keydown", new Part({ selector: "input" }), { key: "a" });
  press("keydown", new Part(), { key: "Enter" }); // the reviewer hears keys wherever the focus is
  assert.equal(presses.rest, 0);
  press("keydown", new Part({ selector: "[role]" }), { key: "ArrowLeft" });
  assert.ok(presses.rest > 0);
});

test("it ends with its signal", (context) => {
  const { presses, stop } = begin(context);
  press();
  now += 2000;
  const before = observed();
  stop.abort();
  assert.equal(observed(), before - 1);
  press();
  assert.equal(presses.rest, 0);
});

test("what waits to be said is said before a press counts, and once for a press", (context) => {
  const stop = new AbortController();
  context.after(() => stop.abort());
  setScript("notRunning");
  const said = [];
  const presses = new Presses(stop.signal, () => said.push(presses.rest));
  press("pointerdown");
  press("click");
  assert.deepEqual(said, [0], "the click is the end of the same press");
  setScript("running");
  setScript("notRunning");
  press("click");
  assert.deepEqual(said, [0, 0]);
  press("click", new Part({ isOurs: true }));
  assert.equal(said.length, 2);
  press("pointerdown");
  assert.equal(said.length, 3, "the click before was of nothing");
  setScript("running");
  press("pointerdown");
  assert.equal(said.length, 3, "the run with it goes on");
});
