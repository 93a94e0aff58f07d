import assert from "node:assert/strict";
import { test } from "node:test";

import { heldName, holdName } from "../../pages/components/web/review/review_session.js";
import { setAwaited } from "../../pages/components/web/lib/awaited.js";
import mountOutbox, { askBeforeLeaving, nameToSay, stillToSend } from "../../pages/components/web/review/outbox.js";
import { Part, eventOf, makeDocument, setScript } from "./streamlit_page.js";

// @ts-expect-error: all of the window that the outbox needs
globalThis.window = new EventTarget();
globalThis.document = makeDocument();
/** The clock, which the tests set. */
let now = 100_000;
globalThis.performance.now = () => now;

const CLIENT = "0123456789abcdef01234567";

function storageWith(pending) {
  const values = new Map([
    ["maskdesk-review-client", CLIENT],
    [`maskdesk-review-ops-${CLIENT}`, JSON.stringify({ client: CLIENT, seq: 9, pending })],
  ]);
  return {
    getItem: (name) => values.get(name) ?? null,
    setItem: (name, value) => values.set(name, value),
    removeItem: (name) => values.delete(name),
  };
}

/** Lets time pass in small steps, as what a timer starts begins with the step. */
function pass(context, time) {
  for (let i = 0; i < time; i += 25) {
    now += 25;
    context.mock.timers.tick(25);
  }
}

const undo = (seq) => ({ op: { seq, kind: "undo" }, patch: null });
const none = { images: { token: "", count: 0 }, unsaved: [] };
const nothing = { is_open: true, ack_client: "", ack_seq: 0, who: "", ...none };

test("what was not acknowledged is sent, and what has arrived is forgotten", () => {
  const storage = storageWith([undo(7), undo(8), undo(9)]);
  assert.deepEqual(
    stillToSend(nothing, storage).ops.map((op) => op.seq),
    [7, 8, 9],
  );
  const acked = { is_open: true, ack_client: CLIENT, ack_seq: 8 };
  assert.deepEqual(
    stillToSend(acked, storage).ops.map((op) => op.seq),
    [9],
  );
  assert.deepEqual(
    stillToSend(nothing, storage).ops.map((op) => op.seq),
    [9],
    "also after a reload",
  );
});

test("an acknowledgement of another tab is none", () => {
  const storage = storageWith([undo(7)]);
  const other = { is_open: true, ack_client: "f".repeat(24), ack_seq: 8 };
  assert.equal(stillToSend(other, storage).ops.length, 1);
});

/** Two stores as a tab has them; without an argument they are forbidden. */
function withStorages(tab, browser, check) {
  if (tab !== undefined) [globalThis.sessionStorage, globalThis.localStorage] = [tab, browser];
  try {
    check();
  } finally {
    delete globalThis.sessionStorage;
    delete globalThis.localStorage;
    delete globalThis[Symbol.for("maskdesk.who")];
  }
}

test("a name that was given once comes back in another session", () => {
  withStorages(storageWith([]), storageWith([]), () => {
    assert.equal(nameToSay(""), "");
    assert.equal(nameToSay("Ann"), "Ann", "for a server that starts anew and is asked for something at once");
    assert.equal(nameToSay("Ann"), "", "the app knows it");
    assert.equal(nameToSay(""), "Ann", "of another session");
    assert.equal(nameToSay("Bob"), "Bob", "or a server that starts anew would be told of Ann");
    assert.equal(nameToSay("Bob"), "");
  });
});

test("a tab keeps its own name, a new one has the last of the browser, and without storage the page remembers", () => {
  const [first, second, browser] = [storageWith([]), storageWith([]), storageWith([])];
  withStorages(first, browser, () => holdName("Ann"));
  withStorages(second, browser, () => {
    assert.equal(heldName(), "Ann");
    holdName("Bob");
  });
  withStorages(first, browser, () => assert.equal(heldName(), "Ann"));
  withStorages(storageWith([]), browser, () => assert.equal(heldName(), "Bob"));
  withStorages(undefined, undefined, () => {
    assert.equal(heldName(), "");
    holdName("Ann");
    assert.equal(heldName(), "Ann");
  });
});

test("what was kept before anybody had a name is sent under the one that is given", () => {
  const tab = storageWith([undo(7), { op: { ...undo(8).op, who: "Bob" }, patch: null }]);
  withStorages(tab, storageWith([]), () => {
    assert.deepEqual(
      stillToSend(nothing, tab).ops.map((op) => op.who),
      [undefined, "Bob"],
    );
    holdName("Ann");
    assert.deepEqual(
      stillToSend(nothing, tab).ops.map((op) => op.who),
      ["Ann", "Bob"],
    );
  });
});

test("beside a reviewer, and with nothing to say, it says nothing", (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const said = [];
  const mount = (data) => {
    mountOutbox({ data, setStateValue: (name, value) => said.push([name, value]) });
    pass(context, 1000);
  };
  globalThis.sessionStorage = storageWith([undo(7)]);
  mount({ ...nothing, is_open: false });
  assert.deepEqual(said, []);
  mount(nothing);
  assert.equal(said.length, 1);
  assert.equal(said[0][0], "ops");
  assert.equal(said[0][1].client, CLIENT);
  globalThis.sessionStorage = storageWith([]);
  mount(nothing);
  assert.equal(said.length, 1);
  sessionStorage.setItem("maskdesk-who", "Ann");
  mount(nothing);
  assert.deepEqual(said[1], ["who", "Ann"]);
  delete globalThis.sessionStorage;
});

test("the browser asks before leaving as long as something would be lost", () => {
  const tab = new EventTarget();
  const guard = askBeforeLeaving(tab);
  const isAsked = () => !tab.dispatchEvent(new Event("beforeunload", { cancelable: true }));
  assert.equal(isAsked(), false);
  guard(true);
  assert.equal(isAsked(), true);
  guard(false);
  assert.equal(isAsked(), false);
});

test("after an upgrade the browser asks no longer for what only the old version knew of", async (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  globalThis.sessionStorage = storageWith([]);
  const later = await import("../../pages/components/web/review/outbox.js?later");
  const isAsked = () => !globalThis.window.dispatchEvent(new Event("beforeunload", { cancelable: true }));
  mountOutbox({ data: { ...nothing, is_open: false, is_unkept: true }, setStateValue: () => {} });
  assert.equal(isAsked(), true);
  later.default({ data: { ...nothing, is_open: false, is_unkept: false }, setStateValue: () => {} });
  assert.equal(isAsked(), false);
  pass(context, 1000);
  delete globalThis.sessionStorage;
});

test("it says nothing while Streamlit draws, waits to, or may be about to, and then what is known by then", (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const said = [];
  const setStateValue = (name, value) => said.push([name, value.ops.map((op) => op.seq)]);
  globalThis.sessionStorage = storageWith([undo(7), undo(8)]);
  for (const state of ["initial", "running", "rerunRequested"]) {
    setScript(state);
    mountOutbox({ data: nothing, setStateValue });
    pass(context, 1000);
    assert.deepEqual(said, [], state);
  }
  setScript("notRunning");
  for (let i = 0; i < 5; i++) {
    globalThis.document.dispatchEvent(eventOf("click", new Part())); // of which the script is about to hear
    pass(context, 1000);
  }
  assert.deepEqual(said, []);
  mountOutbox({ data: { ...nothing, ack_client: CLIENT, ack_seq: 7 }, setStateValue });
  pass(context, 3000);
  assert.deepEqual(said, [["ops", [8]]], "once, as Python has said more meanwhile");
  setScript("running");
  mountOutbox({ data: nothing, setStateValue });
  pass(context, 20_000);
  assert.equal(said.length, 2, "a page that is always being drawn does not keep it");
  setScript("notRunning");
  delete globalThis.sessionStorage;
});

test("it leaves the line to a picture that somebody waits for", (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const said = [];
  const picture = {};
  let packed = {};
  globalThis.sessionStorage = storageWith([undo(7)]);
  globalThis.document.querySelectorAll = () => [{ shadowRoot: { querySelector: () => packed } }];
  setScript("notRunning");
  mountOutbox({ data: nothing, setStateValue: (name) => said.push(name) });
  pass(context, 3000);
  assert.deepEqual(said, [], "the scripts that ask for it are on their way");
  setAwaited(picture, true);
  packed = null;
  pass(context, 3000);
  assert.deepEqual(said, []);
  setAwaited(picture, false);
  pass(context, 1000);
  assert.deepEqual(said, ["ops"]);
  globalThis.document.querySelectorAll = () => [];
  delete globalThis.sessionStorage;
});

test("it need not wait any longer once the script runs with a press, nor for what is typed", (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const said = [];
  const setStateValue = (name) => said.push(name);
  globalThis.sessionStorage = storageWith([undo(7)]);
  setScript("notRunning");
  mountOutbox({ data: nothing, setStateValue });
  globalThis.document.dispatchEvent(eventOf("click", new Part()));
  pass(context, 1000);
  assert.deepEqual(said, []);
  setScript("running");
  pass(context, 100);
  setScript("notRunning");
  globalThis.document.dispatchEvent(eventOf("keydown", new Part({ selector: "input" }), { key: "a" }));
  pass(context, 400);
  assert.deepEqual(said, ["ops"]);
  delete globalThis.sessionStorage;
});

test("it speaks when the browser has nothing else to do, and not after a press that came meanwhile", (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const said = [];
  const waiting = [];
  globalThis.requestIdleCallback = (act) => waiting.push(act);
  const idle = (left, didTimeout = false) => waiting.pop()?.({ didTimeout, timeRemaining: () => left });
  globalThis.sessionStorage = storageWith([undo(7)]);
  setScript("notRunning");
  mountOutbox({ data: nothing, setStateValue: (name) => said.push(name) });
  pass(context, 1000);
  assert.deepEqual([said, waiting.length], [[], 1]);
  idle(1);
  assert.deepEqual([said, waiting.length], [[], 1], "there is something to draw at once");
  globalThis.document.dispatchEvent(eventOf("click", new Part()));
  idle(20);
  assert.deepEqual([said, waiting.length], [[], 0]);
  pass(context, 5000); // of the press nothing came
  assert.deepEqual([said, waiting.length], [[], 1]);
  idle(20);
  assert.deepEqual(said, ["ops"]);
  delete globalThis.requestIdleCallback;
  delete globalThis.sessionStorage;
});
