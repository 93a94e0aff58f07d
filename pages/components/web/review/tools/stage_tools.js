// The tools of the editor on the stage: one at a time has the pointer, and gives it back for two fingers, a mouse's middle
// and right buttons, the hand (Space), and the panels that lie on the picture.

import { screenToImage } from "../../lib/geometry.js";
import { isOverPicture } from "../../viewer/gestures.js";

/** @typedef {import("../../viewer/viewer.js").Viewer} Viewer */
/** @typedef {[number, number]} Point */

/**
 * Where the pointer is.
 * @typedef {object} Place
 * @property {Point} screen on the stage, in CSS pixels, in the directions of the drawing
 * @property {Point} image in pixel corners, not clipped
 * @property {boolean} isCoarse a finger
 * @property {number} pressure of a pen, from 0 to 1; 1 for all else
 * @property {boolean} isTurned Alt, Ctrl, a click with the right button or the pen's eraser: the tool does the opposite
 */

/** A pointer that moved less (CSS pixels) has clicked. */
const DRAG_SLACK = 4;
/** So near to the image's border (CSS pixels) is meant to be on it. */
const SNAP = 7;

/**
 * A point kept within the image, and drawn to its border where it is near.
 * @param {Point} point
 * @param {{width: number, height: number}} image
 * @param {number} scale
 * @returns {Point}
 */
export function snapToBorder([x, y], { width, height }, scale) {
  const near = SNAP / scale;
  const snap = (/** @type {number} */ value, /** @type {number} */ most) =>
    value <= near ? 0 : value >= most - near ? most : value;
  return [snap(x, width), snap(y, height)];
}

/** What has the pointer while it is turned on. It paints nothing, knows no keys and has nothing to give up unless it says so. */
export class Tool {
  /**
   * @param {Viewer} viewer
   * @param {string} name
   * @param {string} hint said when it is turned on
   */
  constructor(viewer, name, hint) {
    this.viewer = viewer;
    this.name = name;
    this.hint = hint;
  }

  /** @param {Place} place @returns {boolean} whether it takes the pointer; else the picture is moved */
  begin(place) {
    return true;
  }

  /** While the pointer is down. @param {Place} place */
  move(place) {}

  /** @param {Place} place @param {boolean} isClick */
  end(place, isClick) {}

  /** @param {Place | null} place */
  hover(place) {}

  /** Give up what is under way. @returns {boolean} whether anything was */
  cancel() {
    return false;
  }

  /** @param {KeyboardEvent} event @returns {boolean} whether it makes something of the key */
  press(event) {
    return false;
  }

  /** Over the picture. @param {WheelEvent} event @returns {boolean} whether it makes something of the wheel */
  wheel(event) {
    return false;
  }

  /** It is turned on. */
  open() {}

  /** Over the instances. @param {CanvasRenderingContext2D} context */
  paint(context) {}

  close() {}
}

/** Pins move with the picture, and the wheel zooms over them, too; a press is theirs. @param {Event} event */
function isOnPin({ target }) {
  return target instanceof Element && target.closest(".pin") !== null;
}

export class StageTools {
  /**
   * @param {Viewer} viewer
   * @param {AbortSignal} signal
   */
  constructor(viewer, signal) {
    this.viewer = viewer;
    /** @type {Tool | null} */
    this.active = null;
    /** @type {{id: number, start: Point, moved: boolean, event: PointerEvent} | null} */
    this.drag = null;
    const { stage } = viewer.controls;
    // Before the stage's own gestures, which would pan and select.
    const on = (/** @type {string} */ name, /** @type {(event: any) => void} */ act) => {
      stage.addEventListener(name, (event) => this.active !== null && act(event), { signal, capture: true });
    };
    on("pointerdown", (event) => this.onDown(event));
    on("pointermove", (event) => this.onMove(event));
    on("pointerup", (event) => this.onUp(event, true));
    on("pointercancel", (event) => this.onUp(event, false));
    on("pointerleave", () => this.active?.hover(null));
    on("wheel", (event) => this.onWheel(event));
    on("dblclick", (event) => isOverPicture(event) || event.stopImmediatePropagation());
    on("contextmenu", (event) => isOverPicture(event) || event.preventDefault());
  }

  /** @param {Tool | null} tool */
  turnTo(tool) {
    this.active?.cancel();
    this.active?.close();
    this.active = tool;
    tool?.open();
    this.drag = null;
    this.viewer.controls.stage.classList.toggle("drawing", tool !== null);
    this.viewer.root.dataset.tool = tool?.name ?? "";
    if (tool !== null) {
      this.viewer.pointAt(null);
      this.viewer.ruler.put(false);
    }
    this.viewer.requestFrame();
  }

  /** @param {WheelEvent} event */
  onWheel(event) {
    if (isOverPicture(event) || !this.active?.wheel(event)) return;
    event.preventDefault();
    event.stopImmediatePropagation();
  }

  /** @param {PointerEvent} event @returns {Place} */
  placeOf(event) {
    const screen = this.viewer.placeOf(event);
    return {
      screen,
      image: screenToImage(this.viewer.view, ...screen),
      isCoarse: event.pointerType === "touch",
      pressure: event.pointerType === "pen" ? event.pressure : 1,
      // A pen's eraser reports button 5, or bit 32 of what is held.
      isTurned:
        event.altKey ||
        event.ctrlKey ||
        event.metaKey ||
        event.button === 5 ||
        event.button === 2 ||
        (event.buttons & 34) !== 0,
    };
  }

  /** @param {PointerEvent} event */
  onDown(event) {
    if (isOverPicture(event) || isOnPin(event) || this.movesPicture(event)) return;
    if (this.drag !== null) {
      this.handOver(event);
      return;
    }
    if (!this.active?.begin(this.placeOf(event))) return;
    event.stopImmediatePropagation();
    this.viewer.begin();
    this.drag = { id: event.pointerId, start: this.placeOf(event).screen, moved: false, event };
    this.viewer.controls.stage.setPointerCapture(event.pointerId);
    this.viewer.requestFrame();
  }

  /** Whether a press moves the picture, whatever the tool. @param {PointerEvent} event */
  movesPicture(event) {
    const isSide = event.button === 1 || (event.button === 2 && event.pointerType === "mouse");
    return this.drag === null && (isSide || this.viewer.gestures.hand.isOut);
  }

  /** A click with a mouse's right button, which would have moved the picture. @param {PointerEvent} event */
  onRightClick(event) {
    if (event.button !== 2 || event.pointerType !== "mouse" || !this.viewer.gestures.isClick(event)) return;
    const place = this.placeOf(event);
    if (!this.active?.begin(place)) return;
    this.active.end(place, true);
    this.viewer.requestFrame();
  }

  /** A second finger: both move the picture. @param {PointerEvent} event the second one's */
  handOver(event) {
    if (this.drag === null || event.pointerType !== "touch") {
      event.stopImmediatePropagation();
      return;
    }
    const { event: first } = this.drag;
    this.drag = null;
    this.active?.cancel();
    this.viewer.gestures.onPointerDown(first);
  }

  /** @param {PointerEvent} event */
  onMove(event) {
    if (this.drag === null) {
      if (event.pointerType !== "touch") this.active?.hover(isOverPicture(event) ? null : this.placeOf(event));
      if (event.buttons === 0) event.stopImmediatePropagation(); // nothing is pointed at while a tool is on
      return;
    }
    if (this.drag.id !== event.pointerId) return;
    event.stopImmediatePropagation();
    // What the pointer went through since the last frame, too: a stroke has no corners that a hand did not draw.
    const passed = event.getCoalescedEvents?.() ?? [];
    for (const one of passed.length > 0 ? passed : [event]) {
      const place = this.placeOf(one);
      const { start } = this.drag;
      this.drag.moved ||= Math.hypot(place.screen[0] - start[0], place.screen[1] - start[1]) >= DRAG_SLACK;
      this.active?.move(place);
    }
    this.viewer.requestFrame();
  }

  /**
   * @param {PointerEvent} event
   * @param {boolean} isDone
   */
  onUp(event, isDone) {
    const { drag } = this;
    if (drag === null && isDone) this.onRightClick(event);
    if (drag === null || drag.id !== event.pointerId) return;
    event.stopImmediatePropagation();
    this.drag = null;
    if (isDone) this.active?.end(this.placeOf(event), !drag.moved);
    else this.active?.cancel();
    this.viewer.requestFrame();
  }
}
