// The table of what a person can do, and which key does it. Python makes the pages' buttons and lists of keys of the
// same rows: see pages/components/actions.py, which also says what the fields mean.

import table from "../actions.json" with { type: "json" };

/**
 * @typedef {object} Action
 * @property {"viewer" | "decide" | "edit"} part
 * @property {string} name
 * @property {string[]} [keys]
 * @property {string[]} [also]
 * @property {string} [label] on its button, and in the menu
 * @property {"instances" | "picture"} [menu] in whose menu it is
 * @property {string} [title] of its button; {key} and {keys} stand for its keys
 * @property {string} [help] in the list of keys
 * @property {string} [when] "picture" where it means nothing before the picture is there
 * @property {boolean} [tool] whether it stays in the hand
 * @property {boolean} [repeats] whether a key that is held down does it again
 * @property {string[]} [journal] what the journal calls its edits
 * @property {string} [told] what people are told was done, where the journal calls it otherwise
 */
/** @typedef {{key: string, shiftKey: boolean, ctrlKey: boolean, metaKey: boolean, altKey: boolean}} Press */

/** Rows without a name only tell of something in the list of keys. */
export const ACTIONS = /** @type {Action[]} */ (table.actions.filter((row) => "name" in row));

const byName = new Map(ACTIONS.map((action) => [action.name, action]));

/**
 * @param {string} name
 * @returns {Action}
 */
export function actionNamed(name) {
  const action = byName.get(name);
  if (action === undefined) throw new RangeError(`actions.json has no "${name}"`);
  return action;
}

/**
 * What the journal calls an action's edits.
 * @param {string} name
 */
export function editsOf(name) {
  return actionNamed(name).journal ?? [];
}

/**
 * What people are told was done.
 * @param {string} edit as the journal calls it
 */
export function toldOf(edit) {
  return ACTIONS.find(({ journal }) => journal?.includes(edit))?.told ?? edit;
}

/** @typedef {Map<string, Action>} Keymap actions by their keys */

/** Keys that a person has given to actions, by their names. @type {Map<string, string[]>} */
let ownKeys = new Map();
/** All keymaps that have been handed out: they follow when a person changes keys. @type {{parts: Action["part"][], keymap: Keymap}[]} */
const keymaps = [];

/** An action's keys as the table has them. @param {Action} action */
export function defaultKeysOf({ keys = [], also = [] }) {
  return [...keys, ...also];
}

/** An action's keys now. @param {Action} action */
export function keysOf(action) {
  return ownKeys.get(action.name) ?? defaultKeysOf(action);
}

/** @param {Map<string, string[]>} own a person's keys in place of the table's, by the actions' names */
export function takeOwnKeys(own) {
  ownKeys = own;
  for (const one of keymaps) fill(one.keymap, one.parts);
}

/** @param {Keymap} keymap @param {Action["part"][]} parts */
function fill(keymap, parts) {
  keymap.clear();
  for (const action of ACTIONS) {
    if (parts.includes(action.part)) for (const key of keysOf(action)) keymap.set(key, action);
  }
}

/**
 * The actions of some parts by their keys, which may change later on.
 * @param {Action["part"][]} parts
 * @returns {Keymap}
 */
export function keymapOf(...parts) {
  /** @type {Keymap} */
  const keymap = new Map();
  keymaps.push({ parts, keymap });
  fill(keymap, parts);
  return keymap;
}

/** Keys whose short names are others. @type {Record<string, string>} */
const SHORT = { Shift: "⇧", Delete: "Del", Escape: "Esc", "-": "−" };

/** What is written beside an action for its key, such as `⇧S`. @param {string} key as in the table */
export function shortKey(key) {
  if (key.length === 1) return SHORT[key] ?? key.toUpperCase();
  return key
    .split("+")
    .map((part) => SHORT[part] ?? (part.length === 1 ? part.toUpperCase() : part))
    .join("+")
    .replace("⇧+", "⇧");
}

/** @param {string} key as an event names it */
export function plainKey(key) {
  return key.length === 1 ? key.toLowerCase() : key;
}

/**
 * What a key means; null where it means nothing. With Shift a letter or sign that has no other meaning keeps its own.
 * @param {Map<string, Action>} keymap
 * @param {Press} press
 * @returns {Action | null}
 */
export function actionFor(keymap, { key, shiftKey, ctrlKey, metaKey, altKey }) {
  if (altKey) return null;
  const plain = plainKey(key);
  if (ctrlKey || metaKey) return keymap.get(`Ctrl+${shiftKey ? "Shift+" : ""}${plain}`) ?? null;
  const shifted = shiftKey ? keymap.get(`Shift+${plain}`) : undefined;
  if (shifted !== undefined) return shifted;
  return shiftKey && plain.length > 1 ? null : (keymap.get(plain) ?? null);
}
