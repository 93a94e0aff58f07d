import assert from "node:assert/strict";
import { afterEach, test } from "node:test";

import { ACTIONS, actionFor, actionNamed, keymapOf, keysOf } from "../../pages/components/web/lib/actions.js";
import { keyCaps, keyName, shortKeyName, titleWith } from "../../pages/components/web/lib/key_names.js";
import {
  isChangeable,
  keepKeys,
  keyOf,
  loadKeys,
  ownerOf,
  problemOf,
  readKeys,
  withKey,
  writeKeys,
} from "../../pages/components/web/lib/own_keys.js";
import { deedOf } from "../../pages/components/web/review/review_keys.js";

const press = (key, held = {}) => ({ key, shiftKey: false, ctrlKey: false, metaKey: false, altKey: false, ...held });
const real = globalThis.localStorage;

function storage() {
  const values = new Map();
  const made = {
    getItem: (name) => values.get(name) ?? null,
    setItem: (name, value) => values.set(name, value),
    removeItem: (name) => values.delete(name),
  };
  Object.defineProperty(globalThis, "localStorage", { value: made, configurable: true });
  return values;
}

afterEach(() => {
  keepKeys(new Map());
  Object.defineProperty(globalThis, "localStorage", { value: real, configurable: true });
});

test("from the start every key means one thing, on all parts of the page together", () => {
  const keys = ACTIONS.flatMap((action) => keysOf(action));
  assert.deepEqual(
    keys.filter((key, at) => keys.indexOf(key) !== at),
    [],
  );
});

test("a press is written as the table writes it", () => {
  assert.equal(keyOf(press("a")), "a");
  assert.equal(keyOf(press("A", { shiftKey: true })), "Shift+a");
  assert.equal(keyOf(press("?", { shiftKey: true })), "?");
  assert.equal(keyOf(press("F9", { shiftKey: true })), "Shift+F9");
  assert.equal(keyOf(press("Z", { ctrlKey: true, shiftKey: true })), "Ctrl+Shift+z");
  assert.equal(keyOf(press("k", { metaKey: true })), "Ctrl+k");
  for (const key of ["Shift", "Control", "Meta", "Alt"]) assert.equal(keyOf(press(key)), null);
  assert.equal(keyOf(press("a", { altKey: true })), null);
});

test("digits, Escape and the browser's own keys are nobody's to give", () => {
  for (const key of ["1", "9", "Shift+3", "Escape", "Tab", " ", "Ctrl+w", "Ctrl+Shift+t", "F5", "Dead"]) {
    assert.notEqual(problemOf(key), "", key);
  }
  for (const key of ["a", "0", "ö", "Shift+a", "Ctrl+a", "F9", "Ctrl+Shift+z", "PageDown", "="]) {
    assert.equal(problemOf(key), "", key);
  }
  assert.ok(!isChangeable(actionNamed("relabel")) && !isChangeable(actionNamed("escape")));
  assert.ok(isChangeable(actionNamed("accept")) && !isChangeable(actionNamed("reopen")));
});

test("a key that is given away does what it is given for, at once and everywhere, and who had it loses it", () => {
  storage();
  const earlier = keymapOf("viewer", "edit");
  const own = withKey(new Map(), "accept", "m");
  assert.equal(ownerOf("m").name, "masks");
  keepKeys(own);
  assert.equal(ownerOf("m").name, "accept");
  assert.deepEqual(deedOf(press("m")), { name: "accept" });
  assert.equal(deedOf(press("a")), null);
  assert.equal(actionFor(earlier, press("m")), null);
  assert.deepEqual(
    [...own],
    [
      ["masks", []],
      ["accept", ["m"]],
    ],
  );
  const two = withKey(own, "brush", "PageDown");
  assert.deepEqual(two.get("next"), ["."], "the other of its keys stays");
});

test("they are kept, read again, and gone when they are reset", () => {
  const values = storage();
  const own = withKey(new Map(), "accept", "F9");
  keepKeys(own);
  assert.deepEqual([...loadKeys()], [...own]);
  assert.deepEqual([...readKeys(writeKeys(own))], [...own]);
  keepKeys(new Map());
  assert.equal(values.size, 0);
  assert.deepEqual(deedOf(press("a")), { name: "accept" });
  values.set("maskdesk-keys", '{"version": 1, "keys": {"accept": ["1"]}}');
  assert.equal(loadKeys().size, 0, "what does not hold counts as none");
  Object.defineProperty(globalThis, "localStorage", { value: undefined, configurable: true });
  assert.equal(loadKeys().size, 0);
  keepKeys(own);
  assert.deepEqual(deedOf(press("F9")), { name: "accept" });
});

test("a file that does not hold is refused with a place and a reason", () => {
  const file = (keys, version = 1) => JSON.stringify({ version, keys });
  const bad = [
    ["{", /expected a JSON file/],
    ["null", /version: expected 1, got nothing/],
    [file({}, 2), /version: expected 1, got 2/],
    [file([]), /keys: expected lists/],
    [file({ fly: ["a"] }), /expected an action's name, got "fly"/],
    [file({ relabel: ["a"] }), /keys.relabel: expected an action whose keys may change/],
    [file({ accept: "a" }), /keys.accept: expected at most 8 keys/],
    [file({ accept: [7] }), /keys.accept: expected at most 8 keys/],
    [file({ accept: ["1"] }), /keys.accept: "1": digits stay/],
    [file({ accept: ["<b>"] }), /keys.accept: "<b>": that is no key/],
    [file({ accept: ["d"] }), /keys.reject: "d" is accept's already/],
    [file({ accept: ["F9"], reject: ["F9"] }), /"F9" is accept's already/],
    [" ".repeat(70_000), /expected at most 65536 characters/],
  ];
  for (const [text, reason] of bad) assert.throws(() => readKeys(text), reason, text.slice(0, 60));
  assert.deepEqual(
    [...readKeys(file({ accept: ["d"], reject: ["a"] }))],
    [
      ["accept", ["d"]],
      ["reject", ["a"]],
    ],
  );
});

test("keys have the names that Python writes on them", () => {
  for (const [key, long, short] of [
    ["a", "A", "A"],
    ["Shift+s", "Shift+S", "⇧S"],
    ["Delete", "Delete", "Del"],
    ["-", "−", "−"],
    ["+", "+", "+"],
    ["PageDown", "Page Down", "Page Down"],
    ["Ctrl+Shift+z", "Ctrl+Shift+Z", "Ctrl⇧Z"],
  ]) {
    assert.deepEqual([keyName(key), shortKeyName(key)], [long, short]);
  }
  assert.deepEqual(keyCaps("Ctrl+Delete"), ["Ctrl", "Del"]);
  assert.equal(titleWith("Undo ({keys})", ["u", "Ctrl+z"]), "Undo (U or Ctrl+Z)");
  assert.equal(titleWith("Next ({key})", [",", "a"]), "Next (comma)");
  assert.equal(titleWith("Box ({key}; Escape stops)", []), "Box (no key; Escape stops)");
});
