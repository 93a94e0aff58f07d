import assert from "node:assert/strict";
import { test } from "node:test";

import {
  ACTIONS,
  actionFor,
  actionNamed,
  editsOf,
  keymapOf,
  shortKey,
  toldOf,
} from "../../pages/components/web/lib/actions.js";
import { VIEWER_ACTS, VIEWER_KEYS } from "../../pages/components/web/viewer/keys.js";
import { AT_ONCE, EACH } from "../../pages/components/web/review/at_once.js";
import { Editor } from "../../pages/components/web/review/editor.js";
import { DECISIONS } from "../../pages/components/web/review/decisions.js";

const namesOf = (wanted) => ACTIONS.filter(({ part }) => part === wanted).map(({ name }) => name);
const press = (key, held = {}) => ({ key, shiftKey: false, ctrlKey: false, metaKey: false, altKey: false, ...held });
const shift = { shiftKey: true };

/** An editor over a viewer that does nothing. */
function makeEditor() {
  const stage = { addEventListener() {}, classList: { toggle() {} } };
  const viewer = { controls: { stage }, root: { dataset: {} }, requestFrame() {} };
  return new Editor({ viewer, state: {}, drawBox() {} }, new AbortController().signal);
}

test("whatever is in the table is done by somebody, and nothing else is", () => {
  assert.deepEqual(Object.keys(VIEWER_ACTS).sort(), namesOf("viewer").sort());
  assert.deepEqual(Object.keys(DECISIONS).sort(), namesOf("decide").sort());
  const tools = Object.keys(makeEditor().tools);
  assert.deepEqual([...tools, ...Object.keys(EACH), ...Object.keys(AT_ONCE)].sort(), namesOf("edit").sort());
  assert.deepEqual(
    tools.sort(),
    ACTIONS.filter(({ tool }) => tool)
      .map(({ name }) => name)
      .sort(),
  );
});

test("an action that is not there is named", () => {
  assert.throws(() => actionNamed("fly"), /actions.json has no "fly"/);
});

test("the journal's names of edits", () => {
  assert.deepEqual(editsOf("drop-specks"), ["drop specks"]);
  assert.deepEqual(editsOf("edit-outline"), ["outline", "nudge"]);
  assert.deepEqual(editsOf("accept"), []);
});

test("people are told of an edit by what its button says", () => {
  assert.equal(toldOf("subtract"), "bring to front");
  assert.equal(toldOf("duplicate"), "duplicate");
});

test("keys in short, as beside an action", () => {
  const short = {
    a: "A",
    "Shift+e": "⇧E",
    "Alt+t": "Alt+T",
    "Ctrl+Shift+z": "Ctrl+⇧Z",
    Delete: "Del",
    "-": "−",
    "": "",
  };
  for (const [key, name] of Object.entries(short)) assert.equal(shortKey(key), name);
});

test("the viewer's keys", () => {
  const wanted = {
    n: "next-instance",
    "]": "next-instance",
    ArrowRight: "next-instance",
    ArrowDown: "next-instance",
    p: "previous-instance",
    "[": "previous-instance",
    ArrowLeft: "previous-instance",
    ArrowUp: "previous-instance",
    f: "fit",
    F: "fit",
    0: "fit",
    "=": "actual",
    z: "actual",
    "+": "zoom-in",
    "-": "zoom-out",
    h: "hide-category",
    b: "compare",
    m: "masks",
    c: "contours",
    x: "boxes",
    l: "labels",
    "?": "help",
    Escape: "escape",
  };
  for (const [key, name] of Object.entries(wanted)) assert.equal(actionFor(VIEWER_KEYS, press(key))?.name, name, key);
  for (const key of ["a", "1", "2", " ", "Tab", "Enter", "Delete"]) {
    assert.equal(actionFor(VIEWER_KEYS, press(key)), null);
  }
});

test("with Shift a key means something else, or what it means without", () => {
  assert.equal(actionFor(VIEWER_KEYS, press("ArrowLeft", shift))?.name, "pan-left");
  assert.equal(actionFor(VIEWER_KEYS, press("H", shift))?.name, "show-categories");
  assert.equal(actionFor(VIEWER_KEYS, press("B", shift))?.name, "splash");
  assert.equal(actionFor(VIEWER_KEYS, press("?", shift))?.name, "help");
  assert.equal(actionFor(VIEWER_KEYS, press("N", shift))?.name, "next-instance");
  assert.equal(actionFor(VIEWER_KEYS, press("+", shift))?.name, "zoom-in"); // it is there with Shift alone
  const edit = keymapOf("edit");
  assert.equal(actionFor(edit, press("S", shift))?.name, "drop-specks");
  assert.equal(actionFor(edit, press("s"))?.name, "shrink");
  assert.equal(actionFor(edit, press("Delete", shift)), null);
});

test("Ctrl, or Cmd on a Mac, selects all that is shown", () => {
  for (const held of [{ ctrlKey: true }, { metaKey: true }]) {
    assert.equal(actionFor(VIEWER_KEYS, press("a", held))?.name, "select-all");
  }
});

test("keys of the browser and the system are left to them", () => {
  for (const held of [{ ctrlKey: true }, { metaKey: true }, { altKey: true }]) {
    assert.equal(actionFor(VIEWER_KEYS, press("f", held)), null);
  }
});
