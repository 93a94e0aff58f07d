// What is drawn over the picture to place things by: a grid of the image's pixels, and lines through the pointer.

import { gridStep } from "./look.js";

/** @typedef {import("./viewer.js").Viewer} Viewer */

/** @param {Viewer} viewer @param {{width: number, height: number}} image */
export function paintAids(viewer, image) {
  const { context, look, ratio, stage } = viewer;
  if (!look.grid && !look.crosshair) return;
  context.save();
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  if (look.grid) paintGrid(viewer, image);
  const { place } = viewer.aids;
  if (look.crosshair && place !== null) {
    strokeTwice(context, () => {
      context.moveTo(0, place[1]);
      context.lineTo(stage.width, place[1]);
      context.moveTo(place[0], 0);
      context.lineTo(place[0], stage.height);
    });
  }
  context.restore();
}

/** @param {Viewer} viewer @param {{width: number, height: number}} image */
function paintGrid({ context, view, stage }, image) {
  const step = gridStep(view.scale);
  const first = (/** @type {number} */ from) => Math.max(0, Math.ceil(-from / view.scale / step)) * step;
  const [left, top] = [Math.max(0, view.x), Math.max(0, view.y)];
  const right = Math.min(stage.width, view.x + image.width * view.scale);
  const bottom = Math.min(stage.height, view.y + image.height * view.scale);
  context.beginPath();
  for (let x = first(view.x); x <= image.width && x * view.scale + view.x <= right; x += step) {
    context.moveTo(x * view.scale + view.x, top);
    context.lineTo(x * view.scale + view.x, bottom);
  }
  for (let y = first(view.y); y <= image.height && y * view.scale + view.y <= bottom; y += step) {
    context.moveTo(left, y * view.scale + view.y);
    context.lineTo(right, y * view.scale + view.y);
  }
  context.strokeStyle = "rgb(127 127 127 / 70%)"; // seen on black and on white
  context.lineWidth = 1;
  context.stroke();
}

/**
 * Dark beneath light, so that it is seen on everything.
 * @param {CanvasRenderingContext2D} context
 * @param {() => void} trace
 */
function strokeTwice(context, trace) {
  for (const [color, width] of /** @type {const} */ ([
    ["rgb(0 0 0 / 55%)", 3],
    ["rgb(255 255 255 / 90%)", 1],
  ])) {
    context.beginPath();
    trace();
    context.strokeStyle = color;
    context.lineWidth = width;
    context.stroke();
  }
}

/** Where the pointer is, whatever tool is in use. */
export class Aids {
  /**
   * @param {Viewer} viewer
   * @param {AbortSignal} signal
   */
  constructor(viewer, signal) {
    /** @type {[number, number] | null} in the picture's own directions */
    this.place = null;
    const { stage } = viewer.controls;
    const follow = (/** @type {PointerEvent | null} */ event) => {
      this.place = event === null ? null : viewer.placeOf(event);
      if (viewer.look.crosshair) viewer.requestFrame();
    };
    stage.addEventListener("pointermove", follow, { signal, capture: true });
    stage.addEventListener("pointerleave", () => follow(null), { signal });
  }
}
