// The keys the viewer answers to while the focus is inside it.

import { actionFor, keymapOf, plainKey } from "../lib/actions.js";
import { WRITTEN_IN } from "./hand.js";
import { markInstances, meantInstances, showAllInstances } from "./marking.js";
import { openMenuByKey } from "./menu_places.js";

/** @typedef {import("./viewer.js").Viewer} Viewer */

const KEY_ZOOM = 1.3;
/** CSS pixels. */
const KEY_PAN = 80;

/** The viewer's keys. */
export const VIEWER_KEYS = keymapOf("viewer");

/** What is about the whole screen is asked for wherever the focus is. */
const FROM_THE_PAGE = new Set(["panel", "full-screen"]);

/** @type {Record<string, (viewer: Viewer) => void>} by the action's name; the view pans one way, the image the other */
export const VIEWER_ACTS = {
  "zoom-in": (viewer) => viewer.zoomTo(viewer.view.scale * KEY_ZOOM),
  "zoom-out": (viewer) => viewer.zoomTo(viewer.view.scale / KEY_ZOOM),
  "pan-left": (viewer) => viewer.panOnScreen(KEY_PAN, 0),
  "pan-right": (viewer) => viewer.panOnScreen(-KEY_PAN, 0),
  "pan-up": (viewer) => viewer.panOnScreen(0, KEY_PAN),
  "pan-down": (viewer) => viewer.panOnScreen(0, -KEY_PAN),
  fit: (viewer) => viewer.fit(),
  actual: (viewer) => viewer.zoomTo(1 / viewer.ratio),
  "select-all": (viewer) => viewer.selectAll(),
  "next-instance": (viewer) => viewer.step(1),
  "previous-instance": (viewer) => viewer.step(-1),
  escape: (viewer) => {
    if (!viewer.controls.sheet.hidden) viewer.controls.showHelp(false);
    else if (viewer.controls.isUnfolded) viewer.controls.foldChips(true);
    else viewer.select(null, false, 0);
  },
  "hide-category": (viewer) => viewer.hideCategory(),
  "show-categories": (viewer) => viewer.showAllCategories(),
  "hide-instances": (viewer) => markInstances(viewer, "hide-instances", meantInstances(viewer)),
  "lock-instances": (viewer) => markInstances(viewer, "lock-instances", meantInstances(viewer)),
  "solo-instances": (viewer) => markInstances(viewer, "solo-instances", meantInstances(viewer)),
  "show-instances": (viewer) => showAllInstances(viewer),
  list: (viewer) => viewer.list.focus(),
  menu: (viewer) => openMenuByKey(viewer),
  compare: (viewer) => viewer.setCompare(true),
  masks: (viewer) => viewer.toggleDisplay("masks"),
  contours: (viewer) => viewer.toggleDisplay("contours"),
  boxes: (viewer) => viewer.toggleDisplay("boxes"),
  labels: (viewer) => viewer.toggleDisplay("labels"),
  splash: (viewer) => viewer.toggleDisplay("splash"),
  invert: (viewer) => viewer.lookPanel.toggle("invert"),
  grid: (viewer) => viewer.lookPanel.toggle("grid"),
  crosshair: (viewer) => viewer.lookPanel.toggle("crosshair"),
  turn: (viewer) => viewer.lookPanel.turn(),
  measure: (viewer) => viewer.ruler.put(!viewer.ruler.isOut),
  "plain-look": (viewer) => viewer.lookPanel.reset(),
  panel: (viewer) => viewer.desk.togglePanel(),
  "full-screen": (viewer) => viewer.desk.toggleFullScreen(),
  help: (viewer) => viewer.controls.showHelp(viewer.controls.sheet.hidden),
};

/**
 * @param {Viewer} viewer
 * @param {AbortSignal} signal
 */
export function listenToKeys(viewer, signal) {
  const { root } = viewer;
  root.addEventListener("keydown", (event) => pressKey(viewer, event), { signal });
  root.addEventListener("keyup", (event) => releaseKey(viewer, event), { signal });
  document.addEventListener("keydown", (event) => pressFromPage(viewer, event), { signal });
  root.addEventListener("focusout", () => viewer.setCompare(false), { signal });
}

/**
 * @param {Viewer} viewer
 * @param {KeyboardEvent} event
 */
function pressKey(viewer, event) {
  event.stopPropagation(); // R and C would rerun the page and clear its caches
  const key = plainKey(event.key);
  if (event.target instanceof HTMLInputElement && /^(?:Arrow\w+|[0-9+-])$/.test(key)) return;
  if (event.target instanceof HTMLButtonElement && key === " ") return;
  const action = actionFor(VIEWER_KEYS, event);
  const isPlain = !event.ctrlKey && !event.metaKey && !event.altKey;
  if (action !== null || (key === " " && isPlain)) event.preventDefault(); // with a space the page would scroll
  if (action !== null) VIEWER_ACTS[action.name](viewer);
}

/**
 * A key that is pressed outside of the viewer, not in a field where it writes.
 * @param {Viewer} viewer
 * @param {KeyboardEvent} event
 */
function pressFromPage(viewer, event) {
  const action = actionFor(VIEWER_KEYS, event);
  if (action === null || !FROM_THE_PAGE.has(action.name) || event.defaultPrevented) return;
  const isWritten = event.key.length === 1 && event.target instanceof Element && event.target.matches(WRITTEN_IN);
  if (isWritten) return;
  event.preventDefault();
  VIEWER_ACTS[action.name](viewer);
}

/**
 * @param {Viewer} viewer
 * @param {KeyboardEvent} event
 */
function releaseKey(viewer, event) {
  event.stopPropagation();
  if (actionFor(VIEWER_KEYS, event)?.name === "compare") viewer.setCompare(false);
}
