// The picture with other tones: drawn on a canvas of its own, changed there pixel by pixel, and kept until the view moves.
// No more pixels are changed than the stage has, however large the image is.

import { applyTones } from "./look.js";

/** @typedef {import("../lib/geometry.js").View} View */
/** @typedef {import("../lib/geometry.js").Size} Size */

export class TonedPicture {
  constructor() {
    /** @type {HTMLCanvasElement | null} made when it is needed first */
    this.canvas = null;
    /** What the canvas shows. */
    this.shown = "";
    /** @type {unknown} */
    this.source = null;
    /** @type {Uint8ClampedArray | null} */
    this.tones = null;
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {unknown[]} source the copies of the picture that it is drawn from: others are there in time
   * @param {[View, Size, number, Uint8ClampedArray]} how view, stage, device pixels per CSS pixel, tones
   * @param {(context: CanvasRenderingContext2D) => void} drawPlain
   */
  draw(context, source, [view, stage, ratio, tones], drawPlain) {
    this.canvas ??= document.createElement("canvas");
    const { canvas } = this;
    const { width, height } = context.canvas;
    const shown = [view.x, view.y, view.scale, stage.width, stage.height, ratio, width, height, source.length].join(
      " ",
    );
    if (shown !== this.shown || source !== this.source || tones !== this.tones) {
      Object.assign(canvas, { width, height }); // and it is empty
      const own = canvas.getContext("2d", { willReadFrequently: true });
      if (own === null) return;
      drawPlain(own);
      const pixels = own.getImageData(0, 0, width, height);
      applyTones(pixels.data, tones);
      own.putImageData(pixels, 0, 0);
      Object.assign(this, { shown, source, tones });
    }
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.drawImage(canvas, 0, 0);
  }
}
