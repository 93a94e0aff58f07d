// Wheel, mouse and fingers on the stage: zoom, drag, pinch, click, hover.

import { Hand } from "./hand.js";
import { Holding } from "./holding.js";
import { openMenuAt } from "./menu_places.js";

/** @typedef {import("./viewer.js").Viewer} Viewer */

/** A pointer that moved less (CSS pixels) has clicked. */
const CLICK_SLACK = 4;
/** Zoom per pixel of wheel travel. */
const WHEEL_ZOOM = 0.0016;
/** A trackpad's pinch comes as small steps with Ctrl; a wheel goes further in one (CSS pixels). */
const PINCH_ZOOM = 0.01;
const PINCH_AT_MOST = 40;
const WHEEL_AT_MOST = 240;

/** What lies on the stage and has the pointer for itself. */
const OVER_PICTURE = ".float, .sheet, form";

/** Whether an event on the stage belongs to something that lies on the picture. @param {Event} event */
export function isOverPicture({ target }) {
  return target instanceof Element && target.closest(OVER_PICTURE) !== null;
}

/**
 * By how much a turn of the wheel zooms: with Ctrl, which elsewhere zooms the page, as much as without.
 * @param {{deltaY: number, deltaMode: number, ctrlKey: boolean}} turn deltaMode 1 counts lines, 0 pixels
 */
export function wheelZoom({ deltaY, deltaMode, ctrlKey }) {
  const way = Math.max(-WHEEL_AT_MOST, Math.min(WHEEL_AT_MOST, deltaY * (deltaMode === 1 ? 16 : 1)));
  const isPinch = ctrlKey && Math.abs(way) <= PINCH_AT_MOST;
  return Math.exp(-way * (isPinch ? PINCH_ZOOM : WHEEL_ZOOM));
}

export class Gestures {
  /** @param {Viewer} viewer */
  constructor(viewer) {
    this.viewer = viewer;
    this.stage = viewer.controls.stage;
    /** @type {Map<number, {x: number, y: number}>} where each pressed pointer was last */
    this.pressed = new Map();
    this.travelled = 0;
    this.hand = new Hand(this.stage);
    /** @type {Holding | null} once it listens */
    this.holding = null;
  }

  /** @param {AbortSignal} signal */
  listen(signal) {
    const { stage } = this;
    this.hand.listen(signal);
    this.holding = new Holding(stage, signal);
    // Where it comes with the press and not after it, nobody knows yet whether the right button will drag.
    stage.addEventListener("contextmenu", (event) => this.onContextMenu(event), { signal });
    stage.addEventListener("wheel", (event) => this.onWheel(event), { signal, passive: false });
    stage.addEventListener("pointerdown", (event) => this.onPointerDown(event), { signal });
    stage.addEventListener("pointermove", (event) => this.onPointerMove(event), { signal });
    stage.addEventListener("pointerup", (event) => this.onPointerUp(event), { signal });
    stage.addEventListener("pointercancel", (event) => this.onPointerUp(event), { signal });
    stage.addEventListener("pointerleave", () => this.viewer.pointAt(null), { signal });
    stage.addEventListener("dblclick", (event) => this.onDoubleClick(event), { signal });
  }

  /** @param {MouseEvent} event */
  onDoubleClick(event) {
    if (isOverPicture(event)) return;
    const [x, y] = this.place(event);
    this.viewer.zoomTo(this.viewer.view.scale * (event.shiftKey ? 0.5 : 2), x, y);
  }

  /** @param {MouseEvent} event @returns {[number, number]} */
  place(event) {
    return this.viewer.placeOf(event);
  }

  /** @param {MouseEvent} event */
  onContextMenu(event) {
    if (isOverPicture(event)) return;
    event.preventDefault();
    // A finger that was held: a mouse's button opens the menu when it comes up, and only if it has not dragged.
    const isFinger = event instanceof PointerEvent && event.pointerType === "touch";
    if (isFinger) this.onHeld(this.place(event));
  }

  /** A finger was held where it came. @param {[number, number]} place */
  onHeld(place) {
    if (this.isToolInUse || this.travelled >= CLICK_SLACK) return;
    this.travelled = CLICK_SLACK; // what goes now has not clicked, and is not held again
    openMenuAt(this.viewer, ...place);
  }

  /** Whether a tool makes something of the right button itself. */
  get isToolInUse() {
    return Boolean(this.viewer.root.dataset.tool);
  }

  /** @param {WheelEvent} event */
  onWheel(event) {
    const isOver = isOverPicture(event);
    if (!isOver || event.ctrlKey) event.preventDefault(); // the browser would scroll or zoom the page
    if (isOver) return;
    const [x, y] = this.place(event);
    this.viewer.zoomTo(this.viewer.view.scale * wheelZoom(event), x, y);
  }

  /** @param {PointerEvent} event */
  onPointerDown(event) {
    if (isOverPicture(event) || event.button > 2) return;
    if (event.button === 1) event.preventDefault(); // no autoscroll
    const [x, y] = this.place(event);
    // A second finger and the hand select nothing: they never click.
    this.travelled = this.pressed.size > 0 || this.hand.isOut ? CLICK_SLACK : 0;
    this.pressed.set(event.pointerId, { x, y });
    this.stage.setPointerCapture(event.pointerId);
    if (event.pointerType === "touch") this.holding?.begin(() => this.onHeld([x, y]));
  }

  /** @param {PointerEvent} event */
  onPointerMove(event) {
    const [x, y] = this.place(event);
    const last = this.pressed.get(event.pointerId);
    if (last === undefined) {
      this.viewer.pointAt(event.pointerType === "touch" || isOverPicture(event) ? null : [x, y]);
      return;
    }
    this.travelled = Math.max(this.travelled, Math.hypot(x - last.x, y - last.y));
    if (this.travelled < CLICK_SLACK) return;
    this.viewer.pointAt(null);
    this.stage.classList.add("dragging");
    if (this.pressed.size > 1) {
      this.pinch(event.pointerId, x, y);
      this.pressed.set(event.pointerId, { x, y });
    } else {
      const [dx, dy] = this.viewer.pan(x - last.x, y - last.y);
      this.pressed.set(event.pointerId, { x: last.x + dx, y: last.y + dy });
    }
  }

  /**
   * One of two fingers moved: zoom by the change of their distance, about the other one.
   * @param {number} id
   * @param {number} x
   * @param {number} y
   */
  pinch(id, x, y) {
    const last = this.pressed.get(id);
    const other = [...this.pressed].find(([one]) => one !== id)?.[1];
    if (last === undefined || other === undefined) return;
    const before = Math.hypot(last.x - other.x, last.y - other.y);
    const now = Math.hypot(x - other.x, y - other.y);
    if (before > 8 && now > 8) this.viewer.zoomTo((this.viewer.view.scale * now) / before, other.x, other.y);
  }

  /** Whether a pointer that comes up has clicked. @param {PointerEvent} event */
  isClick(event) {
    return this.pressed.size === 1 && this.pressed.has(event.pointerId) && this.travelled < CLICK_SLACK;
  }

  /** @param {PointerEvent} event */
  onPointerUp(event) {
    if (!this.pressed.delete(event.pointerId)) return;
    this.holding?.stop();
    if (this.pressed.size > 0) return;
    this.stage.classList.remove("dragging");
    if (event.type !== "pointerup" || this.travelled >= CLICK_SLACK) return;
    const [x, y] = this.place(event);
    if (event.button === 2 && !this.isToolInUse) openMenuAt(this.viewer, x, y);
    if (event.button !== 0) return;
    this.viewer.select(this.viewer.instanceAt(x, y), event.shiftKey || event.ctrlKey || event.metaKey, 0);
  }
}
