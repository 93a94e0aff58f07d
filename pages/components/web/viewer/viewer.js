// The viewer: events in, frames out.

import { panIntoView, screenToImage } from "../lib/geometry.js";
import {
  acceptMessage,
  colorOf,
  comeBack,
  countText,
  instanceOf,
  isShown,
  makeReport,
  pickableOf,
  selectInstance,
  selectOnly,
  selectShown,
  shownInstances,
  stepInstance,
  toggleCategory,
  toggled,
} from "./state.js";
import { ActionMenu } from "./action_menu.js";
import { InstanceList } from "./instance_list.js";
import { marksKey } from "./marking.js";
import { MarkStore, tabStorage } from "./marks.js";
import { ShapeCache } from "./shapes.js";
import { indexOf } from "./item_index.js";
import { Picture } from "./picture.js";
import { Overlay } from "./overlay.js";
import { Splash } from "./splash.js";
import { Labels } from "./labels.js";
import { Controls, areaText } from "./controls.js";
import { Gestures } from "./gestures.js";
import { Leaving } from "../lib/leaving.js";
import { addSkipLink } from "../lib/skip_link.js";
import { VIEWER_ACTS, listenToKeys } from "./keys.js";
import { REPORT_DELAY, listenToControls } from "./listening.js";
import { paintFrame } from "./painting.js";
import { scaleBar, showScaleBar } from "./scale_bar.js";
import { ImageView } from "./view.js";
import { DeskFrame } from "./desk_frame.js";
import { Aids, Ruler } from "./aids.js";
import { toneTable, turned } from "./look.js";
import { KeySheet } from "./key_sheet.js";
import { LookPanel, keptLook } from "./look_panel.js";

/** @typedef {import("./state.js").Message} Message */
/** @typedef {import("./state.js").Model} Model */
/** @typedef {import("./state.js").ViewReport} ViewReport */
/** @typedef {import("./layer.js").Item} Item */

/** Time for reading masks in each frame (ms). */
const READ_BUDGET = 24;

export class Viewer extends ImageView {
  /** @param {HTMLElement} root */
  constructor(root) {
    super(new Controls(root));
    this.root = root;
    /** Called when other instances are shown or chosen than before. */
    this.onShown = () => {};
    /** Called after each drawing. */
    this.onPaint = () => {};
    this.context = /** @type {CanvasRenderingContext2D} */ (this.canvas.getContext("2d", { alpha: true }));
    this.shapes = new ShapeCache();
    this.overlay = new Overlay();
    this.splash = new Splash();
    this.labels = new Labels();
    this.plain = new Picture(() => this.requestFrame());
    /** @type {import("./slide_parts.js").SlideParts | null} what only slides need: null until one is shown */
    this.slide = null;
    /** @type {Message | null} */
    this.newest = null;
    /** @type {Picture | import("./tiled_picture.js").TiledPicture} the one that shows the image */
    this.picture = this.plain;
    /** @type {Model | null} */
    this.model = null;
    /** @type {(report: ViewReport) => void} */
    this.send = () => {};
    /** @type {Item[] | null} shown instances, largest first; null after a change */
    this.items = null;
    /** @type {number | null} */
    this.hovered = null;
    /** @type {[number, number] | null} */
    this.pointer = null;
    this.comparing = false;
    /** Something is being drawn on this image: that nothing is there yet needs no saying any more. */
    this.begun = false;
    this.frame = 0;
    /** How long the last frame took to draw (ms). */
    this.painting = 0;
    this.reportTimer = 0;
    /**
     * What an earlier viewer of the same page was left with.
     * @type {Model | null}
     */
    this.left = null;
    /** How long nothing may be reported (ms). */
    this.quiet = () => 0;
    /** @type {number | null} the instance that somebody else draws for now */
    this.veiled = null;
    this.look = keptLook();
    this.tones = toneTable(this.look);
    this.gestures = new Gestures(this);
    this.leaving = new AbortController();
    this.ruler = new Ruler(this, this.leaving.signal);
    this.aids = new Aids(this, this.leaving.signal);
    this.keySheet = new KeySheet(this.controls, this.leaving.signal);
    this.lookPanel = new LookPanel(this, this.leaving.signal);
    this.desk = new DeskFrame(this.controls, this.leaving.signal);
    addSkipLink(this.controls.stage, this.leaving.signal);
    this.markStore = new MarkStore(tabStorage());
    this.list = new InstanceList(this, this.leaving.signal);
    this.menu = new ActionMenu(root, this.leaving.signal);
    this.menu.act = (name) => VIEWER_ACTS[name](this);
    this.leave = new Leaving(this.leaving.signal, () => this.reportTimer !== 0 && this.report(0, true));
    this.resizing = new ResizeObserver(() => this.resize());
    this.resizing.observe(this.controls.stage);
    this.listen();
  }

  /** @override */
  get image() {
    return this.model?.image ?? null;
  }

  /** @override */
  get turns() {
    return this.look.turns;
  }

  // ---- data ----

  /**
   * @param {Message} data
   * @param {(report: ViewReport) => void} send
   */
  accept(data, send) {
    this.send = send;
    const before = this.model;
    const { slide } = this;
    this.newest = data;
    if (slide === null && (data.image.tiles || data.instances_url)) {
      void this.becomeSlide();
      return;
    }
    const whole = slide === null ? data : slide.far.complete(data, () => this.accept(data, send));
    if (whole === null) {
      // Its instances are on their way; the picture's first tile may come meanwhile.
      if (before === null && data.image.tiles) slide?.tiled.load(data.image.tiles, data.image);
      return;
    }
    data = whole;
    try {
      this.model = acceptMessage(before ?? (this.left && comeBack(this.left, data.ack)), data);
    } catch (error) {
      this.controls.showNotice(`The viewer cannot read this page’s data (${String(error)}). Reload the page.`);
      return;
    }
    const { model } = this;
    const newImage = before?.image.key !== model.image.key;
    if (newImage || before?.source !== model.source) {
      model.marks = this.markStore.load(marksKey(this));
      model.selected = new Set(pickableOf(model, model.selected));
    }
    if (newImage) {
      clearTimeout(this.reportTimer);
      this.reportTimer = 0;
      this.root.dataset.ready = "false";
      this.hovered = null;
      this.fitted = true;
      this.focused = null;
      this.begun = false;
      this.ruler.forget();
      this.overlay.invalidate();
      this.splash.invalidate();
      // At once, and not with the next frame, as the new title stands below it from now on.
      this.context.setTransform(1, 0, 0, 1, 0, 0);
      this.context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    }
    this.controls.showTitle(model.title);
    this.shapes.expect(model.image.key, model.instances);
    this.showPicture(model.image);
    this.labels.setFont(getComputedStyle(this.root).fontFamily);
    this.resize();
    if (!newImage && before !== null) this.followSelection(before, model);
    if (model.touched && this.reportTimer === 0) this.report(REPORT_DELAY);
    this.changed();
  }

  /** Fetch the scripts for slides, which other pictures do without, and go on with the newest message. */
  async becomeSlide() {
    try {
      const { SlideParts } = await import("./slide_parts.js");
      this.slide ??= new SlideParts(() => this.requestFrame());
    } catch (error) {
      this.controls.showNotice(`The viewer cannot fetch its part for slides (${String(error)}). Reload the page.`);
      return;
    }
    if (this.leaving.signal.aborted) this.slide.close();
    else if (this.newest !== null) this.accept(this.newest, this.send);
  }

  /** @param {import("./state.js").ImageFacts} image */
  showPicture(image) {
    if (image.tiles && this.slide !== null) {
      this.picture = this.slide.tiled;
      this.plain.clear();
      this.slide.tiled.load(image.tiles, image);
    } else {
      this.picture = this.plain;
      this.slide?.tiled.clear();
      this.plain.load(image.url, image, image.small_url);
    }
  }

  /**
   * Bring an instance that Python selected into sight.
   * @param {Model} before
   * @param {Model} model
   */
  followSelection(before, model) {
    const fresh = [...model.selected].filter((id) => !before.selected.has(id));
    if (fresh.length > 0) this.lookAt(fresh[0]);
  }

  /** @param {number} id */
  lookAt(id) {
    if (this.model === null) return;
    const view = panIntoView(this.view, instanceOf(this.model, id).box, this.stage);
    if (view !== this.view) this.setView(view);
  }

  /** What is shown has changed. */
  changed() {
    this.items = null;
    this.requestFrame();
  }

  /**
   * Tell Python, now or after a pause in which further changes join in.
   * @param {number} delay
   * @param {boolean} now whether it goes also while the page is drawn
   */
  report(delay, now = false) {
    clearTimeout(this.reportTimer);
    const wait = Math.max(delay, now ? this.leave.rest : this.leave.calm, this.quiet());
    if (wait > 0) {
      this.reportTimer = window.setTimeout(() => this.report(0), wait);
      return;
    }
    this.reportTimer = 0;
    if (this.model === null || !this.model.touched) return;
    this.send(makeReport(this.model));
    this.changed();
  }

  // ---- frames ----

  /** @override */
  requestFrame() {
    if (this.frame === 0) this.frame = requestAnimationFrame(() => this.paint());
  }

  paint() {
    this.frame = 0;
    if (this.model === null) return;
    // As long as the last frame took: of tens of thousands, drawing what is read so far would take the most of it.
    if (this.shapes.readSome(Math.max(READ_BUDGET, this.painting))) this.items = null;
    const began = performance.now();
    paintFrame(this, this.model);
    this.painting = performance.now() - began;
    const bar = scaleBar(this.model.image.micrometres, this.view.scale, this.seenStage.width);
    showScaleBar(this.controls.scaleBar, bar);
    if (this.shapes.waiting.length > 0) this.requestFrame();
    this.onPaint();
  }

  /** @param {Model} model */
  visibleItems(model) {
    if (this.items !== null) return this.items;
    /** @type {Item[]} */
    const items = [];
    for (const instance of shownInstances(model)) {
      const shape = this.shapes.get(instance.id);
      if (shape !== undefined && instance.id !== this.veiled) {
        items.push({ instance, shape, color: colorOf(model, instance) });
      }
    }
    items.sort((a, b) => b.shape.area - a.shape.area || a.instance.id - b.instance.id);
    this.items = items;
    if (this.hovered !== null && !items.some((item) => item.instance.id === this.hovered)) this.setHover(null);
    const shown = shownInstances(model).length;
    this.controls.showSettings(model, shown);
    this.controls.showChips(model, (id, only) => this.toggleCategory(id, only));
    this.controls.describe(model, shown);
    this.onShown();
    this.list.refresh();
    return items;
  }

  /** A person begins to draw. */
  begin() {
    this.begun = true;
    this.requestFrame();
  }

  // ---- choices ----

  /**
   * Select without telling Python: it follows with the next report.
   * @param {number | null} id
   */
  choose(id) {
    if (this.model === null) return;
    this.chooseAll(id === null ? [] : [id]);
  }

  /** The same for several. @param {number[]} ids */
  chooseAll(ids) {
    if (this.model === null) return;
    this.model.selected = new Set(pickableOf(this.model, ids));
    this.controls.announceSelection(this.model, (one) => this.shapes.get(one)?.area ?? 0);
    this.changed();
  }

  /** Leave the drawing of an instance to somebody else; null ends it. @param {number | null} id */
  veil(id) {
    if (this.veiled === id) return;
    this.veiled = id;
    this.changed();
  }

  /** @param {number | null} id @param {boolean} add @param {number} delay */
  select(id, add, delay) {
    if (this.model === null || !selectInstance(this.model, id, add)) return;
    this.controls.announceSelection(this.model, (one) => this.shapes.get(one)?.area ?? 0);
    this.changed();
    this.report(delay);
  }

  /** These, as far as they can be selected. @param {number[]} ids */
  selectAllOf(ids) {
    if (this.model === null || !selectOnly(this.model, ids)) return;
    this.controls.announceSelection(this.model, (one) => this.shapes.get(one)?.area ?? 0);
    this.changed();
    this.report(REPORT_DELAY);
  }

  /** All instances that are shown and not locked. */
  selectAll() {
    if (this.model === null || !selectShown(this.model)) return;
    this.controls.announceSelection(this.model, (one) => this.shapes.get(one)?.area ?? 0);
    this.changed();
    this.report(0);
  }

  /** @param {1 | -1} step */
  step(step) {
    const id = this.model === null ? null : stepInstance(this.model, step);
    if (id === null) return;
    this.select(id, false, REPORT_DELAY);
    this.lookAt(id);
  }

  /** @param {number} id @param {boolean} only */
  toggleCategory(id, only) {
    const { model } = this;
    if (model === null) return;
    if (only) {
      model.hidden = new Set(model.instances.map((one) => one.category_id).filter((other) => other !== id));
      model.touched = true;
    } else toggleCategory(model, id);
    this.choiceMade(0);
  }

  /** Hide the category of the selected, or else the hovered, instance. */
  hideCategory() {
    const { model } = this;
    const id = model === null ? null : ([...model.selected][0] ?? this.hovered);
    if (model === null || id === null) return;
    const instance = instanceOf(model, id);
    if (isShown(model, instance)) this.toggleCategory(instance.category_id, false);
  }

  /** So that what belongs to it is seen. @param {number} id */
  showCategory(id) {
    if (this.model?.hidden.has(id)) this.toggleCategory(id, false);
  }

  showAllCategories() {
    if (this.model === null || this.model.hidden.size === 0) return;
    this.model.hidden.clear();
    this.model.touched = true;
    this.choiceMade(0);
  }

  /** @param {number} length that was measured, in pixels of the image */
  measured(length) {
    if (this.model === null) return;
    this.model.measured = length;
    this.model.touched = true;
    this.report(REPORT_DELAY);
  }

  /** @param {number} threshold of the score */
  setThreshold(threshold) {
    if (this.model === null) return;
    this.model.threshold = threshold;
    this.model.touched = true;
    this.changed();
  }

  /** @param {Partial<import("./state.js").Display>} part */
  setDisplay(part) {
    if (this.model === null) return;
    Object.assign(this.model.display, part);
    this.model.touched = true;
    this.changed();
  }

  /** @param {import("./controls.js").Toggle} name */
  toggleDisplay(name) {
    if (this.model === null) return;
    this.setDisplay(toggled(this.model.display, name));
    this.report(0);
  }

  /** @param {number} delay */
  choiceMade(delay) {
    if (this.model === null) return;
    this.controls.announce(countText(this.model, shownInstances(this.model).length));
    this.changed();
    this.report(delay);
  }

  /** @param {boolean} on */
  setCompare(on) {
    if (this.comparing === on) return;
    this.comparing = on;
    this.controls.compare.setAttribute("aria-pressed", String(on));
    this.requestFrame();
  }

  /** @param {number | null} id */
  setHover(id) {
    const { model, controls, pointer } = this;
    if (id !== this.hovered) this.requestFrame();
    this.hovered = id;
    controls.stage.classList.toggle("over", id !== null);
    if (id === null || model === null || pointer === null) {
      controls.showTip(null, "", "", 0, 0);
      return;
    }
    const instance = instanceOf(model, id);
    const area = this.shapes.get(id)?.area ?? 0;
    const share = (100 * area) / (model.image.width * model.image.height);
    const score = instance.has_score === false ? "" : `${instance.score.toFixed(3)} · `;
    const facts = `${instance.is_crowd ? "crowd · " : ""}${score}${areaText(area)} · ${share < 0.1 ? "<0.1" : share.toFixed(1)}%`;
    controls.showTip(instance, colorOf(model, instance), facts, ...turned(pointer, this.turns, this.seenStage));
  }

  /** @param {[number, number] | null} place on the stage; null when the pointer has left or does something else */
  pointAt(place) {
    this.pointer = place;
    this.setHover(place === null ? null : this.instanceAt(place[0], place[1]));
  }

  /** @param {number} x @param {number} y */
  instanceAt(x, y) {
    if (this.model === null) return null;
    const [imageX, imageY] = screenToImage(this.view, x, y);
    const { locked } = this.model.marks;
    const point = [imageX, imageY, imageX + 1e-6, imageY + 1e-6];
    const within = indexOf(this.visibleItems(this.model))
      .within(point)
      .map((item) => item.instance)
      .filter((instance) => {
        if (locked.has(instance.id)) return false; // what lies below it is reached
        const box = this.shapes.get(instance.id)?.extent ?? instance.box;
        return imageX >= box[0] && imageX < box[2] && imageY >= box[1] && imageY < box[3];
      });
    return this.shapes.topmostAt(within, imageX, imageY)?.id ?? null;
  }

  // ---- events ----

  listen() {
    const { signal } = this.leaving;
    this.gestures.listen(signal);
    listenToKeys(this, signal);
    listenToControls(this, signal);
  }

  destroy() {
    clearTimeout(this.reportTimer); // see leaving.js: now it is too late to send anything
    this.leaving.abort();
    this.resizing.disconnect();
    this.controls.chipRoom.disconnect();
    cancelAnimationFrame(this.frame);
    this.endView();
    clearTimeout(this.controls.announcement);
    this.plain.clear();
    this.slide?.close();
  }
}
