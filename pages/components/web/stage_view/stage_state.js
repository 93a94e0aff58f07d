// What a stage's picture knows: the message from Python, and what the person has done in it since.

import { boxOverlap, inOrder } from "./boxes.js";

/** @typedef {import("./boxes.js").Box} Box */
/**
 * @typedef {object} Layer one thing drawn over the picture, in pixels of the image
 * @property {"boxes" | "arrows" | "points" | "lines" | "picture"} kind
 * @property {string} [title] for the legend
 * @property {number[][]} [items] boxes, or lines, as x1 y1 x2 y2; points as x y
 * @property {string[]} [colors] one for all, or one for each
 * @property {string[]} [labels]
 * @property {number} [width] of lines, in pixels of the screen
 * @property {boolean} [dashed]
 * @property {boolean} [counted] only as many are shown as the slider says
 * @property {boolean} [judged] green where the IoU with the second box that can be dragged passes, red elsewhere
 * @property {boolean} [faded] of a picture: its opacity is the slider's value
 * @property {string} [url] of a picture
 * @property {number[]} [box] where a picture lies
 * @property {number} [opacity]
 * @property {boolean} [smooth] whether a picture is interpolated
 */
/**
 * @typedef {object} StageSlider
 * @property {string} label
 * @property {number} least
 * @property {number} most
 * @property {number} step
 * @property {number} value
 */
/**
 * @typedef {object} StageMessage
 * @property {number} version
 * @property {string} scene its name; in another one what was done before does not hold
 * @property {string} url
 * @property {number} width of the image, in pixels
 * @property {number} height
 * @property {boolean} smooth
 * @property {number[]} region what of it is shown, x1 y1 x2 y2
 * @property {Layer[]} layers
 * @property {StageSlider | null} slider how many of the counted layers are shown, the bar of the judged ones, or the opacity of the faded
 * @property {Box[]} boxes that can be dragged
 * @property {string[]} boxNames
 * @property {"" | "point" | "box"} asks what a press on the picture is for
 * @property {number[] | null} point that was clicked
 * @property {Box | null} drawn
 * @property {string} alt what is to be seen, for those who cannot
 * @property {number} height_px of the stage, at most
 */
/**
 * @typedef {object} StageAnswer
 * @property {number} version
 * @property {string} scene
 * @property {number | null} value of the slider
 * @property {Box[]} boxes
 * @property {number[] | null} point
 * @property {Box | null} drawn
 */

export const STAGE_VERSION = 1;

/** Colours of one mark in the legend, at most. */
const MARKED = 5;

/**
 * What a layer's mark in the legend is filled with: all of its colours, or some of many, from the first to the last.
 * @param {Layer} layer
 * @returns {string} as in CSS
 */
export function legendMark({ judged, colors = [] }) {
  const all = judged ? ["#2ca02c", "#d62728"] : [...new Set(colors)];
  if (all.length < 2) return all[0] ?? "";
  const count = Math.min(all.length, MARKED);
  const parts = Array.from({ length: count }, (_, n) => all[Math.round((n * (all.length - 1)) / (count - 1))]);
  const share = (/** @type {number} */ n) => `${Math.round((100 * n) / count)}%`;
  return `linear-gradient(90deg, ${parts.map((color, n) => `${color} ${share(n)} ${share(n + 1)}`).join(", ")})`;
}
/** The least width and height of a drawn box, in pixels. */
const LEAST_SIDE = 2;

export class StageState {
  constructor() {
    /** @type {StageMessage | null} */
    this.message = null;
    this.value = 0;
    /** @type {Box[]} */
    this.boxes = [];
    /** @type {number[] | null} */
    this.point = null;
    /** @type {Box | null} */
    this.drawn = null;
  }

  /** @param {StageMessage} message */
  accept(message) {
    if (message.version !== STAGE_VERSION) throw new RangeError(`stage message version ${message.version}`);
    const isSame = this.message?.scene === message.scene;
    this.message = message;
    if (isSame) return; // what was done here is newer than what Python has heard of
    this.value = message.slider?.value ?? 0;
    this.boxes = message.boxes.map((box) => inOrder(box));
    this.point = message.point;
    this.drawn = message.drawn === null ? null : inOrder(message.drawn);
  }

  /** @returns {StageAnswer} */
  get answer() {
    const { message, boxes, point, drawn } = this;
    const value = message?.slider === null || message === null ? null : this.value;
    return { version: STAGE_VERSION, scene: message?.scene ?? "", value, boxes, point, drawn };
  }

  /**
   * How many items of a layer are shown.
   * @param {Layer} layer
   */
  shown(layer) {
    const all = layer.items?.length ?? 0;
    return layer.counted ? Math.min(this.value, all) : all;
  }

  /**
   * For each item of a judged layer, whether its IoU with the target passes.
   * @param {Layer} layer
   */
  passes(layer) {
    const target = this.boxes[1];
    return (layer.items ?? []).map((box) => target !== undefined && boxOverlap(box, target).iou >= this.value);
  }

  /** Areas and IoU of the two boxes that can be dragged; null where there are not two. */
  get overlap() {
    const [a, b] = this.boxes;
    return a === undefined || b === undefined ? null : boxOverlap(a, b);
  }

  /** In words, what the numbers of this picture are now. */
  get sentence() {
    const { message, overlap } = this;
    if (message === null) return "";
    const parts = [];
    if (overlap !== null) {
      const [first, second] = message.boxNames;
      const px = (/** @type {number} */ area) => Math.round(area).toLocaleString("en");
      parts.push(
        `${first}: ${px(overlap.first)} px · ${second}: ${px(overlap.second)} px · shared: ${px(overlap.both)} px ` +
          `· together: ${px(overlap.either)} px · IoU = ${px(overlap.both)} / ${px(overlap.either)} ` +
          `= ${overlap.iou.toFixed(3)}`,
      );
    }
    for (const layer of message.layers) {
      if (layer.judged) {
        const passing = this.passes(layer).filter(Boolean).length;
        const all = layer.items?.length ?? 0;
        parts.push(`${passing} of ${all} have an IoU of ${this.value.toFixed(2)} or more with ${message.boxNames[1]}`);
      }
    }
    return parts.join(". ");
  }

  /**
   * Puts a box that was dragged in the place of what it was.
   * @param {number} index
   * @param {Box} box
   */
  replace(index, box) {
    this.boxes = this.boxes.map((old, at) => (at === index ? box : old));
  }

  /**
   * A box that was drawn, or nothing if it is too small to be meant.
   * @param {readonly number[]} corners
   */
  draw(corners) {
    const box = inOrder(corners);
    if (box[2] - box[0] < LEAST_SIDE || box[3] - box[1] < LEAST_SIDE) return false;
    this.drawn = box;
    return true;
  }
}
