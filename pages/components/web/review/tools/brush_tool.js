// Brush and eraser: a mask's pixels follow the pointer; what was drawn becomes an edit when it is lifted.

import { holds } from "../../lib/geometry.js";
import { bitmapOf, boxOf, clipBox, emptyBitmap, jointBox, onBox } from "../../lib/bitmap.js";
import { drawStroke, strokeBox } from "../../lib/raster.js";
import { Tool } from "./stage_tools.js";

/** @typedef {import("../../viewer/viewer.js").Viewer} Viewer */
/** @typedef {import("../../lib/bitmap.js").Bitmap} Bitmap */
/** @typedef {import("./brush_size.js").BrushSize} BrushSize */
/** @typedef {import("./stage_tools.js").Place} Place */
/** @typedef {import("./stage_tools.js").Point} Point */
/** @typedef {{id: number | null, bitmap: Bitmap, color: string}} Target null for something new */

/** Pixels added around a stroke that leaves its bitmap. */
const ROOM = 64;
/** How much of the mask's colour is laid over the picture while it is painted. */
const OPACITY = 140;

export class BrushTool extends Tool {
  /**
   * @param {Viewer} viewer
   * @param {0 | 1} value what it leaves behind: 1 for a brush, 0 for an eraser
   * @param {() => Target | null} targetOf what is painted on; null says why by itself
   * @param {(target: Target, bitmap: Bitmap) => void} onPainted
   * @param {BrushSize} shared of brush and eraser
   */
  constructor(viewer, value, targetOf, onPainted, shared) {
    const [name, does] = value === 1 ? ["brush", "paint"] : ["eraser", "erase"];
    super(viewer, name, `${does}; [ ], the slider or Shift+wheel change the size, Alt does the opposite`);
    this.value = value;
    this.targetOf = targetOf;
    this.onPainted = onPainted;
    this.shared = shared;
    /** @type {{target: Target, bitmap: Bitmap, last: Point, value: 0 | 1, layer: Layer} | null} */
    this.stroke = null;
    /** @type {Point | null} */
    this.pointer = null;
  }

  /** @param {Place} place */
  begin(place) {
    const target = this.targetOf();
    const { model } = this.viewer;
    if (target === null || model === null) return true;
    const value = /** @type {0 | 1} */ (place.isTurned ? 1 - this.value : this.value);
    const bitmap = onBox(target.bitmap, boxOf(target.bitmap));
    this.stroke = { target, bitmap, last: place.image, value, layer: new Layer(bitmap, target.color) };
    this.viewer.veil(target.id);
    this.extend(place);
    return true;
  }

  /** @param {Place} place */
  extend({ image: point, pressure }) {
    const { stroke, viewer, shared } = this;
    if (stroke === null || viewer.model === null) return;
    const size = shared.under(pressure);
    const box = strokeBox([stroke.last, point], size, viewer.model.image);
    if (stroke.value === 1 && !holds(boxOf(stroke.bitmap), box)) this.makeRoom(box);
    drawStroke(stroke.bitmap, stroke.last, point, size, stroke.value);
    stroke.layer.refresh(box);
    stroke.last = point;
  }

  /** Room beyond what is needed now, so that a long stroke copies seldom. @param {import("../../lib/bitmap.js").Box} box */
  makeRoom(box) {
    const { stroke, viewer } = this;
    if (stroke === null || viewer.model === null) return;
    const { bitmap, target } = stroke;
    const needed = bitmap.width === 0 ? box : jointBox(boxOf(bitmap), box);
    const more = Math.max(ROOM, Math.round((needed[2] - needed[0] + needed[3] - needed[1]) / 8));
    const wide = clipBox([needed[0] - more, needed[1] - more, needed[2] + more, needed[3] + more], viewer.model.image);
    stroke.bitmap = onBox(bitmap, wide);
    stroke.layer = new Layer(stroke.bitmap, target.color);
  }

  /** @param {Place} place */
  move(place) {
    this.pointer = place.screen;
    this.extend(place);
  }

  /** @param {Place} place */
  end(place) {
    if (place.pressure > 0) this.extend(place); // a pen that has left presses no more
    const { stroke } = this;
    this.cancel();
    if (stroke !== null) this.onPainted(stroke.target, stroke.bitmap);
  }

  /** @param {Place | null} place */
  hover(place) {
    this.pointer = place?.screen ?? null;
    this.viewer.requestFrame();
  }

  cancel() {
    const was = this.stroke !== null;
    this.stroke = null;
    this.viewer.veil(null);
    return was;
  }

  /** Python has a number for what is being painted on. @param {Map<number, number>} renamed */
  rename(renamed) {
    const target = this.stroke?.target;
    const id = target === undefined || target.id === null ? undefined : renamed.get(target.id);
    if (target === undefined || id === undefined) return;
    target.id = id;
    this.viewer.veil(id);
  }

  /** @param {KeyboardEvent} event */
  press({ key }) {
    if (key !== "[" && key !== "]") return false;
    this.shared.step(key === "]" ? 1 : -1);
    this.viewer.requestFrame();
    return true;
  }

  /** @param {WheelEvent} event */
  wheel({ altKey, shiftKey, deltaX, deltaY }) {
    if (!altKey && !shiftKey) return false;
    const way = deltaY || deltaX; // with Shift some systems turn the wheel sideways
    if (way !== 0) this.shared.step(way < 0 ? 1 : -1);
    this.viewer.requestFrame();
    return true;
  }

  open() {
    this.shared.showSlider(this.viewer);
  }

  /** @param {CanvasRenderingContext2D} context */
  paint(context) {
    const { viewer, stroke, pointer } = this;
    const { view, ratio } = viewer;
    if (stroke !== null) {
      context.setTransform(view.scale * ratio, 0, 0, view.scale * ratio, view.x * ratio, view.y * ratio);
      context.imageSmoothingEnabled = view.scale * ratio < 1;
      context.drawImage(stroke.layer.canvas, stroke.bitmap.left, stroke.bitmap.top);
    }
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    if (pointer === null) return;
    const radius = Math.max(1.5, (this.shared.size * view.scale) / 2);
    for (const [color, width] of /** @type {const} */ ([
      ["#000", 3],
      ["#fff", 1.2],
    ])) {
      context.beginPath();
      context.arc(pointer[0], pointer[1], radius, 0, 2 * Math.PI);
      context.strokeStyle = color;
      context.lineWidth = width;
      context.stroke();
    }
  }

  close() {
    this.pointer = null;
    this.shared.hideSlider();
  }
}

/** Something new, in a colour that stands out. @returns {Target} */
export function newTarget() {
  return { id: null, bitmap: emptyBitmap([0, 0, 0, 0]), color: "#ff2d95" };
}

/**
 * @param {import("../../viewer/state.js").Instance} instance
 * @param {import("../../lib/rle.js").Runs} runs
 * @param {string} color
 * @returns {Target}
 */
export function targetOn(instance, runs, color) {
  return { id: instance.id, bitmap: bitmapOf(runs), color };
}

/** A bitmap as a picture that can be laid over the image. */
class Layer {
  /**
   * @param {Bitmap} bitmap
   * @param {string} color #rrggbb
   */
  constructor(bitmap, color) {
    this.bitmap = bitmap;
    this.canvas = document.createElement("canvas");
    this.canvas.width = Math.max(1, bitmap.width);
    this.canvas.height = Math.max(1, bitmap.height);
    this.context = /** @type {CanvasRenderingContext2D} */ (this.canvas.getContext("2d"));
    const parts = [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16));
    // Red first in memory, whichever way round the machine keeps its numbers.
    this.ink = new Uint32Array(new Uint8Array([...parts, OPACITY]).buffer)[0];
    this.refresh(boxOf(bitmap));
  }

  /** Bring a part up to date. @param {import("../../lib/bitmap.js").Box} box */
  refresh(box) {
    const { left, top, width, height, bits } = this.bitmap;
    const x1 = Math.max(box[0], left) - left;
    const x2 = Math.min(box[2], left + width) - left;
    const y1 = Math.max(box[1], top) - top;
    const y2 = Math.min(box[3], top + height) - top;
    if (x1 >= x2 || y1 >= y2) return;
    const pixels = new Uint32Array((x2 - x1) * (y2 - y1));
    for (let x = x1; x < x2; x += 1) {
      for (let y = y1; y < y2; y += 1) {
        if (bits[x * height + y] === 1) pixels[(y - y1) * (x2 - x1) + x - x1] = this.ink;
      }
    }
    this.context.putImageData(new ImageData(new Uint8ClampedArray(pixels.buffer), x2 - x1, y2 - y1), x1, y1);
  }
}
