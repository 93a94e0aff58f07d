import assert from "node:assert/strict";
import { test } from "node:test";

import {
  Slips,
  WORKS_FROM_THE_PAGE,
  deedOf,
  isRepeatable,
  isTakenBy,
} from "../../pages/components/web/review/review_keys.js";
import { loadSaved, makeClient, save } from "../../pages/components/web/review/review_session.js";

/** @param {string} text like "Ctrl+Shift+z" */
function press(text) {
  const parts = text.split("+");
  const key = parts.pop() || "+";
  const has = (/** @type {string} */ name) => parts.includes(name);
  return deedOf({ key, shiftKey: has("Shift"), ctrlKey: has("Ctrl"), metaKey: has("Meta"), altKey: has("Alt") });
}

test("keys and what they mean", () => {
  const wanted = {
    a: "accept",
    A: "accept",
    d: "reject",
    "Shift+A": "accept-all",
    "Shift+D": "reject-all",
    Enter: "done",
    ".": "next",
    PageDown: "next",
    ",": "previous",
    PageUp: "previous",
    e: "choose-category",
    r: "draw-box",
    u: "undo",
    "Ctrl+z": "undo",
    "Meta+z": "undo",
    y: "redo",
    "Ctrl+y": "redo",
    "Ctrl+Shift+Z": "redo",
    "Meta+Shift+Z": "redo",
    Home: "first",
    End: "last",
    Delete: "remove",
    "Ctrl+s": "save",
    "Meta+s": "save",
    "Ctrl+c": "copy",
    "Ctrl+v": "paste",
    "Ctrl+d": "duplicate",
    1: "relabel",
    9: "relabel",
    o: "crowd",
  };
  for (const [keys, name] of Object.entries(wanted)) assert.equal(press(keys)?.name, name, keys);
  assert.equal(press("7")?.number, 7);
});

test("all other keys are left alone", () => {
  for (const keys of [
    "c",
    "0",
    "Ctrl+a",
    "Ctrl+x",
    "Shift+v",
    "Shift+r",
    "Ctrl+f",
    "Ctrl+1",
    "Alt+a",
    "ArrowDown",
    "Ctrl+Enter",
    " ",
    "Escape",
    "Tab",
    "F5",
  ]) {
    assert.equal(press(keys), null, keys);
  }
});

test("of the viewer's keys, arrows are left to the page", () => {
  for (const key of ["f", "=", "0", "?", "Escape"]) assert.match(key, WORKS_FROM_THE_PAGE);
  assert.doesNotMatch("ArrowDown", WORKS_FROM_THE_PAGE);
});

test("a key that is held down decides once, but goes on", () => {
  assert.ok(!isRepeatable({ name: "accept" }) && !isRepeatable({ name: "done" }));
  assert.ok(isRepeatable({ name: "next" }));
});

test("the second Enter of a double one is a slip, and nothing else is", () => {
  const done = { name: "done" };
  const slips = new Slips();
  const at = (deed, ...times) => times.map((time) => slips.has(deed, time));
  assert.deepEqual(
    at(done, 1000, 1399, 1401, 1900),
    [false, true, false, false],
    "counted from the one that was meant",
  );
  assert.deepEqual(at({ name: "accept" }, 1950, 1960), [false, false]);
  assert.deepEqual(at(done, 1970), [false], "something was done on the next image in between");
  assert.deepEqual(at({ name: "next" }, 1980, 1990), [false, false]);
});

/** @param {string} tagName @param {Record<string, string>} attributes */
function element(tagName, attributes = {}) {
  return /** @type {any} */ ({
    tagName,
    isContentEditable: attributes.contenteditable === "true",
    getAttribute: (/** @type {string} */ name) => attributes[name] ?? null,
    closest: (/** @type {string} */ wanted) => (wanted === attributes.within ? {} : null),
  });
}

test("keys belong to whoever writes, chooses or slides", () => {
  for (const one of [
    element("INPUT"),
    element("INPUT", { type: "number" }),
    element("TEXTAREA"),
    element("SELECT"),
    element("DIV", { contenteditable: "true" }),
    element("DIV", { role: "combobox" }),
  ]) {
    assert.ok(isTakenBy(one, "a", false));
  }
  assert.ok(!isTakenBy(element("INPUT", { type: "range" }), "a", false));
  for (const key of ["PageUp", "Home"]) assert.ok(isTakenBy(element("INPUT", { type: "range" }), key, false));
  assert.ok(!isTakenBy(element("INPUT", { type: "checkbox" }), "d", false));
  const tool = element("BUTTON", { within: '[role="toolbar"]' });
  for (const key of ["End", "ArrowDown"]) assert.ok(isTakenBy(tool, key, false), "it leads through the toolbar");
  assert.ok(!isTakenBy(tool, "a", false));
  assert.ok(!isTakenBy(element("BODY"), "Enter", true));
  assert.ok(!isTakenBy(null, "a", false));
});

test("the list of instances takes the keys by which one goes through it, and leaves decisions their own", () => {
  const list = element("DIV", { role: "grid", "data-part": "list-grid" });
  for (const key of ["ArrowDown", "Home", "PageDown", "Enter", " ", "F2"]) assert.ok(isTakenBy(list, key, false), key);
  for (const key of ["a", "d", "1", "Delete", "Escape", "."]) assert.ok(!isTakenBy(list, key, false), key);
  assert.ok(isTakenBy(element("DIV", { role: "grid" }), "a", false), "as Streamlit's own tables do");
});

const HELD = { shiftKey: false, ctrlKey: false, metaKey: false, altKey: false };

test("with Shift a letter keeps its meaning, unless the viewer has one for both together", () => {
  const pressed = (/** @type {string} */ key) => ({ ...HELD, key, shiftKey: true });
  for (const key of ["E", "O", "R", "U", "Y"]) assert.equal(deedOf(pressed(key)), null, key);
  assert.deepEqual(deedOf(pressed("A")), { name: "accept-all" });
});

test("Enter presses a button that was reached by Tab, not one that was clicked", () => {
  assert.ok(isTakenBy(element("BUTTON"), "Enter", true));
  assert.ok(!isTakenBy(element("BUTTON"), "Enter", false));
  assert.ok(!isTakenBy(element("BUTTON"), "a", true));
});

/** @param {Record<string, string>} entries */
function storage(entries = {}) {
  const items = new Map(Object.entries(entries));
  return /** @type {any} */ ({
    items,
    getItem: (/** @type {string} */ key) => items.get(key) ?? null,
    setItem: (/** @type {string} */ key, /** @type {string} */ value) => items.set(key, value),
    removeItem: (/** @type {string} */ key) => items.delete(key),
  });
}

test("what a tab saved it loads again", () => {
  const tab = storage();
  const saved = { client: makeClient(), seq: 7, pending: [{ op: { seq: 7, kind: "undo" }, patch: null }] };
  save(tab, saved);
  assert.deepEqual(loadSaved(tab), saved);
  save(tab, { ...saved, client: makeClient() });
  assert.equal(tab.items.size, 2); // the old name's entry is gone
});

test("storage that is empty, broken or forbidden gives a fresh name", () => {
  const forbidden = {
    getItem: () => {
      throw new Error("denied");
    },
  };
  const client = "0".repeat(24);
  for (const tab of [
    storage(),
    forbidden,
    storage({ "maskdesk-review-client": "../x" }),
    storage({ "maskdesk-review-client": client, [`maskdesk-review-ops-${client}`]: "{" }),
    storage({ "maskdesk-review-client": client, [`maskdesk-review-ops-${client}`]: '{"seq": "x"}' }),
  ]) {
    const loaded = loadSaved(/** @type {any} */ (tab));
    assert.match(loaded.client, /^[0-9a-f]{24}$/);
    assert.notEqual(loaded.client, client);
    assert.deepEqual([loaded.seq, loaded.pending], [0, []]);
  }
});
