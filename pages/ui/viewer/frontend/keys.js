// The keys the viewer answers to while the focus is inside it.

/** @typedef {import("./viewer.js").Viewer} Viewer */

export const KEY_ZOOM = 1.3;
/** CSS pixels. */
const KEY_PAN = 80;

/** @type {Record<string, [number, number]>} which way the view goes, so the image goes the other way */
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** @type {Record<string, (viewer: Viewer) => void>} */
const PLAIN_KEYS = {
  n: (viewer) => viewer.step(1),
  "]": (viewer) => viewer.step(1),
  ArrowRight: (viewer) => viewer.step(1),
  ArrowDown: (viewer) => viewer.step(1),
  p: (viewer) => viewer.step(-1),
  "[": (viewer) => viewer.step(-1),
  ArrowLeft: (viewer) => viewer.step(-1),
  ArrowUp: (viewer) => viewer.step(-1),
  f: (viewer) => viewer.fit(),
  0: (viewer) => viewer.fit(),
  1: (viewer) => viewer.zoomTo(1 / viewer.ratio),
  z: (viewer) => viewer.zoomTo(1 / viewer.ratio),
  "+": (viewer) => viewer.zoomTo(viewer.view.scale * KEY_ZOOM),
  "=": (viewer) => viewer.zoomTo(viewer.view.scale * KEY_ZOOM),
  "-": (viewer) => viewer.zoomTo(viewer.view.scale / KEY_ZOOM),
  h: (viewer) => viewer.hideCategory(),
  b: (viewer) => viewer.setCompare(true),
  m: (viewer) => viewer.toggleDisplay("masks"),
  c: (viewer) => viewer.toggleDisplay("contours"),
  x: (viewer) => viewer.toggleDisplay("boxes"),
  l: (viewer) => viewer.toggleDisplay("labels"),
  "?": (viewer) => viewer.controls.showHelp(viewer.controls.sheet.hidden),
  Escape: (viewer) => {
    if (!viewer.controls.sheet.hidden) viewer.controls.showHelp(false);
    else if (viewer.controls.isUnfolded) viewer.controls.foldChips(true);
    else viewer.select(null, false, 0);
  },
  " ": () => {}, // the page would scroll
};

/**
 * @param {Viewer} viewer
 * @param {AbortSignal} signal
 */
export function listenToKeys(viewer, signal) {
  const { root } = viewer;
  root.addEventListener("keydown", (event) => pressKey(viewer, event), { signal });
  root.addEventListener("keyup", (event) => releaseKey(viewer, event), { signal });
  root.addEventListener("focusout", () => viewer.setCompare(false), { signal });
}

/**
 * @param {Viewer} viewer
 * @param {KeyboardEvent} event
 */
function pressKey(viewer, event) {
  event.stopPropagation(); // R and C would rerun the page and clear its caches
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (event.target instanceof HTMLInputElement && (key in ARROWS || /^[0-9+-]$/.test(key))) return;
  if (event.target instanceof HTMLButtonElement && key === " ") return;
  if (/^[0-9]$/.test(key) && !viewer.digitKeys) return;
  const action = actionFor(key, event.shiftKey);
  if (action === null) return;
  event.preventDefault();
  action(viewer);
}

/**
 * @param {string} key
 * @param {boolean} shift
 * @returns {((viewer: Viewer) => void) | null} null where the key means nothing here
 */
export function actionFor(key, shift) {
  if (shift && Object.hasOwn(ARROWS, key)) {
    const [dx, dy] = ARROWS[key];
    return (viewer) => viewer.pan(-dx * KEY_PAN, -dy * KEY_PAN);
  }
  if (shift && key === "h") return (viewer) => viewer.showAllCategories();
  return Object.hasOwn(PLAIN_KEYS, key) ? PLAIN_KEYS[key] : null;
}

/**
 * @param {Viewer} viewer
 * @param {KeyboardEvent} event
 */
function releaseKey(viewer, event) {
  event.stopPropagation();
  if (event.key.toLowerCase() === "b") viewer.setCompare(false);
}
