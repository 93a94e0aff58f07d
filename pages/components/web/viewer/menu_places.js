// Where the menu of actions opens, and what it is about: the instances that are selected, or the picture.

import { boxToScreen } from "../lib/geometry.js";
import { instanceOf } from "./state.js";

/** @typedef {import("./viewer.js").Viewer} Viewer */

/** @param {Viewer} viewer @param {number} x in the window, in CSS pixels @param {number} y */
export function openMenu(viewer, x, y) {
  const { list, controls, menu, model } = viewer;
  menu.open(model?.selected.size ? "instances" : "picture", x, y, list.hasFocus ? list.grid : controls.stage);
}

/** At a point of the stage, for the instance there. @param {Viewer} viewer @param {number} x @param {number} y */
export function openMenuAt(viewer, x, y) {
  const id = viewer.instanceAt(x, y);
  if (id === null || !viewer.model?.selected.has(id)) viewer.select(id, false, 0);
  const { left, top } = viewer.canvas.getBoundingClientRect();
  openMenu(viewer, left + x, top + y);
}

/** Under a button, for the picture whatever is selected. @param {Viewer} viewer @param {HTMLElement} button */
export function openPictureMenu(viewer, button) {
  const { left, bottom } = button.getBoundingClientRect();
  viewer.menu.open("picture", left, bottom, button);
}

/** At the list's active row, or else at what is selected. @param {Viewer} viewer */
export function openMenuByKey(viewer) {
  const { model, list } = viewer;
  const row = list.hasFocus ? list.activeElement?.getBoundingClientRect() : undefined;
  if (row !== undefined) {
    openMenu(viewer, row.left + row.width / 2, row.bottom);
    return;
  }
  const stage = viewer.canvas.getBoundingClientRect();
  const [id] = model?.selected ?? [];
  const box =
    id === undefined || model === null
      ? [0, 0, stage.width, stage.height]
      : boxToScreen(viewer.view, instanceOf(model, id).box);
  const within = (/** @type {number} */ value, /** @type {number} */ most) => Math.min(Math.max(value, 0), most);
  openMenu(
    viewer,
    stage.left + within((box[0] + box[2]) / 2, stage.width),
    stage.top + within((box[1] + box[3]) / 2, stage.height),
  );
}
