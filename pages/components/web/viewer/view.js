// The view: how large the stage is, and which part of the image it shows.

import { clampView, fitView, focusView, scaleLimits, zoomAt } from "../lib/geometry.js";

/** The view rests after this long without change (ms): then everything is drawn in full. */
const REST = 110;

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

  /** Draw soon. */
  requestFrame() {}

  resize() {
    const { stage, canvas } = this;
    const width = this.controls.stage.clientWidth;
    const height = this.controls.stage.clientHeight;
    if (this.image === null || width === 0 || height === 0) return;
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
