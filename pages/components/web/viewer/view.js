// The view: how large the stage is, and which part of the image it shows.

import { turningStyle, unturned, unturnedWay } from "./look.js";
import { clampView, fitView, focusView, scaleLimits, zoomAt } from "../lib/geometry.js";

/** The view rests after this long without change (ms): then everything is drawn in full. */
const REST = 110;

/** @typedef {[number, number]} Point */

export class ImageView {
  /** @param {import("./controls.js").Controls} controls */
  constructor(controls) {
    this.controls = controls;
    this.canvas = controls.canvas;
    this.stage = { width: 1, height: 1 };
    this.ratio = 1;
    this.view = { scale: 1, x: 0, y: 0 };
    this.fitted = true;
    /** @type {readonly number[] | null} the box that the view was brought to and has not left since */
    this.focused = null;
    this.moving = false;
    this.restTimer = 0;
  }

  /** @returns {{width: number, height: number} | null} what is looked at */
  get image() {
    return null;
  }

  /** Quarter turns, clockwise, that the drawing is seen by. */
  get turns() {
    return 0;
  }

  /** The stage's size as it is seen; `stage` has it in the directions of the drawing. */
  get seenStage() {
    const { clientWidth: width, clientHeight: height } = this.controls.stage;
    return { width, height };
  }

  /** Where an event is in the drawing, in CSS pixels. @param {MouseEvent} event @returns {Point} */
  placeOf(event) {
    const { left, top } = this.canvas.getBoundingClientRect();
    return unturned([event.clientX - left, event.clientY - top], this.turns, this.seenStage);
  }

  /** Draw soon. */
  requestFrame() {}

  resize() {
    const { stage, canvas } = this;
    const seen = this.seenStage;
    const isAcross = this.turns % 2 === 1;
    const [width, height] = isAcross ? [seen.height, seen.width] : [seen.width, seen.height];
    if (this.image === null || width === 0 || height === 0) return;
    this.turnLayers(width, height);
    const ratio = window.devicePixelRatio || 1;
    const dx = (width - stage.width) / 2;
    const dy = (height - stage.height) / 2;
    this.stage = { width, height };
    this.ratio = ratio;
    const wide = Math.round(width * ratio);
    const high = Math.round(height * ratio);
    if (canvas.width !== wide) canvas.width = wide;
    if (canvas.height !== high) canvas.height = high;
    if (this.fitted) this.view = fitView(this.image, this.stage);
    else if (this.focused !== null) this.view = focusView(this.image, this.stage, this.focused);
    else {
      this.view = clampView({ ...this.view, x: this.view.x + dx, y: this.view.y + dy }, this.image, this.stage);
    }
    this.requestFrame();
  }

  /**
   * Lay the drawing, and what lies on it, on the stage as it is seen.
   * @param {number} width of the stage in the drawing's directions
   * @param {number} height
   */
  turnLayers(width, height) {
    const transform = turningStyle(this.turns, this.seenStage);
    for (const layer of [this.canvas, this.controls.overPicture]) {
      Object.assign(layer.style, { width: `${width}px`, height: `${height}px`, transform });
    }
  }

  /** Move by a way on the screen. @param {number} dx @param {number} dy */
  panOnScreen(dx, dy) {
    this.pan(...unturnedWay([dx, dy], this.turns));
  }

  /** @param {import("../lib/geometry.js").View} view */
  setView(view) {
    if (this.image === null) return;
    this.fitted = false;
    this.focused = null;
    this.view = clampView(view, this.image, this.stage);
    this.moving = true;
    clearTimeout(this.restTimer);
    this.restTimer = window.setTimeout(() => {
      this.moving = false;
      this.requestFrame();
    }, REST);
    this.requestFrame();
  }

  /**
   * Move by whole device pixels, so that what is drawn can be moved along.
   * @param {number} dx
   * @param {number} dy
   * @returns {[number, number]} how far it went
   */
  pan(dx, dy) {
    const wholeX = Math.round(dx * this.ratio) / this.ratio;
    const wholeY = Math.round(dy * this.ratio) / this.ratio;
    this.setView({ scale: this.view.scale, x: this.view.x + wholeX, y: this.view.y + wholeY });
    return [wholeX, wholeY];
  }

  /**
   * @param {number} scale
   * @param {number} x
   * @param {number} y
   */
  zoomTo(scale, x = this.stage.width / 2, y = this.stage.height / 2) {
    if (this.image === null) return;
    const { least, most } = scaleLimits(this.image, this.stage);
    this.setView(zoomAt(this.view, Math.min(most, Math.max(least, scale)), x, y));
  }

  fit() {
    if (this.image === null) return;
    this.setView(fitView(this.image, this.stage));
    this.fitted = true;
  }

  /**
   * Bring a box to the middle, with what lies around it; it stays there when the stage changes its size.
   * @param {readonly number[]} box
   */
  focusOn(box) {
    this.fitted = false;
    this.focused = box;
    this.resize();
  }

  endView() {
    clearTimeout(this.restTimer);
  }
}
