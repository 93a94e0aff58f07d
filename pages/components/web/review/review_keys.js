// The keys of the reviewer. They are taken from the whole page, so that nobody has to click into the picture
// first; where somebody writes, chooses from a list, or answers a dialog they are left alone.

import { actionFor, actionNamed, keymapOf, plainKey } from "../lib/actions.js";

import { isListKey } from "../viewer/list_rows.js";

/** What is to be done: an action of the table, and with a digit its number. @typedef {{name: string, number?: number}} Deed */

const KEYS = keymapOf("decide", "edit");
const VIEWER_KEYS = keymapOf("viewer");

/** The viewer's letters, digits and signs, and full screen, work from the whole page as well; arrows scroll it. */
export const WORKS_FROM_THE_PAGE = /^(?:.|Escape|F11)$/;

/** Input types that take no letters. */
const NOT_WRITTEN_IN = new Set(["button", "checkbox", "color", "file", "image", "radio", "range", "reset", "submit"]);
const WRITING_ROLES = new Set(["combobox", "grid", "listbox", "menu", "searchbox", "spinbutton", "textbox"]);
/** Keys that a slider moves by. */
const SLIDER_KEYS = new Set(["Home", "End", "PageUp", "PageDown", "+", "-"]);
/** Keys that lead through a toolbar. */
const TOOLBAR_KEYS = new Set(["Home", "End", "ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight"]);

/**
 * What a key means in review; null for all others.
 * @param {import("../lib/actions.js").Press} press
 * @returns {Deed | null}
 */
export function deedOf(press) {
  const action = actionFor(KEYS, press);
  if (action === null) return null;
  // With Shift a letter keeps its meaning, unless the viewer has one for both together.
  const both = `Shift+${plainKey(press.key)}`;
  const isHeldAlone = press.shiftKey && !press.ctrlKey && !press.metaKey;
  if (isHeldAlone && !KEYS.has(both) && VIEWER_KEYS.has(both)) return null;
  return action.name === "relabel" ? { name: action.name, number: Number(press.key) } : { name: action.name };
}

/** What leaves the image. */
const LEAVING = new Set(["done", "approve"]);
/** A second press of one key within this time was a slip of the finger (ms). */
const SLIP = 400;

/** Which presses of an action that leaves the image were meant: the second one of a double press was not. */
export class Slips {
  constructor() {
    this.name = "";
    this.time = -Infinity;
  }

  /**
   * @param {Deed} deed
   * @param {number} time of the press (ms)
   */
  has({ name }, time) {
    const isSlip = LEAVING.has(name) && this.name === name && time - this.time < SLIP;
    // From the first press on, and not from the slip: who goes through images in a steady beat gets on.
    if (!isSlip) [this.name, this.time] = [name, time];
    return isSlip;
  }
}

/** Whether a key that is held down does it again: most wants a look each time. @param {Deed} deed */
export function isRepeatable({ name }) {
  return actionNamed(name).repeats === true;
}

/**
 * Whether what has the focus makes something of the key itself.
 * @param {Element | null} element
 * @param {string} key
 * @param {boolean} byKeyboard whether the focus came there by Tab: a button that was clicked keeps no Enter
 */
export function isTakenBy(element, key, byKeyboard) {
  if (element === null) return false;
  const tag = element.tagName.toLowerCase();
  if (tag === "textarea" || tag === "select" || tag === "iframe") return true;
  if (tag === "input") {
    const type = element.getAttribute("type")?.toLowerCase() ?? "text";
    if (!NOT_WRITTEN_IN.has(type)) return true;
    if (type === "range" && SLIDER_KEYS.has(key)) return true;
  }
  if (/** @type {HTMLElement} */ (element).isContentEditable) return true;
  // Of the list of instances: decisions on its rows have their keys there, too.
  if (element.getAttribute("data-part") === "list-grid") return isListKey(key);
  const role = element.getAttribute("role") ?? "";
  if (WRITING_ROLES.has(role)) return true;
  if (role === "slider" && SLIDER_KEYS.has(key)) return true;
  if (TOOLBAR_KEYS.has(key) && element.closest('[role="toolbar"]') !== null) return true;
  if (element.closest('[data-testid="stDataFrame"], [role="listbox"], [role="menu"]') !== null) return true;
  const presses = tag === "button" || tag === "a" || tag === "summary" || role === "button" || role === "tab";
  return key === "Enter" && byKeyboard && presses;
}

/** @param {Document} page */
export function hasOpenDialog(page) {
  return page.querySelector('[data-testid="stDialog"] [role="dialog"], [role="dialog"][aria-modal="true"]') !== null;
}
