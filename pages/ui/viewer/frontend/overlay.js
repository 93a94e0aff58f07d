// Masks, contours, boxes and labels.
//
// Masks and contours cost most, so they live in a canvas of their own that is repaired rather than
// redrawn: when the view is dragged only the strips that come into sight are drawn, and when the score
// threshold moves only the places where an instance comes or goes. While zooming the last drawing is
// stretched if a fresh one would take too long, and drawn again as soon as the view rests.

import { boxToScreen, boxesMeet, mergeBoxes } from "./geometry.js";
import { labelText } from "./state.js";

/** @typedef {import("./geometry.js").View} View */
/** @typedef {import("./geometry.js").Size} Size */
/** @typedef {import("./shapes.js").Shape} Shape */
/** @typedef {import("./state.js").Instance} Instance */
/** @typedef {import("./state.js").Display} Display */

/**
 * @typedef {object} Item something to draw
 * @property {Instance} instance
 * @property {Shape} shape
 * @property {string} color
 */

/** A fresh drawing that takes longer than this (ms) is put off while the view is zoomed. */
const SLOW_DRAWING = 7;
const CONTOUR_WIDTH = 1.5;
const BOX_WIDTH = 1.5;
const LABEL_FONT = "600 11px";
const LABEL_HEIGHT = 17;
/** Labels of instances smaller than this on screen (CSS pixels) would only hide them. */
const LABEL_FROM = 14;

export class Overlay {
  constructor() {
    this.canvas = document.createElement("canvas");
    this.context = /** @type {CanvasRenderingContext2D} */ (this.canvas.getContext("2d"));
    /** Another canvas of the same size, to shift the picture by way of it. */
    this.spare = document.createElement("canvas");
    this.spareContext = /** @type {CanvasRenderingContext2D} */ (this.spare.getContext("2d"));
    /** @type {View | null} the view the canvas was drawn for; null if it must be drawn anew */
    this.drawn = null;
    /** @type {Map<number, Item>} what the canvas shows */
    this.items = new Map();
    this.look = "";
    this.lastCost = 0;
    this.stretched = false;
  }

  /** Draw everything anew next time. */
  invalidate() {
    this.drawn = null;
  }

  /**
   * Bring the canvas up to date.
   * @param {Item[]} items largest area first
   * @param {Display} display
   * @param {View} view
   * @param {Size} stage
   * @param {number} ratio
   * @param {boolean} moving whether the view is still being changed
   */
  update(items, display, view, stage, ratio, moving) {
    const width = Math.max(1, Math.round(stage.width * ratio));
    const height = Math.max(1, Math.round(stage.height * ratio));
    const look = `${display.masks} ${display.contours} ${display.opacity} ${ratio}`;
    if (this.canvas.width !== width || this.canvas.height !== height || look !== this.look) {
      for (const canvas of [this.canvas, this.spare]) {
        if (canvas.width !== width) canvas.width = width;
        if (canvas.height !== height) canvas.height = height;
      }
      this.look = look;
      this.drawn = null;
    }
    this.stretched = false;
    const old = this.drawn;
    if (old !== null && old.scale !== view.scale && moving && this.lastCost > SLOW_DRAWING) {
      this.stretched = true;
      return;
    }
    const everything = [[0, 0, width, height]];
    let damage = everything;
    if (old !== null && old.scale === view.scale) {
      const dx = (view.x - old.x) * ratio;
      const dy = (view.y - old.y) * ratio;
      const whole = Math.abs(dx - Math.round(dx)) < 0.01 && Math.abs(dy - Math.round(dy)) < 0.01;
      if (whole) damage = this.shift(Math.round(dx), Math.round(dy)).concat(this.changes(items, view, ratio));
    }
    this.items = new Map(items.map((item) => [item.instance.id, item]));
    this.drawn = { ...view };
    if (!display.masks && !display.contours) damage = everything;
    this.repair(damage, items, display, view, ratio);
  }

  /**
   * Move the drawing and say which parts are now missing, in device pixels.
   * @param {number} dx
   * @param {number} dy
   * @returns {number[][]}
   */
  shift(dx, dy) {
    if (dx === 0 && dy === 0) return [];
    const { width, height } = this.canvas;
    if (Math.abs(dx) >= width || Math.abs(dy) >= height) return [[0, 0, width, height]];
    this.spareContext.setTransform(1, 0, 0, 1, 0, 0);
    this.spareContext.globalCompositeOperation = "copy";
    this.spareContext.drawImage(this.canvas, dx, dy);
    this.spareContext.globalCompositeOperation = "source-over";
    [this.canvas, this.spare] = [this.spare, this.canvas];
    [this.context, this.spareContext] = [this.spareContext, this.context];
    const strips = [];
    if (dx > 0) strips.push([0, 0, dx, height]);
    if (dx < 0) strips.push([width + dx, 0, width, height]);
    if (dy > 0) strips.push([0, 0, width, dy]);
    if (dy < 0) strips.push([0, height + dy, width, height]);
    return strips;
  }

  /**
   * Where an instance came, went or changed its colour or mask, in device pixels.
   * @param {Item[]} items
   * @param {View} view
   * @param {number} ratio
   * @returns {number[][]}
   */
  changes(items, view, ratio) {
    const gone = new Map(this.items);
    /** @type {number[][]} */
    const places = [];
    for (const item of items) {
      const { id } = item.instance;
      const before = gone.get(id);
      gone.delete(id);
      if (before !== undefined && before.shape === item.shape && before.color === item.color) continue;
      places.push(this.place(item, view, ratio));
      if (before !== undefined) places.push(this.place(before, view, ratio));
    }
    for (const item of gone.values()) places.push(this.place(item, view, ratio));
    return places;
  }

  /**
   * Device pixels that an item's mask and contour may touch.
   * @param {Item} item
   * @param {View} view
   * @param {number} ratio
   */
  place(item, view, ratio) {
    const [x1, y1, x2, y2] = boxToScreen(view, item.shape.extent);
    const grow = CONTOUR_WIDTH + 1;
    return [
      Math.floor((x1 - grow) * ratio),
      Math.floor((y1 - grow) * ratio),
      Math.ceil((x2 + grow) * ratio),
      Math.ceil((y2 + grow) * ratio),
    ];
  }

  /**
   * @param {number[][]} damage
   * @param {Item[]} items
   * @param {Display} display
   * @param {View} view
   * @param {number} ratio
   */
  repair(damage, items, display, view, ratio) {
    const { context } = this;
    const { width, height } = this.canvas;
    const stage = [0, 0, width, height];
    let parts = mergeBoxes(damage.filter((part) => boxesMeet(part, stage)));
    const share = parts.reduce((sum, p) => sum + clippedArea(p, stage), 0) / (width * height);
    const whole = share > 0.7 || parts.length > 24;
    if (whole) parts = [stage];
    const places = items.map((item) => this.place(item, view, ratio));
    const began = performance.now();
    for (const part of parts) {
      const [x1, y1, x2, y2] = part;
      context.setTransform(1, 0, 0, 1, 0, 0);
      context.clearRect(x1, y1, x2 - x1, y2 - y1);
      if (!display.masks && !display.contours) continue;
      context.save();
      context.beginPath();
      context.rect(x1, y1, x2 - x1, y2 - y1);
      context.clip();
      const { scale, x, y } = view;
      context.setTransform(scale * ratio, 0, 0, scale * ratio, x * ratio, y * ratio);
      context.lineJoin = "round";
      context.lineWidth = CONTOUR_WIDTH / scale;
      items.forEach((item, i) => {
        if (boxesMeet(places[i], part) && boxesMeet(places[i], stage)) this.drawItem(item, display, scale * ratio);
      });
      context.restore();
    }
    if (whole) this.lastCost = performance.now() - began;
  }

  /**
   * @param {Item} item
   * @param {Display} display
   * @param {number} density
   */
  drawItem(item, display, density) {
    const { context } = this;
    const path = item.shape.path(density);
    if (display.masks) {
      context.globalAlpha = display.opacity;
      context.fillStyle = item.color;
      context.fill(path, "evenodd");
    }
    if (display.contours) {
      context.globalAlpha = 1;
      context.strokeStyle = item.color;
      context.stroke(path);
    }
  }

  /**
   * Put the canvas on the stage, stretched if it was drawn for another zoom.
   * @param {CanvasRenderingContext2D} context
   * @param {View} view
   * @param {number} ratio
   */
  blit(context, view, ratio) {
    const drawn = this.drawn ?? view;
    const k = view.scale / drawn.scale;
    context.imageSmoothingEnabled = k !== 1;
    context.setTransform(k, 0, 0, k, (view.x - drawn.x * k) * ratio, (view.y - drawn.y * k) * ratio);
    context.drawImage(this.canvas, 0, 0);
  }
}

/**
 * @param {readonly number[]} part
 * @param {readonly number[]} stage
 */
function clippedArea(part, stage) {
  const width = Math.min(part[2], stage[2]) - Math.max(part[0], stage[0]);
  const height = Math.min(part[3], stage[3]) - Math.max(part[1], stage[1]);
  return Math.max(0, width) * Math.max(0, height);
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Item[]} items
 * @param {View} view
 * @param {Size} stage
 * @param {number} ratio
 */
export function drawBoxes(context, items, view, stage, ratio) {
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.lineWidth = BOX_WIDTH;
  context.lineJoin = "miter";
  const bounds = [-4, -4, stage.width + 4, stage.height + 4];
  for (const item of items) {
    const box = boxToScreen(view, item.instance.box);
    if (!boxesMeet(box, bounds)) continue;
    context.strokeStyle = item.color;
    context.strokeRect(box[0], box[1], box[2] - box[0], box[3] - box[1]);
  }
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
  const hoverLines = [[4, "#00000080"], [2, "#ffffff"]];
  /** @type {[number, string][]} */
  const selectedLines = [[6, "#000000b0"], [4, "#ffffff"], [1.5, item.color]];
  for (const [width, color] of strong ? selectedLines : hoverLines) {
    context.lineWidth = width / scale;
    context.strokeStyle = color;
    context.stroke(path);
  }
}

/** Label tags, each drawn once into a small canvas of its own. */
export class Labels {
  constructor() {
    /** @type {Map<string, HTMLCanvasElement>} */
    this.tags = new Map();
    this.font = "sans-serif";
  }

  /** @param {string} font */
  setFont(font) {
    if (font === this.font) return;
    this.font = font;
    this.tags.clear();
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {Item[]} items
   * @param {View} view
   * @param {Size} stage
   * @param {number} ratio
   * @param {(id: number) => boolean} always whether an instance has its label however small it is
   */
  draw(context, items, view, stage, ratio, always) {
    context.setTransform(1, 0, 0, 1, 0, 0);
    for (const item of items) {
      const [x1, y1, x2, y2] = boxToScreen(view, item.instance.box);
      if (x2 < 0 || y2 < 0 || x1 > stage.width || y1 > stage.height) continue;
      if (Math.max(x2 - x1, y2 - y1) < LABEL_FROM && !always(item.instance.id)) continue;
      const tag = this.tag(labelText(item.instance), item.color, ratio);
      const above = y1 - LABEL_HEIGHT;
      const x = Math.max(0, x1 - BOX_WIDTH / 2);
      const y = above >= 0 ? above : Math.max(0, Math.min(y1, y2 - LABEL_HEIGHT));
      context.drawImage(tag, Math.round(x * ratio), Math.round(y * ratio));
    }
  }

  /**
   * @param {string} text
   * @param {string} color
   * @param {number} ratio
   */
  tag(text, color, ratio) {
    const key = `${ratio} ${color} ${text}`;
    const known = this.tags.get(key);
    if (known !== undefined) return known;
    if (this.tags.size > 3000) this.tags.clear();
    const canvas = document.createElement("canvas");
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    const font = `${LABEL_FONT} ${this.font}`;
    context.font = font;
    const width = Math.ceil(context.measureText(text).width) + 10;
    canvas.width = Math.ceil(width * ratio);
    canvas.height = Math.ceil(LABEL_HEIGHT * ratio);
    context.scale(ratio, ratio);
    context.fillStyle = color;
    context.beginPath();
    context.roundRect(0, 0, width, LABEL_HEIGHT, 3);
    context.fill();
    context.font = font;
    context.fillStyle = readableOn(color);
    context.textBaseline = "middle";
    context.fillText(text, 5, LABEL_HEIGHT / 2 + 0.5);
    this.tags.set(key, canvas);
    return canvas;
  }
}

/**
 * Black or white, whichever contrasts more with a "#rrggbb" colour (WCAG 2.2 relative luminance).
 * @param {string} color
 */
export function readableOn(color) {
  const [r, g, b] = [1, 3, 5].map((at) => {
    const part = parseInt(color.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  const luminance = 0.2126 * r + 0.7152 * g + 0.0722 * b;
  return luminance > 0.179 ? "#000000" : "#ffffff";
}
