// Drawing a box around what was missed: a drag on the stage, while the tool is on, and the boxes that Python has not
// answered yet, in dashes.

import { boxToScreen, screenToImage } from "../../viewer/frontend/geometry.js";

/** @typedef {import("../../viewer/frontend/viewer.js").Viewer} Viewer */
/** @typedef {[number, number, number, number]} Box */

/** A shorter drag (CSS pixels) was a click. */
const LEAST_DRAG = 6;

/**
 * The box between two points, within the image; null where nothing of the image lies between them.
 * @param {[number, number]} a
 * @param {[number, number]} b
 * @param {{width: number, height: number}} image
 * @returns {Box | null}
 */
export function boxBetween([ax, ay], [bx, by], { width, height }) {
  const clip = (/** @type {number} */ value, /** @type {number} */ most) => Math.min(Math.max(value, 0), most);
  const box = /** @type {Box} */ ([
    clip(Math.min(ax, bx), width), clip(Math.min(ay, by), height),
    clip(Math.max(ax, bx), width), clip(Math.max(ay, by), height),
  ]);
  return box[2] - box[0] < 1 || box[3] - box[1] < 1 ? null : box;
}

export class BoxTool {
  /**
   * @param {Viewer} viewer
   * @param {AbortSignal} signal
   * @param {(box: Box) => void} onBox
   */
  constructor(viewer, signal, onBox) {
    this.viewer = viewer;
    this.onBox = onBox;
    this.isOn = false;
    /** @type {{id: number, from: [number, number], to: [number, number], start: [number, number]} | null} */
    this.drag = null;
    /** @type {Map<string, HTMLElement>} */
    this.shown = new Map();
    const { stage } = viewer.controls;
    // Before the stage's own gestures, which would pan and select.
    const on = (/** @type {string} */ name, /** @type {(event: PointerEvent) => void} */ act) => {
      stage.addEventListener(name, /** @type {EventListener} */ (act), { signal, capture: true });
    };
    on("pointerdown", (event) => this.begin(event));
    on("pointermove", (event) => this.move(event));
    on("pointerup", (event) => this.end(event, true));
    on("pointercancel", (event) => this.end(event, false));
  }

  /** @param {boolean} isOn */
  turn(isOn) {
    this.isOn = isOn;
    this.drag = null;
    this.viewer.controls.stage.classList.toggle("drawing", isOn);
    this.viewer.root.dataset.tool = isOn ? "box" : "";
    this.viewer.requestFrame();
  }

  /** @param {PointerEvent} event @returns {[number, number]} */
  place(event) {
    const frame = this.viewer.canvas.getBoundingClientRect();
    return [event.clientX - frame.left, event.clientY - frame.top];
  }

  /** @param {PointerEvent} event */
  begin(event) {
    const onPanel = event.target instanceof Element && event.target.closest(".float, .sheet") !== null;
    if (!this.isOn || onPanel || event.button !== 0) return; // the middle button still pans
    event.stopImmediatePropagation();
    if (this.drag !== null) return;
    const start = this.place(event);
    const from = screenToImage(this.viewer.view, ...start);
    this.drag = { id: event.pointerId, from, to: from, start };
    this.viewer.controls.stage.setPointerCapture(event.pointerId);
  }

  /** @param {PointerEvent} event */
  move(event) {
    if (this.drag?.id !== event.pointerId) return;
    event.stopImmediatePropagation();
    this.drag.to = screenToImage(this.viewer.view, ...this.place(event));
    this.viewer.requestFrame();
  }

  /**
   * @param {PointerEvent} event
   * @param {boolean} isDone
   */
  end(event, isDone) {
    const { drag } = this;
    if (drag === null || drag.id !== event.pointerId) return;
    event.stopImmediatePropagation();
    this.drag = null;
    const [x, y] = this.place(event);
    const { model } = this.viewer;
    const isLong = Math.hypot(x - drag.start[0], y - drag.start[1]) >= LEAST_DRAG;
    const box = model === null ? null : boxBetween(drag.from, screenToImage(this.viewer.view, x, y), model.image);
    if (isDone && isLong && box !== null) this.onBox(box);
    this.viewer.requestFrame();
  }

  /**
   * Bring the boxes to where they are now.
   * @param {Map<string, Box>} waiting those without an answer
   */
  paint(waiting) {
    const wanted = new Map(waiting);
    const { drag } = this;
    const { model } = this.viewer;
    const drawn = drag === null || model === null ? null : boxBetween(drag.from, drag.to, model.image);
    if (drawn !== null) wanted.set("drag", drawn);
    for (const [name, element] of this.shown) {
      if (wanted.has(name)) continue;
      element.remove();
      this.shown.delete(name);
    }
    for (const [name, box] of wanted) {
      let element = this.shown.get(name);
      if (element === undefined) {
        element = document.createElement("div");
        element.className = name === "drag" ? "rubber" : "rubber waiting";
        this.viewer.controls.stage.append(element);
        this.shown.set(name, element);
      }
      const [x1, y1, x2, y2] = boxToScreen(this.viewer.view, box);
      element.style.transform = `translate(${x1}px, ${y1}px)`;
      element.style.width = `${x2 - x1}px`;
      element.style.height = `${y2 - y1}px`;
    }
  }
}
