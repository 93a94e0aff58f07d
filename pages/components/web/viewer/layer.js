// A canvas of its own over the picture, that is repaired rather than redrawn.
//
// Of tens of thousands of instances only those in the part that is drawn are looked at (item_index.js).
//
// It reaches beyond the stage: while the view is dragged it is only put elsewhere, and once its border would show
// it is shifted and the strips that come into sight are drawn. When the score threshold moves only the places
// where an instance comes or goes are drawn. While zooming the last drawing is stretched if a fresh one
// would take too long, and drawn again as soon as the view rests.

import { areaOf, boxToScreen, holds, mergeBoxes, overlapOf, partsOutside } from "../lib/geometry.js";
import { indexOf } from "./item_index.js";

/** @typedef {import("../lib/geometry.js").View} View */
/** @typedef {import("../lib/geometry.js").Size} Size */
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
/** Places that are repaired one by one; of more the whole drawing is made anew. */
const MOST_PLACES = 200;
/** How far the drawing reaches beyond the stage on each side (CSS pixels). */
const MARGIN = 160;

export class Layer {
  /** @param {number} reach how far a drawing may go beyond its instance (CSS pixels) */
  constructor(reach) {
    this.reach = reach;
    this.canvas = document.createElement("canvas");
    this.context = /** @type {CanvasRenderingContext2D} */ (this.canvas.getContext("2d"));
    /** Another canvas of the same size, to shift the picture by way of it. */
    this.spare = document.createElement("canvas");
    this.spareContext = /** @type {CanvasRenderingContext2D} */ (this.spare.getContext("2d"));
    /** @type {View | null} the view the canvas was drawn for; null if it must be redrawn */
    this.drawn = null;
    /** The part of the canvas that is drawn, in its pixels. */
    this.valid = [0, 0, 0, 0];
    /** Device pixels between the canvas's border and the stage's, for the view it was drawn for. */
    this.edge = 0;
    /** @type {Item[]} what the canvas shows, as it was given */
    this.shown = [];
    /** @type {Map<number, Item>} the same by id */
    this.items = new Map();
    this.look = "";
    /** @type {number | null} when the drawing under way was begun, if it is a fresh one */
    this.began = null;
    this.lastCost = 0;
    this.stretched = false;
  }

  /** Redraw everything next time. */
  invalidate() {
    this.drawn = null;
  }

  /**
   * Bring the canvas up to date.
   * @param {Item[]} items largest area first; the same array as long as nothing in it changes
   * @param {Display} display
   * @param {View} view
   * @param {Size} stage
   * @param {number} ratio
   * @param {boolean} moving whether the view is still being changed
   */
  update(items, display, view, stage, ratio, moving) {
    const wide = Math.max(1, Math.round(stage.width * ratio));
    const high = Math.max(1, Math.round(stage.height * ratio));
    const edge = Math.round(MARGIN * ratio);
    const whole = [0, 0, wide + 2 * edge, high + 2 * edge];
    const look = `${this.lookOf(display)} ${ratio}`;
    if (this.canvas.width !== whole[2] || this.canvas.height !== whole[3] || look !== this.look) {
      for (const canvas of [this.canvas, this.spare]) {
        if (canvas.width !== whole[2]) canvas.width = whole[2];
        if (canvas.height !== whole[3]) canvas.height = whole[3];
      }
      this.look = look;
      this.edge = edge;
      this.drawn = null;
    }
    const old = this.drawn;
    this.stretched = old !== null && old.scale !== view.scale && moving && this.lastCost > SLOW_DRAWING;
    if (this.stretched) return;
    const way = old === null ? null : wholeWay(old, view, ratio);
    /** @type {number[][]} */
    const damage = [];
    this.began = null;
    if (way === null) {
      this.began = performance.now();
      this.drawn = { ...view };
      // While the zoom changes no drawing lasts: no more of it than is seen.
      this.valid = moving ? [edge, edge, edge + wide, edge + high] : whole;
      damage.push(this.valid);
    } else {
      let seen = [edge - way[0], edge - way[1], edge - way[0] + wide, edge - way[1] + high];
      if (!holds(whole, seen)) {
        this.shift(way[0], way[1]);
        this.drawn = { ...view };
        seen = [edge, edge, edge + wide, edge + high];
      }
      if (!moving || !holds(this.valid, seen)) {
        damage.push(...partsOutside(this.valid, whole));
        this.valid = whole;
      }
      if (items !== this.shown) damage.push(...this.changes(items, ratio));
    }
    if (items !== this.shown) this.items = new Map(items.map((item) => [item.instance.id, item]));
    this.shown = items;
    this.repair(damage, items, display, ratio);
  }

  /**
   * Move the drawing by device pixels.
   * @param {number} dx
   * @param {number} dy
   */
  shift(dx, dy) {
    const { width, height } = this.canvas;
    const [x1, y1, x2, y2] = this.valid;
    this.valid = [Math.max(0, x1 + dx), Math.max(0, y1 + dy), Math.min(width, x2 + dx), Math.min(height, y2 + dy)];
    this.spareContext.setTransform(1, 0, 0, 1, 0, 0);
    this.spareContext.globalCompositeOperation = "copy";
    this.spareContext.drawImage(this.canvas, dx, dy);
    this.spareContext.globalCompositeOperation = "source-over";
    [this.canvas, this.spare] = [this.spare, this.canvas];
    [this.context, this.spareContext] = [this.spareContext, this.context];
  }

  /**
   * Where an instance came, went or changed its colour or mask, in the canvas's pixels.
   * @param {Item[]} items
   * @param {number} ratio
   * @returns {number[][]}
   */
  changes(items, ratio) {
    const gone = new Map(this.items);
    /** @type {number[][]} */
    const places = [];
    for (const item of items) {
      const { id } = item.instance;
      const before = gone.get(id);
      gone.delete(id);
      if (before !== undefined && looksTheSame(before, item)) continue;
      places.push(this.place(item, ratio));
      if (before !== undefined) places.push(this.place(before, ratio));
    }
    for (const item of gone.values()) places.push(this.place(item, ratio));
    return places;
  }

  /**
   * The canvas's pixels that the drawing of an item may touch.
   * @param {Item} item
   * @param {number} ratio
   */
  place(item, ratio) {
    const [x1, y1, x2, y2] = boxToScreen(/** @type {View} */ (this.drawn), item.shape.extent);
    const { reach } = this;
    return [
      Math.floor((x1 - reach) * ratio) + this.edge,
      Math.floor((y1 - reach) * ratio) + this.edge,
      Math.ceil((x2 + reach) * ratio) + this.edge,
      Math.ceil((y2 + reach) * ratio) + this.edge,
    ];
  }

  /**
   * The pixels of the image whose instances may touch a part of the canvas.
   * @param {number[]} part
   * @param {number} ratio
   */
  onImage(part, ratio) {
    const { x, y, scale } = /** @type {View} */ (this.drawn);
    const reach = this.reach + 1; // places are rounded outwards
    const on = (/** @type {number} */ side, /** @type {number} */ offset, /** @type {number} */ more) =>
      ((side - this.edge) / ratio - offset + more) / scale;
    return [on(part[0], x, -reach), on(part[1], y, -reach), on(part[2], x, reach), on(part[3], y, reach)];
  }

  /**
   * @param {number[][]} damage
   * @param {Item[]} items
   * @param {Display} display
   * @param {number} ratio
   */
  repair(damage, items, display, ratio) {
    const { context, valid, edge } = this;
    const { scale, x, y } = /** @type {View} */ (this.drawn);
    const seen = damage.map((part) => overlapOf(part, valid)).filter((part) => areaOf(part) > 0);
    if (seen.length === 0) return;
    let parts = seen.length > MOST_PLACES ? [valid] : mergeBoxes(seen);
    const share = parts.reduce((sum, part) => sum + areaOf(part), 0) / areaOf(valid);
    if (share > 0.7 || parts.length > 24) parts = [valid];
    for (const part of parts) {
      const [x1, y1, x2, y2] = part;
      context.setTransform(1, 0, 0, 1, 0, 0);
      this.wipe(x1, y1, x2 - x1, y2 - y1);
      const touched = indexOf(items).within(this.onImage(part, ratio));
      context.save();
      context.beginPath();
      context.rect(x1, y1, x2 - x1, y2 - y1);
      context.clip();
      context.setTransform(scale * ratio, 0, 0, scale * ratio, x * ratio + edge, y * ratio + edge);
      this.drawItems(touched, display, scale, scale * ratio);
      context.restore();
    }
  }

  /**
   * Make a part of the canvas as it is without items.
   * @param {number} x
   * @param {number} y
   * @param {number} width
   * @param {number} height
   */
  wipe(x, y, width, height) {
    this.context.clearRect(x, y, width, height);
  }

  /**
   * All of the display that the drawing depends on.
   * @param {Display} _display
   */
  lookOf(_display) {
    return "";
  }

  /**
   * Draw items in the image's pixels, clipped to a part of the canvas.
   * @param {Item[]} _items
   * @param {Display} _display
   * @param {number} _scale CSS pixels per image pixel
   * @param {number} _density device pixels per image pixel
   */
  drawItems(_items, _display, _scale, _density) {}

  /**
   * Where the canvas's own origin lies on the stage for a view, and how much it is stretched there.
   * @param {View} view
   * @param {number} ratio
   */
  placeOnStage(view, ratio) {
    const drawn = this.drawn ?? view;
    const k = view.scale / drawn.scale;
    const left = view.x * ratio - (drawn.x * ratio + this.edge) * k;
    const top = view.y * ratio - (drawn.y * ratio + this.edge) * k;
    return { k, left, top };
  }

  /**
   * The part of the stage that the drawing covers, in device pixels.
   * @param {View} view
   * @param {number} ratio
   */
  onStage(view, ratio) {
    const { k, left, top } = this.placeOnStage(view, ratio);
    return this.valid.map((side, i) => side * k + (i % 2 === 0 ? left : top));
  }

  /**
   * Put the canvas on the stage, stretched if it was drawn for another zoom.
   * @param {CanvasRenderingContext2D} context
   * @param {View} view
   * @param {number} ratio
   */
  blit(context, view, ratio) {
    const { k, left, top } = this.placeOnStage(view, ratio);
    const [x1, y1, x2, y2] = this.valid;
    context.imageSmoothingEnabled = k !== 1;
    context.setTransform(k, 0, 0, k, left, top);
    context.drawImage(this.canvas, x1, y1, x2 - x1, y2 - y1, x1, y1, x2 - x1, y2 - y1);
    if (this.began === null) return;
    // Only here, where its pixels are asked for, does a browser without a GPU fill them: that is most of the cost.
    const stage = (this.canvas.width - 2 * this.edge) * (this.canvas.height - 2 * this.edge);
    this.lastCost = ((performance.now() - this.began) * stage) / areaOf(this.valid);
    this.began = null;
  }
}

/**
 * @param {Item} a
 * @param {Item} b
 */
function looksTheSame(a, b) {
  const isAsCrowded = Boolean(a.instance.is_crowd) === Boolean(b.instance.is_crowd);
  return a.shape === b.shape && a.color === b.color && a.instance.faint === b.instance.faint && isAsCrowded;
}

/**
 * How far a view has moved in whole device pixels; null if the zoom changed or it lies between pixels.
 * @param {View} from
 * @param {View} to
 * @param {number} ratio
 * @returns {[number, number] | null}
 */
function wholeWay(from, to, ratio) {
  const dx = (to.x - from.x) * ratio;
  const dy = (to.y - from.y) * ratio;
  const whole = Math.abs(dx - Math.round(dx)) < 0.01 && Math.abs(dy - Math.round(dy)) < 0.01;
  return whole && from.scale === to.scale ? [Math.round(dx), Math.round(dy)] : null;
}
