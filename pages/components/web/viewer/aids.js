// What is drawn over the picture to place and measure things by: a grid of the image's pixels, lines through the
// pointer, and the ruler, which tells the length between two points.

import { screenToImage } from "../lib/geometry.js";
import { isOverPicture } from "./gestures.js";
import { gridStep, turned } from "./look.js";

/** @typedef {import("./viewer.js").Viewer} Viewer */
/** @typedef {[number, number]} Point */

/** A drag that is shorter on the screen measures nothing (CSS pixels). */
const LEAST_LENGTH = 3;
/** Of the short lines across both ends (CSS pixels). */
const TICK = 6;

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

/**
 * @param {number} pixels
 * @param {number | null | undefined} micrometres that a pixel is wide
 */
export function lengthText(pixels, micrometres) {
  const long = (/** @type {number} */ value) => (value < 100 ? value.toFixed(1) : String(Math.round(value)));
  return micrometres ? `${long(pixels)} px · ${long(pixels * micrometres)} µm` : `${long(pixels)} px`;
}

/** @param {[Point, Point]} line */
export function lengthOf([from, to]) {
  return Math.hypot(to[0] - from[0], to[1] - from[1]);
}

export class Ruler {
  /**
   * It must listen before all other tools, so that it has the pointer while it is in the hand.
   * @param {Viewer} viewer
   * @param {AbortSignal} signal
   */
  constructor(viewer, signal) {
    this.viewer = viewer;
    this.value = viewer.controls.part("ruler", HTMLElement);
    this.isOut = false;
    /** @type {[Point, Point] | null} both ends in pixels of the image */
    this.line = null;
    /** @type {number | null} the pointer that draws the line */
    this.drawing = null;
    const { stage } = viewer.controls;
    const on = (/** @type {string} */ name, /** @type {(event: any) => void} */ act) => {
      stage.addEventListener(name, (event) => this.isOut && act(event), { signal, capture: true });
    };
    on("pointerdown", (event) => this.onDown(event));
    on("pointermove", (event) => this.onMove(event));
    on("pointerup", (event) => this.onUp(event));
    on("pointercancel", (event) => this.onUp(event));
    on("dblclick", (event) => isOverPicture(event) || event.stopImmediatePropagation());
    document.addEventListener("keydown", (event) => this.onKeyDown(event), { signal, capture: true });
    const button = viewer.root.querySelector('[data-look="measure"]');
    button?.addEventListener("click", () => this.put(!this.isOut), { signal });
  }

  /** Take it into the hand, or put it away. @param {boolean} isOut */
  put(isOut) {
    if (this.isOut === isOut) return;
    const { viewer } = this;
    this.isOut = isOut;
    this.line = null;
    this.drawing = null;
    viewer.controls.stage.classList.toggle("measuring", isOut);
    viewer.root.querySelector('[data-look="measure"]')?.setAttribute("aria-pressed", String(isOut));
    if (isOut) viewer.controls.announce("Ruler: drag from end to end; Escape puts it away");
    viewer.pointAt(null);
    viewer.requestFrame();
  }

  /** Another image is there: the line belongs to the old one. */
  forget() {
    this.line = null;
    this.drawing = null;
  }

  /** @param {KeyboardEvent} event */
  onKeyDown(event) {
    if (!this.isOut || event.key !== "Escape" || event.defaultPrevented) return;
    if (!event.composedPath().includes(this.viewer.root) && event.target !== document.body) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    this.put(false);
  }

  /** @param {PointerEvent} event @returns {Point} */
  placeOf(event) {
    const [x, y] = screenToImage(this.viewer.view, ...this.viewer.placeOf(event));
    return [x, y];
  }

  /** @param {PointerEvent} event */
  onDown(event) {
    const { gestures, controls } = this.viewer;
    // The hand and the other buttons move the picture as they always do.
    if (isOverPicture(event) || event.button !== 0 || gestures.hand.isOut || gestures.pressed.size > 0) return;
    event.stopImmediatePropagation();
    if (this.drawing !== null) return; // a second finger
    this.drawing = event.pointerId;
    this.line = [this.placeOf(event), this.placeOf(event)];
    controls.stage.setPointerCapture(event.pointerId);
    this.viewer.requestFrame();
  }

  /** @param {PointerEvent} event */
  onMove(event) {
    if (this.drawing !== null && event.pointerId === this.drawing && this.line !== null) {
      event.stopImmediatePropagation();
      this.line = [this.line[0], this.placeOf(event)];
      this.viewer.requestFrame();
    } else if (this.viewer.gestures.pressed.size === 0) event.stopImmediatePropagation(); // nothing is picked
  }

  /** @param {PointerEvent} event */
  onUp(event) {
    if (event.pointerId !== this.drawing) return;
    event.stopImmediatePropagation();
    this.drawing = null;
    const { viewer } = this;
    const length = this.line === null ? 0 : lengthOf(this.line);
    if (event.type !== "pointerup" || length * viewer.view.scale < LEAST_LENGTH) this.line = null;
    else {
      viewer.controls.announce(lengthText(length, viewer.image?.micrometres));
      viewer.measured(length);
    }
    viewer.requestFrame();
  }

  /** Draw the line, and its length beside its end. */
  paint() {
    const { viewer, line, value } = this;
    value.hidden = line === null;
    if (line === null) return;
    const { context, ratio, view } = viewer;
    const [from, to] = line.map(([x, y]) => [x * view.scale + view.x, y * view.scale + view.y]);
    const length = Math.hypot(to[0] - from[0], to[1] - from[1]) || 1;
    const across = [(-TICK * (to[1] - from[1])) / length, (TICK * (to[0] - from[0])) / length];
    context.save();
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    strokeTwice(context, () => {
      context.moveTo(from[0], from[1]);
      context.lineTo(to[0], to[1]);
      for (const [x, y] of [from, to]) {
        context.moveTo(x - across[0], y - across[1]);
        context.lineTo(x + across[0], y + across[1]);
      }
    });
    context.restore();
    value.textContent = lengthText(lengthOf(line), viewer.image?.micrometres);
    const { stage } = viewer.controls;
    const [x, y] = turned([to[0], to[1]], viewer.turns, viewer.seenStage);
    const within = (/** @type {number} */ at, /** @type {number} */ most) => Math.max(6, Math.min(at, most - 6));
    const left = within(x + 12, stage.clientWidth - value.offsetWidth);
    const top = within(y + 12, stage.clientHeight - value.offsetHeight);
    value.style.transform = `translate(${left}px, ${top}px)`;
  }
}
