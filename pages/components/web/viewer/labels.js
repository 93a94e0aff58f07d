// Labels: where there is room for one, and the tags themselves.
//
// A label on each of hundreds of instances would hide them all. So one is drawn only where it lies on no
// other label and leaves its neighbours in sight, and as long as all together leave the image in sight: zooming
// in makes room for more. The instances that a person points at or has chosen have theirs always.

import { areaOf, boxToScreen, boxesMeet, overlapOf } from "../lib/geometry.js";
import { labelText } from "./state.js";

/** @typedef {import("../lib/geometry.js").View} View */
/** @typedef {import("../lib/geometry.js").Size} Size */
/** @typedef {import("./layer.js").Item} Item */

const LABEL_FONT = "600 11px";
const LABEL_HEIGHT = 17;
/** Space around a label's text on each side (CSS pixels). */
const LABEL_PADDING = 5;
/** Labels of instances smaller than this on screen (CSS pixels) would only hide them. */
const LABEL_FROM = 14;
/** A label may hide at most this share of a neighbour's box. */
const HIDDEN_SHARE = 0.2;
/** All labels together may take at most this share of the stage: what one came to see is the image. */
const STAGE_SHARE = 0.09;
/** Side of the squares (CSS pixels) by which rectangles that may meet are found. */
const SQUARE = 64;
const TAGS_KEPT = 3000;

/** Rectangles by the squares they touch. */
class Squares {
  constructor() {
    /** @type {Map<number, number[][]>} */
    this.squares = new Map();
  }

  /**
   * @param {readonly number[]} box
   * @param {(square: number) => boolean} visit false to stop
   * @returns {boolean} whether every visit went on
   */
  each(box, visit) {
    const [x1, y1, x2, y2] = box.map((value) => Math.floor(value / SQUARE));
    for (let y = y1; y <= y2; y += 1) {
      for (let x = x1; x <= x2; x += 1) if (!visit(y * 4096 + x)) return false;
    }
    return true;
  }

  /** @param {number[]} box */
  add(box) {
    this.each(box, (square) => {
      const there = this.squares.get(square);
      if (there === undefined) this.squares.set(square, [box]);
      else there.push(box);
      return true;
    });
  }

  /**
   * Whether all that may meet the box pass; those in several squares may be asked about twice.
   * @param {readonly number[]} box
   * @param {(other: number[]) => boolean} passes
   */
  all(box, passes) {
    return this.each(box, (square) => this.squares.get(square)?.every(passes) ?? true);
  }
}

/**
 * Those in sight, as far as labels can depend on them: where none but those that must have one are large enough for
 * a label, their neighbours do not matter. Of ten thousand that are seen at once hardly any is, and to place labels
 * among them all would take longer than the rest of a frame.
 * @template {{box: number[], must: boolean}} T
 * @param {T[]} all
 * @param {Size} stage
 * @returns {T[]}
 */
export function concernedByLabels(all, stage) {
  const ground = [0, 0, stage.width, stage.height];
  const seen = all.filter(({ box }) => boxesMeet(box, ground));
  const hasLarge = seen.some(({ box, must }) => !must && isLarge(box));
  return hasLarge ? seen : seen.filter(({ must }) => must);
}

/** Whether a label would not only hide its instance. @param {readonly number[]} box */
function isLarge([x1, y1, x2, y2]) {
  return Math.max(x2 - x1, y2 - y1) >= LABEL_FROM;
}

/**
 * The upper left corner of each label that has room on the stage, above its box or else below it; null for
 * the others. Earlier ones go first, those that must have one before all.
 * @param {{box: number[], width: number, must: boolean}[]} wanted boxes and label widths in CSS pixels
 * @param {Size} stage
 * @returns {([number, number] | null)[]}
 */
export function placeLabels(wanted, stage) {
  const ground = [0, 0, stage.width, stage.height];
  const boxes = new Squares();
  const labels = new Squares();
  const inSight = wanted.map(({ box }) => boxesMeet(box, ground));
  const clipped = wanted.map(({ box }) => overlapOf(box, ground));
  clipped.forEach((box, i) => inSight[i] && boxes.add(box));
  /** @type {([number, number] | null)[]} */
  const places = wanted.map(() => null);
  let room = STAGE_SHARE * stage.width * stage.height;
  const take = (/** @type {number} */ i, /** @type {[number, number]} */ place) => {
    places[i] = place;
    room -= wanted[i].width * LABEL_HEIGHT;
    labels.add([place[0], place[1], place[0] + wanted[i].width, place[1] + LABEL_HEIGHT]);
  };
  wanted.forEach(({ box, width, must }, i) => {
    if (must && inSight[i]) take(i, placeAbove(box, width, stage));
  });
  wanted.forEach(({ box, width, must }, i) => {
    if (must || !inSight[i] || !isLarge(box)) return;
    if (width * LABEL_HEIGHT > room) return;
    const above = placeAbove(box, width, stage);
    /** @type {[number, number]} */
    const below = [above[0], box[3]];
    const hasRoom = (/** @type {[number, number]} */ [x, y]) => {
      const label = [x, y, x + width, y + LABEL_HEIGHT];
      const leaves = (/** @type {number[]} */ other) =>
        other === clipped[i] || areaOf(overlapOf(label, other)) <= HIDDEN_SHARE * areaOf(other);
      return labels.all(label, (other) => !boxesMeet(label, other)) && boxes.all(label, leaves);
    };
    if (hasRoom(above)) take(i, above);
    else if (below[1] + LABEL_HEIGHT <= stage.height && hasRoom(below)) take(i, below);
  });
  return places;
}

/**
 * Above the box, or inside it where the stage's border is in the way.
 * @param {number[]} box
 * @param {number} width of the label
 * @param {Size} stage
 * @returns {[number, number]}
 */
function placeAbove([x1, y1, , y2], width, stage) {
  const x = Math.max(0, Math.min(x1, stage.width - width));
  const above = y1 - LABEL_HEIGHT;
  return [x, above >= 0 ? above : Math.max(0, Math.min(y1, y2 - LABEL_HEIGHT))];
}

/** The labels' tags, each drawn once into a small bitmap of its own. */
export class Labels {
  constructor() {
    /** @type {Map<string, ImageBitmap>} */
    this.tags = new Map();
    /** @type {Map<string, number>} CSS pixels, by text */
    this.widths = new Map();
    this.ruler = /** @type {OffscreenCanvasRenderingContext2D} */ (new OffscreenCanvas(1, 1).getContext("2d"));
    this.font = "sans-serif";
  }

  /** @param {string} font */
  setFont(font) {
    if (font === this.font) return;
    this.font = font;
    this.widths.clear();
    this.forgetTags();
  }

  forgetTags() {
    for (const tag of this.tags.values()) tag.close();
    this.tags.clear();
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {Item[]} items largest first
   * @param {View} view
   * @param {Size} stage
   * @param {number} ratio
   * @param {(id: number) => boolean} always whether an instance has its label whatever it hides, above all others
   */
  draw(context, items, view, stage, ratio, always) {
    const all = items.map((item) => ({
      item,
      box: boxToScreen(view, item.instance.box),
      must: always(item.instance.id),
    }));
    const wanted = concernedByLabels(all, stage).map((one) => {
      const text = one.must || isLarge(one.box) ? labelText(one.item.instance) : "";
      return { ...one, text, width: text === "" ? 0 : this.width(text) };
    });
    const places = placeLabels(wanted, stage);
    context.setTransform(1, 0, 0, 1, 0, 0);
    for (const must of [false, true]) {
      places.forEach((place, i) => {
        const { item, text, must: isMust } = wanted[i];
        if (place === null || isMust !== must) return;
        const tag = this.tag(text, item.color, ratio);
        context.drawImage(tag, Math.round(place[0] * ratio), Math.round(place[1] * ratio));
      });
    }
  }

  /** @param {string} text */
  width(text) {
    const known = this.widths.get(text);
    if (known !== undefined) return known;
    if (this.widths.size > TAGS_KEPT) this.widths.clear();
    this.ruler.font = `${LABEL_FONT} ${this.font}`;
    const width = Math.ceil(this.ruler.measureText(text).width) + 2 * LABEL_PADDING;
    this.widths.set(text, width);
    return width;
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
    if (this.tags.size > TAGS_KEPT) this.forgetTags();
    const width = this.width(text);
    const canvas = new OffscreenCanvas(Math.ceil(width * ratio), Math.ceil(LABEL_HEIGHT * ratio));
    const context = /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext("2d"));
    context.scale(ratio, ratio);
    context.fillStyle = color;
    context.beginPath();
    context.roundRect(0, 0, width, LABEL_HEIGHT, 3);
    context.fill();
    context.font = `${LABEL_FONT} ${this.font}`;
    context.fillStyle = readableOn(color);
    context.textBaseline = "middle";
    context.fillText(text, LABEL_PADDING, LABEL_HEIGHT / 2 + 0.5);
    // A bitmap never changes: a browser draws it without first asking whether its canvas did.
    const tag = canvas.transferToImageBitmap();
    this.tags.set(key, tag);
    return tag;
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
