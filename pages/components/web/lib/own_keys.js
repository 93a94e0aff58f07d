// The keys that a person has given to actions in place of the table's. The browser keeps them, for all pages; they can be
// taken along as a file. No screen.

import { ACTIONS, defaultKeysOf, keysOf, plainKey, takeOwnKeys } from "./actions.js";

/** @typedef {import("./actions.js").Action} Action */
/** By the action's name; an empty list for none. @typedef {Map<string, string[]>} OwnKeys */

/** Under this name the browser keeps them. */
export const STORED = "maskdesk-keys";
const VERSION = 1;
/** Characters of a file of keys. */
const MOST_TEXT = 65_536;
/** Keys of one action. */
const MOST_KEYS = 8;
/** Digits are categories, Escape leaves, and the others have a meaning in every page. */
const FIXED = /^(?:(?:Shift\+)?[1-9]|(?:Ctrl\+)?(?:Shift\+)?(?:Escape|Tab| |CapsLock|Process|Dead|Unidentified))$/;
/** What browsers keep for themselves, or ask before: a page that takes them would close, reload or search instead. */
const OF_THE_BROWSER = /^(?:Ctrl\+(?:Shift\+)?[lnqrtw]|(?:Shift\+)?F(?:5|12)|Ctrl\+F(?:4|5))$/;
const HELD = new Set(["Shift", "Control", "Alt", "AltGraph", "Meta"]);
/** As keys are written: one sign, or a name, behind what is held. */
const WRITTEN = /^(?:Ctrl\+)?(?:Shift\+)?(?:[^\s]|[A-Z][A-Za-z0-9]{1,19})$/u;

/** Whether a person may give another key to an action: digits stay categories, and Escape always leaves. @param {Action} action */
export function isChangeable({ name, keys }) {
  return keys !== undefined && name !== "relabel" && name !== "escape";
}

/**
 * A press as the table writes it; null while only keys like Shift are held, and with Alt, which types signs.
 * @param {import("./actions.js").Press} press
 */
export function keyOf({ key, shiftKey, ctrlKey, metaKey, altKey }) {
  if (HELD.has(key) || altKey) return null;
  const plain = plainKey(key);
  // A sign has its Shift in it.
  const isShifted = shiftKey && (plain.length > 1 || plain !== plain.toUpperCase());
  return `${ctrlKey || metaKey ? "Ctrl+" : ""}${isShifted ? "Shift+" : ""}${plain}`;
}

/** Why a key cannot be given; empty if it can. @param {string} key */
export function problemOf(key) {
  if (/^(?:Shift\+)?[1-9]$/.test(key)) return "digits stay the categories'";
  if (FIXED.test(key)) return "that key always means the same";
  if (OF_THE_BROWSER.test(key)) return "the browser keeps that key for itself";
  return WRITTEN.test(key) ? "" : "that is no key";
}

/** Who has a key now. @param {string} key @param {string} [but] the name of an action that does not count */
export function ownerOf(key, but = "") {
  return ACTIONS.find((action) => action.name !== but && keysOf(action).includes(key)) ?? null;
}

/**
 * Give an action one key in place of all it had; whoever had the key loses it.
 * @param {OwnKeys} own
 * @param {string} name
 * @param {string} key
 * @returns {OwnKeys}
 */
export function withKey(own, name, key) {
  const changed = new Map(own);
  const before = ownerOf(key, name);
  if (before !== null) {
    changed.set(
      before.name,
      keysOf(before).filter((one) => one !== key),
    );
  }
  return changed.set(name, [key]);
}

/**
 * Keys from a file or from the browser, which are trusted like any file.
 * @param {string} text
 * @returns {OwnKeys}
 * @throws {RangeError} that says where, what was expected and what was found
 */
export function readKeys(text) {
  if (text.length > MOST_TEXT) throw new RangeError(`expected at most ${MOST_TEXT} characters, got ${text.length}`);
  /** @type {any} */
  let given;
  try {
    given = JSON.parse(text);
  } catch {
    throw new RangeError("expected a JSON file of keys, got something else");
  }
  if (given?.version !== VERSION) throw new RangeError(`version: expected ${VERSION}, got ${shorten(given?.version)}`);
  const { keys } = given;
  if (typeof keys !== "object" || keys === null || Array.isArray(keys)) {
    throw new RangeError("keys: expected lists of keys by the names of actions");
  }
  /** @type {OwnKeys} */
  const own = new Map();
  for (const [name, list] of Object.entries(keys)) {
    const action = ACTIONS.find((one) => one.name === name);
    if (action === undefined) throw new RangeError(`keys: expected an action's name, got ${shorten(name)}`);
    if (!isChangeable(action)) throw new RangeError(`keys.${name}: expected an action whose keys may change`);
    if (!Array.isArray(list) || list.length > MOST_KEYS || !list.every((key) => typeof key === "string")) {
      throw new RangeError(`keys.${name}: expected at most ${MOST_KEYS} keys, got ${shorten(list)}`);
    }
    const bad = list.find((key) => problemOf(key) !== "");
    if (bad !== undefined) throw new RangeError(`keys.${name}: ${shorten(bad)}: ${problemOf(bad)}`);
    own.set(name, list);
  }
  checkOnce(own);
  return own;
}

/** @param {OwnKeys} own */
function checkOnce(own) {
  /** @type {Map<string, string>} */
  const owners = new Map();
  for (const action of ACTIONS) {
    for (const key of own.get(action.name) ?? defaultKeysOf(action)) {
      const other = owners.get(key);
      if (other !== undefined) throw new RangeError(`keys.${action.name}: ${shorten(key)} is ${other}'s already`);
      owners.set(key, action.name);
    }
  }
}

/** @param {unknown} value */
function shorten(value) {
  const text = JSON.stringify(value) ?? "nothing";
  return text.length > 40 ? `${text.slice(0, 40)}…` : text;
}

/** As a file. @param {OwnKeys} own */
export function writeKeys(own) {
  return `${JSON.stringify({ version: VERSION, keys: Object.fromEntries(own) }, null, 2)}\n`;
}

/** Use the keys that the browser has kept, if any; what does not hold counts as none. @returns {OwnKeys} */
export function loadKeys() {
  /** @type {OwnKeys} */
  let own = new Map();
  try {
    const text = localStorage.getItem(STORED);
    if (text !== null) own = readKeys(text);
  } catch {
    // forbidden, or of another version: the table's keys
  }
  takeOwnKeys(own);
  return own;
}

/** Use keys from now on, and keep them. @param {OwnKeys} own */
export function keepKeys(own) {
  takeOwnKeys(own);
  try {
    if (own.size === 0) localStorage.removeItem(STORED);
    else localStorage.setItem(STORED, writeKeys(own));
  } catch {
    // a browser that keeps nothing has them as long as the page is open
  }
}
