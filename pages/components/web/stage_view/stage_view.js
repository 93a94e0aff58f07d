// A picture of one stage: layers over an image, a slider that needs no server, boxes that one drags, a point or a
// box that one gives. Python hears of it on release.

import { screenToImage } from "../lib/geometry.js";
import { mountScreen } from "../lib/mount.js";
import { Leaving } from "../lib/leaving.js";
import { serverUrl } from "../lib/serving.js";
import { draggedBox, gripAt } from "./boxes.js";
import { legendMark, StageState } from "./stage_state.js";
import { drawStage } from "./stage_draw.js";

/** @typedef {import("../lib/geometry.js").View} View */
/** @typedef {import("./boxes.js").Box} Box */
/** @typedef {import("./boxes.js").Grip} Grip */
/** @typedef {import("./stage_state.js").StageAnswer} StageAnswer */
/** @typedef {import("./stage_state.js").StageMessage} StageMessage */
/** @typedef {{index: number, grip: Grip, from: number[], box: Box} | {index: -1, from: number[]}} Drag */

/** How near the pointer must come to a corner, in CSS pixels. */
const REACH = 10;
const ARROWS = new Map([
  ["ArrowLeft", [-1, 0]],
  ["ArrowRight", [1, 0]],
  ["ArrowUp", [0, -1]],
  ["ArrowDown", [0, 1]],
]);
const FAR = 10;
/** Between the picture and the window's edge, in CSS pixels. */
const BELOW = 8;
/** With less room than that, also in CSS pixels, one scrolls to the picture, which then is as large as it can be. */
const LEAST_ROOM = 240;
/** Pictures kept decoded. */
const KEPT = 24;

class StageView {
  /** @param {HTMLElement} root */
  constructor(root) {
    this.root = root;
    this.state = new StageState();
    this.canvas = /** @type {HTMLCanvasElement} */ (this.part("canvas"));
    this.slider = /** @type {HTMLInputElement} */ (this.part("slider"));
    /** @type {Map<string, HTMLImageElement>} */
    this.pictures = new Map();
    /** @type {Drag | null} */
    this.drag = null;
    /** Index of the box that the arrow keys move. */
    this.chosen = 0;
    this.frame = 0;
    /** How many messages were taken in. */
    this.told = 0;
    this.timer = 0;
    /** @type {(answer: StageAnswer) => void} */
    this.send = () => {};
    this.stop = new AbortController();
    this.leave = new Leaving(this.stop.signal);
    /** How high the picture may be in CSS pixels, so that all of it is seen without scrolling. */
    this.room = Infinity;
    this.resizing = new ResizeObserver(() => this.draw());
    this.resizing.observe(this.part("stage"));
    const page = document.querySelector('[data-testid="stMain"]')?.firstElementChild ?? null;
    if (page !== null) this.resizing.observe(page); // what comes above moves the picture
    window.addEventListener("resize", () => this.draw(), { signal: this.stop.signal });
    this.listen();
  }

  /** @param {string} name */
  part(name) {
    const part = this.root.querySelector(`[data-part="${name}"]`);
    if (!(part instanceof HTMLElement)) throw new TypeError("stage_view.html is missing");
    return part;
  }

  listen() {
    const { signal } = this.stop;
    this.slider.addEventListener(
      "input",
      () => {
        this.state.value = Number(this.slider.value);
        this.draw();
      },
      { signal },
    );
    this.slider.addEventListener("change", () => this.tell(), { signal });
    this.canvas.addEventListener("pointerdown", (event) => this.press(event), { signal });
    this.canvas.addEventListener("pointermove", (event) => this.move(event), { signal });
    this.canvas.addEventListener("pointerup", () => this.release(), { signal });
    this.canvas.addEventListener("pointercancel", () => (this.drag = null), { signal });
    this.canvas.addEventListener("keydown", (event) => this.key(event), { signal });
  }

  destroy() {
    cancelAnimationFrame(this.frame);
    clearTimeout(this.timer);
    this.resizing.disconnect();
    this.stop.abort();
  }

  /**
   * @param {StageMessage} message
   * @param {(answer: StageAnswer) => void} send
   */
  accept(message, send) {
    this.send = send;
    this.state.accept(message);
    this.told += 1;
    const urls = [message.url, ...message.layers.map((layer) => layer.url ?? "")].filter((url) => url !== "");
    for (const url of urls) this.load(url);
    for (const url of [...this.pictures.keys()].slice(0, Math.max(this.pictures.size - KEPT, 0))) {
      if (!urls.includes(url)) this.pictures.delete(url);
    }
    this.legend(message);
    this.draw();
  }

  /** @param {string} url */
  load(url) {
    if (this.pictures.has(url)) return;
    const image = new Image();
    image.addEventListener("load", () => this.draw());
    image.addEventListener("error", () => this.draw());
    image.src = serverUrl(url);
    this.pictures.set(url, image);
  }

  /** @param {StageMessage} message */
  legend(message) {
    const items = message.layers
      .filter((layer) => layer.title)
      .map((layer) => {
        const item = document.createElement("li");
        const mark = document.createElement("i");
        mark.style.background = legendMark(layer);
        item.append(mark, layer.title ?? "");
        return item;
      });
    this.part("legend").replaceChildren(...items);
    this.canvas.setAttribute("aria-label", message.alt);
    const { slider } = message;
    this.part("controls").hidden = slider === null;
    if (slider === null) return;
    this.slider.min = String(slider.least);
    this.slider.max = String(slider.most);
    this.slider.step = String(slider.step);
    this.slider.value = String(this.state.value);
    this.slider.setAttribute("aria-label", slider.label);
    this.part("slider-label").textContent = slider.label;
  }

  // ---- drawing ----

  draw() {
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() => this.paint());
  }

  /** The view that shows the message's region as large as the stage allows. */
  get view() {
    const { message } = this.state;
    const width = Math.max(this.part("stage").clientWidth, 1);
    if (message === null) return { view: { scale: 1, x: 0, y: 0 }, width, height: 1 };
    const [x1, y1, x2, y2] = message.region;
    const scale = Math.min(width / (x2 - x1), Math.min(message.height_px, this.room) / (y2 - y1));
    const height = Math.ceil((y2 - y1) * scale);
    return { view: { scale, x: (width - (x2 - x1) * scale) / 2 - x1 * scale, y: -y1 * scale }, width, height };
  }

  /** From where the picture begins in a page that is not scrolled to the window's edge. */
  measureRoom() {
    const scrolled = document.querySelector('[data-testid="stMain"]')?.scrollTop ?? 0;
    const top = this.canvas.getBoundingClientRect().top + scrolled;
    const room = window.innerHeight - top - BELOW;
    this.room = room < LEAST_ROOM ? Infinity : room;
  }

  paint() {
    const { message } = this.state;
    if (message === null) return;
    this.measureRoom();
    const { view, width, height } = this.view;
    const ratio = window.devicePixelRatio || 1;
    this.canvas.style.height = `${height}px`;
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(height * ratio);
    const context = this.canvas.getContext("2d");
    if (context === null) return;
    context.scale(ratio, ratio);
    const [x1, y1, x2, y2] = message.region;
    context.beginPath(); // nothing is drawn beside what is shown of the image
    context.rect(x1 * view.scale + view.x, y1 * view.scale + view.y, (x2 - x1) * view.scale, (y2 - y1) * view.scale);
    context.clip();
    drawStage(context, this.state, view, (url) => this.loaded(url));
    this.part("value").textContent = message.slider === null ? "" : this.valueText(message.slider.step);
    this.part("sentence").textContent = this.state.sentence;
    const { dataset } = this.root;
    dataset.scene = message.scene;
    dataset.told = String(this.told);
    dataset.value = String(this.state.value);
    dataset.boxes = JSON.stringify(this.state.boxes);
    const isComplete = [...this.pictures.values()].every((picture) => picture.complete);
    dataset.ready = String(isComplete);
  }

  /** @param {number} step */
  valueText(step) {
    return step < 1 ? this.state.value.toFixed(2) : String(this.state.value);
  }

  /** @param {string} url */
  loaded(url) {
    const picture = this.pictures.get(url);
    return picture !== undefined && picture.complete && picture.naturalWidth > 0 ? picture : null;
  }

  // ---- pointer and keys ----

  /** @param {MouseEvent} event */
  at(event) {
    const box = this.canvas.getBoundingClientRect();
    const { view } = this.view;
    const { message } = this.state;
    const [x, y] = screenToImage(view, event.clientX - box.left, event.clientY - box.top);
    const within = (/** @type {number} */ value, /** @type {number} */ most) => Math.min(Math.max(value, 0), most);
    return [within(x, message?.width ?? 0), within(y, message?.height ?? 0)];
  }

  /** @param {PointerEvent} event */
  press(event) {
    const { message, boxes } = this.state;
    if (message === null || event.button !== 0) return;
    const from = this.at(event);
    const grip = gripAt(boxes, from[0], from[1], REACH / this.view.view.scale);
    if (grip !== null) {
      this.drag = { ...grip, from, box: boxes[grip.index] };
      this.chosen = grip.index;
    } else if (message.asks === "box") {
      this.drag = { index: -1, from };
    } else if (message.asks === "point") {
      this.state.point = from;
      this.tell();
    } else return;
    this.canvas.setPointerCapture(event.pointerId);
    this.draw();
  }

  /** @param {PointerEvent} event */
  move(event) {
    const { drag, state } = this;
    const { message } = state;
    if (message === null) return;
    const [x, y] = this.at(event);
    if (drag === null) {
      const grip = gripAt(state.boxes, x, y, REACH / this.view.view.scale)?.grip;
      this.canvas.style.cursor =
        grip === undefined ? (message.asks === "" ? "default" : "crosshair") : grip === "move" ? "move" : "nwse-resize";
      return;
    }
    if (drag.index < 0) state.draw([drag.from[0], drag.from[1], x, y]);
    else if ("box" in drag) {
      const moved = draggedBox(drag.box, drag.grip, x - drag.from[0], y - drag.from[1], message);
      state.replace(drag.index, moved);
    }
    this.draw();
  }

  release() {
    if (this.drag === null) return;
    this.drag = null;
    this.tell();
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const { message, boxes } = this.state;
    const by = ARROWS.get(event.key);
    const box = boxes[this.chosen];
    if (message === null || by === undefined || box === undefined || event.altKey || event.ctrlKey || event.metaKey) {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
    const far = event.shiftKey ? FAR : 1;
    this.state.replace(this.chosen, draggedBox(box, "move", by[0] * far, by[1] * far, message));
    this.draw();
    this.tell();
  }

  /** Tells Python, but nothing while another page is on its way. */
  tell() {
    clearTimeout(this.timer);
    const { rest } = this.leave;
    if (rest > 0) this.timer = window.setTimeout(() => this.tell(), rest);
    else this.send(this.state.answer);
  }
}

/** @param {import("../lib/mount.js").Component<StageMessage>} component */
export default function mountStageView({ parentElement, data, setStateValue }) {
  const { screen, leave } = mountScreen(parentElement, "stage-view", (root) => new StageView(root));
  screen.accept(data, (answer) => setStateValue("answer", answer));
  return leave;
}
