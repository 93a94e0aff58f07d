// Drawing a box around what was missed: a drag on the stage, while the tool is on, and the boxes that Python has not
// answered yet, in dashes.

import { boxToScreen } from "../../lib/geometry.js";
import { Tool } from "./stage_tools.js";

/** @typedef {import("../../viewer/viewer.js").Viewer} Viewer */
/** @typedef {import("./stage_tools.js").Place} Place */
/** @typedef {import("./stage_tools.js").Point} Point */
/** @typedef {[number, number, number, number]} Box */

/** A shorter drag (CSS pixels) was a click. */
const LEAST_DRAG = 6;

/**
 * The box between two points, within the image; null where nothing of the image lies between them.
 * @param {Point} a
 * @param {Point} b
 * @param {{width: number, height: number}} image
 * @returns {Box | null}
 */
export function boxBetween([ax, ay], [bx, by], { width, height }) {
  const clip = (/** @type {number} */ value, /** @type {number} */ most) => Math.min(Math.max(value, 0), most);
  const box = /** @type {Box} */ ([
    clip(Math.min(ax, bx), width),
    clip(Math.min(ay, by), height),
    clip(Math.max(ax, bx), width),
    clip(Math.max(ay, by), height),
  ]);
  return box[2] - box[0] < 1 || box[3] - box[1] < 1 ? null : box;
}

export class BoxTool extends Tool {
  /**
   * @param {Viewer} viewer
   * @param {(box: Box, isPlain: boolean) => void} onBox with Alt it stays a rectangle
   */
  constructor(viewer, onBox) {
    super(viewer, "box", "drag a box around what was missed; with Alt it stays a rectangle");
    this.onBox = onBox;
    /** @type {{from: Place, to: Place} | null} */
    this.drag = null;
    /** @type {Map<string, HTMLElement>} */
    this.shown = new Map();
  }

  /** @param {Place} place */
  begin(place) {
    this.drag = { from: place, to: place };
    return true;
  }

  /** @param {Place} place */
  move(place) {
    if (this.drag !== null) this.drag.to = place;
  }

  /** @param {Place} place */
  end(place) {
    const { drag, viewer } = this;
    this.drag = null;
    if (drag === null || viewer.model === null) return;
    const {
      screen: [x, y],
    } = drag.from;
    const isLong = Math.hypot(place.screen[0] - x, place.screen[1] - y) >= LEAST_DRAG;
    const box = boxBetween(drag.from.image, place.image, viewer.model.image);
    if (isLong && box !== null) this.onBox(box, drag.from.isTurned);
  }

  cancel() {
    const was = this.drag !== null;
    this.drag = null;
    return was;
  }

  /**
   * Bring the boxes to where they are now.
   * @param {Map<string, Box>} waiting those without an answer
   */
  showBoxes(waiting) {
    const wanted = new Map(waiting);
    const { drag, viewer } = this;
    const drawn =
      drag === null || viewer.model === null ? null : boxBetween(drag.from.image, drag.to.image, viewer.model.image);
    if (drawn !== null) wanted.set("drag", drawn);
    for (const [name, element] of this.shown) {
      if (wanted.has(name)) continue;
      element.remove();
      this.shown.delete(name);
    }
    for (const [name, box] of wanted) {
      let element = this.shown.get(name);
      if (element === undefined) {
        element = document.createElement("div");
        element.className = name === "drag" ? "rubber" : "rubber waiting";
        viewer.controls.overPicture.append(element);
        this.shown.set(name, element);
      }
      const [x1, y1, x2, y2] = boxToScreen(viewer.view, box);
      element.style.transform = `translate(${x1}px, ${y1}px)`;
      element.style.width = `${x2 - x1}px`;
      element.style.height = `${y2 - y1}px`;
    }
  }
}
