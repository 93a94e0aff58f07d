// What is done to the marks of instances: hide, lock, single out. Each is said, kept in the tab, and leaves the selection.

import {
  clearMarks,
  countMarks,
  isHidden,
  marksText,
  renameMarks,
  reveal,
  toggleHidden,
  toggleLocked,
  toggleSolo,
} from "./marks.js";
import { selectOnly } from "./state.js";

/** @typedef {import("./viewer.js").Viewer} Viewer */
/** @typedef {import("./marks.js").Marks} Marks */

/** @type {Record<string, (marks: Marks, ids: number[]) => void>} by the action's name */
const CHANGES = {
  "hide-instances": toggleHidden,
  "lock-instances": toggleLocked,
  "solo-instances": toggleSolo,
  "show-instances": clearMarks,
  reveal,
};

/** What marks of an image are kept under: ids of one model mean nothing in another's. @param {Viewer} viewer */
export function marksKey({ model }) {
  return model === null ? "" : `${model.image.key} ${model.source}`;
}

/** The instances that a key means: those selected, or the list's active one, or the one that is pointed at. @param {Viewer} viewer */
export function meantInstances({ model, list, hovered }) {
  if (model === null) return [];
  if (model.selected.size > 0) return [...model.selected];
  const one = list.hasFocus ? list.active : hovered;
  return one === null ? [] : [one];
}

/**
 * @param {Viewer} viewer
 * @param {string} name of the action
 * @param {number[]} ids
 */
export function markInstances(viewer, name, ids) {
  const { model } = viewer;
  if (model === null) return;
  if (ids.length === 0 && name !== "show-instances") {
    viewer.controls.announce("Select an instance first");
    return;
  }
  CHANGES[name](model.marks, ids);
  viewer.markStore.save(marksKey(viewer), model.marks);
  selectOnly(model, model.selected);
  const said = marksText(countMarks(model.marks, model.instances));
  viewer.controls.announce(said === "" ? "All instances are shown, none is locked" : said);
  viewer.changed();
  viewer.report(0);
}

/** @param {Viewer} viewer */
export function showAllInstances(viewer) {
  markInstances(viewer, "show-instances", []);
}

/** So that what was just made is seen, whatever is hidden. @param {Viewer} viewer @param {number[]} ids */
export function revealInstances(viewer, ids) {
  const { model } = viewer;
  if (model !== null && ids.some((id) => isHidden(model.marks, id))) markInstances(viewer, "reveal", ids);
}

/** Instances have other ids now. @param {Viewer} viewer @param {Map<number, number>} renamed */
export function renameInstances(viewer, renamed) {
  const { model } = viewer;
  if (model === null || renamed.size === 0) return;
  model.selected = new Set([...model.selected].map((id) => renamed.get(id) ?? id));
  renameMarks(model.marks, renamed);
  viewer.markStore.save(marksKey(viewer), model.marks);
  viewer.list.renameRows(renamed);
}
