// Puts a screen on a component's page. Streamlit calls a component's default export again, with the same parent
// element, whenever the data changes; the screen, and all that it knows, survives that.

/**
 * @template T
 * @typedef {{parentElement: ParentNode, data: T, setStateValue: (name: string, value: unknown) => void}} Component
 * what Streamlit calls a default export with
 */

/** @typedef {{root: HTMLElement, destroy: () => void}} Screen */

/** Under this name a parent element knows its screen, also that of another version of MaskDesk. */
const HELD = Symbol.for("maskdesk.screen");

/** These modules, as loaded: those of another version have another one. */
const US = {};

/**
 * The screen on a component's page, rebuilt if there is none yet, if Streamlit has rebuilt the page, or
 * where the one that is there was made by other modules than these.
 * @template {Screen} S
 * @param {ParentNode} parentElement
 * @param {string} part names the root of the screen in the page
 * @param {(root: HTMLElement) => S} make
 * @param {(screen: S) => void} [onLeave] called before the screen is destroyed as its page is left
 * @returns {{screen: S, leave: () => void}} and what Streamlit is to call when the component may be gone
 */
export function mountScreen(parentElement, part, make, onLeave = () => {}) {
  const root = parentElement.querySelector(`[data-part="${part}"]`);
  if (!(root instanceof HTMLElement)) throw new TypeError(`the page has no part "${part}"`);
  const parent = /** @type {{[HELD]?: {screen: Screen, by: object}}} */ (parentElement);
  const held = parent[HELD];
  if (held !== undefined && (held.by !== US || held.screen.root !== root)) {
    held.screen.destroy();
    delete parent[HELD];
  }
  parent[HELD] ??= { screen: make(root), by: US };
  const screen = /** @type {S} */ (parent[HELD].screen);
  const leave = () => {
    if (root.isConnected || parent[HELD]?.screen !== screen) return;
    onLeave(screen);
    screen.destroy();
    delete parent[HELD];
  };
  return { screen, leave };
}
