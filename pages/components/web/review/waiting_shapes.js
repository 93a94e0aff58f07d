// What was drawn while no category was active: it waits, image by image, until somebody says what it is. Kept in the tab.

import { decodeRle } from "../lib/rle.js";
import { traceRings } from "../lib/contours.js";

/** @typedef {import("./review_frames.js").Drawn} Drawn */
/** @typedef {import("../viewer/viewer.js").Viewer} Viewer */
/** @typedef {[number, number, number, number]} Box */
/**
 * A mask with the edit that drew it, or a box that the network is to fill.
 * @typedef {{image_id: number, what: string, mask: Drawn["mask"], polygons?: number[][]}} WaitingMask
 * @typedef {{image_id: number, box: Box}} WaitingBox
 * @typedef {WaitingMask | WaitingBox} WaitingShape
 */

/** What is drawn with the scissors: its mask is the lasso's until Python has cut it out. */
export const SCISSORS = "scissors";

const STORED = "maskdesk-waiting-shapes";

/** @param {unknown} value @returns {value is Box} */
function isBox(value) {
  return Array.isArray(value) && value.length === 4 && value.every(Number.isFinite);
}

/** @param {any} shape @returns {shape is WaitingShape} */
function isShape(shape) {
  if (!Number.isSafeInteger(shape?.image_id)) return false;
  if (isBox(shape.box)) return true;
  return typeof shape.what === "string" && typeof shape.mask?.counts === "string" && isBox(shape.mask.box);
}

export class WaitingShapes {
  /** @param {Storage | null} storage of the tab */
  constructor(storage) {
    this.storage = storage;
    /** @type {WaitingShape[]} in the order in which they were drawn */
    this.shapes = [];
    /** @type {WaitingShape[]} taken back, the last one last */
    this.undone = [];
    /** @type {WeakMap<WaitingShape, Path2D>} */
    this.paths = new WeakMap();
    try {
      const kept = JSON.parse(storage?.getItem(STORED) ?? "[]");
      if (Array.isArray(kept)) this.shapes = kept.filter(isShape);
    } catch {
      // damaged, or forbidden
    }
  }

  keep() {
    try {
      this.storage?.setItem(STORED, JSON.stringify(this.shapes));
    } catch {
      // full: they wait as long as the page is open
    }
  }

  /** @param {number | undefined} imageId */
  of(imageId) {
    return this.shapes.filter(({ image_id }) => image_id === imageId);
  }

  /** @param {WaitingShape} shape */
  add(shape) {
    this.shapes.push(shape);
    this.undone = [];
    this.keep();
  }

  /** Those of an image, which wait no more. @param {number} imageId */
  take(imageId) {
    const taken = this.of(imageId);
    this.shapes = this.shapes.filter((shape) => !taken.includes(shape));
    this.undone = [];
    this.keep();
    return taken;
  }

  /** Take back the last one of an image. @param {number | undefined} imageId @returns {boolean} whether there was one */
  undo(imageId) {
    const last = this.of(imageId).pop();
    if (last === undefined) return false;
    this.shapes = this.shapes.filter((shape) => shape !== last);
    this.undone.push(last);
    this.keep();
    return true;
  }

  /** Whether one of an image was taken back, and nothing was done since. @param {number | undefined} imageId */
  canRedo(imageId) {
    return this.undone.at(-1)?.image_id === imageId && this.undone.length > 0;
  }

  /** @param {number | undefined} imageId @returns {boolean} whether one waits again */
  redo(imageId) {
    const last = this.canRedo(imageId) ? this.undone.pop() : undefined;
    if (last === undefined) return false;
    this.shapes.push(last);
    this.keep();
    return true;
  }

  /** A decision was made: what was taken back stays so. */
  forgetUndone() {
    this.undone = [];
  }

  /**
   * Draw those of an image in dashes over the picture.
   * @param {CanvasRenderingContext2D} context
   * @param {Viewer} viewer
   * @param {number | undefined} imageId
   */
  paint(context, viewer, imageId) {
    const { view, ratio, model } = viewer;
    if (model === null) return;
    const { width, height } = model.image;
    for (const shape of this.of(imageId)) {
      const path = this.paths.get(shape) ?? pathOf(shape, [height, width]);
      this.paths.set(shape, path);
      context.setTransform(view.scale * ratio, 0, 0, view.scale * ratio, view.x * ratio, view.y * ratio);
      for (const [color, offset] of /** @type {const} */ ([
        ["#000", 0],
        ["#fff", 5],
      ])) {
        context.strokeStyle = color;
        context.lineWidth = 2 / view.scale;
        context.setLineDash([5 / view.scale, 5 / view.scale]);
        context.lineDashOffset = offset / view.scale;
        context.stroke(path);
      }
    }
  }
}

/** @param {WaitingShape} shape @param {[number, number]} size */
function pathOf(shape, size) {
  const path = new Path2D();
  if ("box" in shape) {
    const [x1, y1, x2, y2] = shape.box;
    path.rect(x1, y1, x2 - x1, y2 - y1);
    return path;
  }
  for (const ring of traceRings(decodeRle({ size, counts: shape.mask.counts }))) {
    for (let i = 0; i < ring.length; i += 2) {
      if (i === 0) path.moveTo(ring[0], ring[1]);
      else path.lineTo(ring[i], ring[i + 1]);
    }
    path.closePath();
  }
  return path;
}
