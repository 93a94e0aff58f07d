// Masks, contours and boxes: they cost most, so they have a layer of their own.

import { Layer } from "./layer.js";
import { fillsMasks } from "./state.js";

/** @typedef {import("../lib/geometry.js").View} View */
/** @typedef {import("./layer.js").Item} Item */
/** @typedef {import("./state.js").Display} Display */

const CONTOUR_WIDTH = 1.5;
const BOX_WIDTH = 1.5;
/** Of a crowd's lines (CSS pixels). */
const CROWD_DASH = [7, 4];
/** Of an instance that is drawn so that others stand out. */
const FAINT_FILL = 0.3;
const FAINT_LINE = 0.6;
/** An instance that is smaller on the screen (device pixels) is a dot of its colour: no outline of it could be seen. */
const DOT_BELOW = 4;
const LEAST_DOT = 2;
/** Below this a filled instance has no contour: it would be nothing else. */
const FILL_ALONE_BELOW = 10;

export class Overlay extends Layer {
  constructor() {
    super(CONTOUR_WIDTH + 1);
  }

  /** @override @param {Display} display */
  lookOf(display) {
    return `${fillsMasks(display)} ${display.contours} ${display.boxes} ${display.opacity}`;
  }

  /**
   * @override
   * @param {Item[]} items
   * @param {Display} display
   * @param {number} scale
   * @param {number} density
   */
  drawItems(items, display, scale, density) {
    const { context } = this;
    context.lineJoin = "round";
    context.lineWidth = CONTOUR_WIDTH / scale;
    const isSeen = fillsMasks(display) || display.contours || display.boxes;
    /** @type {Item[]} */
    const near = [];
    for (const item of items) {
      if (sideOf(item) * density >= DOT_BELOW) near.push(item);
      else if (isSeen) this.drawDot(item, display, density);
    }
    for (const item of near) this.drawItem(item, display, density);
    if (!display.boxes) return;
    context.lineJoin = "miter";
    context.lineWidth = BOX_WIDTH / scale;
    for (const item of near) this.drawBox(item);
  }

  /**
   * An instance that is seen from far away.
   * @param {Item} item
   * @param {Display} display
   * @param {number} density
   */
  drawDot(item, display, density) {
    const { context } = this;
    const [x1, y1, x2, y2] = item.shape.extent;
    const alpha = display.contours || display.boxes ? Math.max(display.opacity, FAINT_LINE) : display.opacity;
    context.globalAlpha = item.instance.faint ? alpha * FAINT_FILL : alpha;
    context.fillStyle = item.color;
    context.fillRect(x1, y1, Math.max(x2 - x1, LEAST_DOT / density), Math.max(y2 - y1, LEAST_DOT / density));
  }

  /** @param {Item} item */
  drawBox(item) {
    const [x1, y1, x2, y2] = item.instance.box;
    this.context.globalAlpha = item.instance.faint ? FAINT_LINE : 1;
    this.context.strokeStyle = item.color;
    this.context.setLineDash(dashOf(item, this.drawn?.scale ?? 1));
    this.context.strokeRect(x1, y1, x2 - x1, y2 - y1);
    this.context.setLineDash([]);
  }

  /**
   * @param {Item} item
   * @param {Display} display
   * @param {number} density
   */
  drawItem(item, display, density) {
    const { context } = this;
    const { faint } = item.instance;
    const path = item.shape.path(density);
    if (fillsMasks(display)) {
      context.globalAlpha = faint ? display.opacity * FAINT_FILL : display.opacity;
      context.fillStyle = item.color;
      context.fill(path, "evenodd");
    }
    if (display.contours && !(fillsMasks(display) && sideOf(item) * density < FILL_ALONE_BELOW)) {
      context.globalAlpha = faint ? FAINT_LINE : 1;
      context.strokeStyle = item.color;
      context.setLineDash(dashOf(item, this.drawn?.scale ?? 1));
      context.stroke(path);
      context.setLineDash([]);
    }
  }
}

/** The longer side of all that is drawn of an instance, in pixels of the image. @param {Item} item */
function sideOf({ shape: { extent } }) {
  return Math.max(extent[2] - extent[0], extent[3] - extent[1]);
}

/**
 * A crowd's lines are dashed; in the image's pixels, as they are drawn.
 * @param {Item} item
 * @param {number} scale
 */
function dashOf(item, scale) {
  return item.instance.is_crowd ? CROWD_DASH.map((length) => length / scale) : [];
}

/**
 * Outline an instance above all others: a dark rim, so that it shows on any ground, around its colour.
 * @param {CanvasRenderingContext2D} context
 * @param {Item} item
 * @param {View} view
 * @param {number} ratio
 * @param {boolean} strong selected rather than hovered
 */
export function drawHighlight(context, item, view, ratio, strong) {
  const { scale } = view;
  context.setTransform(scale * ratio, 0, 0, scale * ratio, view.x * ratio, view.y * ratio);
  context.lineJoin = "round";
  /** @type {Path2D} */
  let path;
  if (item.shape.rings.length > 0) path = item.shape.path(scale * ratio);
  else {
    path = new Path2D();
    const [x1, y1, x2, y2] = item.instance.box;
    path.rect(x1, y1, x2 - x1, y2 - y1);
  }
  context.globalAlpha = strong ? 0.1 : 0.18;
  context.fillStyle = "#ffffff";
  context.fill(path, "evenodd");
  context.globalAlpha = 1;
  /** @type {[number, string][]} */
  const hoverLines = [
    [4, "#00000080"],
    [2, "#ffffff"],
  ];
  /** @type {[number, string][]} */
  const selectedLines = [
    [6, "#000000b0"],
    [4, "#ffffff"],
    [1.5, item.color],
  ];
  for (const [width, color] of strong ? selectedLines : hoverLines) {
    context.lineWidth = width / scale;
    context.strokeStyle = color;
    context.setLineDash(color === "#ffffff" ? dashOf(item, scale) : []);
    context.stroke(path);
  }
  context.setLineDash([]);
}
