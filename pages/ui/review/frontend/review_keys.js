// The keys of the reviewer. They are taken from the whole page, so that nobody has to click into the picture
// first; where somebody writes, chooses from a list, or answers a dialog they are left alone.

/** @typedef {{name: string, number?: number}} Action */

const PLAIN = /** @type {Record<string, string>} */ ({
  a: "accept",
  d: "reject",
  e: "choose-category",
  r: "draw-box",
  w: "draw-outline",
  v: "edit-outline",
  q: "brush",
  k: "cut",
  g: "grow",
  s: "shrink",
  t: "tighten",
  j: "merge",
  i: "subtract",
  o: "crowd",
  Delete: "remove",
  Backspace: "remove",
  Enter: "done",
  ".": "next",
  PageDown: "next",
  ",": "previous",
  PageUp: "previous",
  u: "undo",
  y: "redo",
});

/** With Shift. */
const SHIFTED = /** @type {Record<string, string>} */ ({
  a: "accept-all",
  d: "reject-all",
  c: "copy",
  f: "fill-holes",
  i: "give-up",
  j: "split-parts",
  k: "duplicates",
  m: "smooth",
  q: "eraser",
  s: "drop-specks",
});

/** What changes masks; the editor knows how. */
export const EDIT_ACTS = [
  "draw-box", "draw-outline", "edit-outline", "brush", "eraser", "cut", "grow", "shrink", "tighten", "fill-holes", "drop-specks", "smooth",
  "merge", "split-parts", "subtract", "give-up", "copy", "remove", "duplicates",
];

/** Actions that a key which is held down does not repeat: each wants a look. */
const ONCE = new Set(["accept", "reject", "accept-all", "reject-all", "done", "relabel", "crowd", "undo", "redo", "choose-category", ...EDIT_ACTS]);

/** The viewer's letters and signs, which work from the whole page as well; arrows scroll it. */
export const VIEWER_KEYS = /^(?:[nphbmxlcfz[\]+=?-]|Escape)$/;

/** Input types that take no letters. */
const NOT_WRITTEN_IN = new Set(["button", "checkbox", "color", "file", "image", "radio", "range", "reset", "submit"]);
const WRITING_ROLES = new Set(["combobox", "grid", "listbox", "menu", "searchbox", "spinbutton", "textbox"]);
/** Keys that a slider moves by. */
const SLIDER_KEYS = new Set(["PageUp", "PageDown", "+", "-"]);

/**
 * What a key means in review; null for all others.
 * @param {{key: string, shiftKey: boolean, ctrlKey: boolean, metaKey: boolean, altKey: boolean}} event
 * @returns {Action | null}
 */
export function actionOf({ key, shiftKey, ctrlKey, metaKey, altKey }) {
  const plain = key.length === 1 ? key.toLowerCase() : key;
  if (altKey) return null;
  if (ctrlKey || metaKey) {
    if (plain === "z") return { name: shiftKey ? "redo" : "undo" };
    return plain === "y" && !shiftKey ? { name: "redo" } : null;
  }
  if (shiftKey && Object.hasOwn(SHIFTED, plain)) return { name: SHIFTED[plain] };
  if (/^[1-9]$/.test(plain)) return { name: "relabel", number: Number(plain) };
  if (shiftKey && plain.length > 1) return null;
  return Object.hasOwn(PLAIN, plain) ? { name: PLAIN[plain] } : null;
}

/** @param {Action} action */
export function isRepeatable(action) {
  return !ONCE.has(action.name);
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
  const role = element.getAttribute("role") ?? "";
  if (WRITING_ROLES.has(role)) return true;
  if (role === "slider" && SLIDER_KEYS.has(key)) return true;
  if (element.closest('[data-testid="stDataFrame"], [role="listbox"], [role="menu"]') !== null) return true;
  const presses = tag === "button" || tag === "a" || tag === "summary" || role === "button" || role === "tab";
  return key === "Enter" && byKeyboard && presses;
}

/** @param {Document} page */
export function hasOpenDialog(page) {
  return page.querySelector('[data-testid="stDialog"] [role="dialog"], [role="dialog"][aria-modal="true"]') !== null;
}
