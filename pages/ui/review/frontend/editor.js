// The editor: which tool has the pointer, and what is done to the masks of the selected instances.

import { containsPixel, decodeRle } from "../../viewer/frontend/rle.js";
import { colorOf } from "../../viewer/frontend/state.js";
import { bitmapOf, countsOf, tightBox } from "./bitmap.js";
import { fillPolygon } from "./raster.js";
import { changeRing, cut, dropSpecks, fillHoles, isEmpty, merge, move, smooth, splitParts, subtract } from "./mask_edits.js";
import { findDuplicates } from "./duplicates.js";
import { StageTools } from "./stage_tools.js";
import { BoxTool } from "./box_tool.js";
import { BrushTool, firstBrush, newTarget, targetOn } from "./brush_tool.js";
import { LineTool, OutlineTool, signedArea } from "./outline_tool.js";

/** @typedef {import("../../viewer/frontend/viewer.js").Viewer} Viewer */
/** @typedef {import("../../viewer/frontend/state.js").Instance} Instance */
/** @typedef {import("../../viewer/frontend/rle.js").CocoRle} CocoRle */
/** @typedef {import("./bitmap.js").Bitmap} Bitmap */
/** @typedef {import("./review_state.js").ReviewState} ReviewState */
/** @typedef {import("./review_frames.js").Mask} Mask */
/** @typedef {import("./stage_tools.js").Tool} Tool */
/** @typedef {import("./stage_tools.js").Point} Point */

/**
 * What the editor needs of the reviewer.
 * @typedef {object} Host
 * @property {Viewer} viewer
 * @property {ReviewState} state
 * @property {() => number[]} selectedIds
 * @property {() => number[]} shownIds
 * @property {(text: string) => void} say
 * @property {(hasChanged: boolean) => void} changed
 * @property {(box: [number, number, number, number]) => void} drawBox
 */

/** A step of the mask threshold, and its ends. */
const THRESHOLD_STEP = 0.1;
const LEAST_THRESHOLD = 0.1;
const MOST_THRESHOLD = 0.9;
const HALF = 0.5;
/** A copy lies so many pixels beside its original, where it can be seen. */
const COPY_SHIFT = 8;

/** What is done to each selected mask, by the action's name: how the journal calls it, and how. */
const EACH = /** @type {Record<string, [string, (bitmap: Bitmap, image: {width: number, height: number}) => Bitmap]>} */ ({
  "fill-holes": ["fill holes", fillHoles],
  "drop-specks": ["drop specks", dropSpecks],
  smooth: ["smooth", smooth],
});

export class Editor {
  /**
   * @param {Host} host
   * @param {AbortSignal} signal
   */
  constructor(host, signal) {
    this.host = host;
    const { viewer } = host;
    this.viewer = viewer;
    this.stage = new StageTools(viewer, signal);
    /** Category of what is drawn without the network; null for that of the last one, or the first. @type {number | null} */
    this.category = null;
    /** @type {Map<number, number>} mask thresholds that were asked for, by instance */
    this.thresholds = new Map();
    this.boxes = new BoxTool(viewer, (box) => host.drawBox(box));
    const size = firstBrush();
    const paintOn = () => this.paintTarget();
    const eraseOn = () => this.paintTarget(true);
    const outlineWays = {
      target: () => this.outlineTarget(),
      onRing: this.changeOutline.bind(this),
      onMove: this.nudge.bind(this),
      isInside: this.isInside.bind(this),
    };
    const line = { name: "draw-outline", hint: "click corners, or draw in one go; Enter or the first corner closes it", isClosed: true, least: 3 };
    const knife = { name: "cut", hint: "draw a line across the selected instance", isClosed: false, least: 2 };
    this.outline = new OutlineTool(viewer, outlineWays);
    /** @type {Record<string, Tool>} by the action that turns it on */
    this.tools = {
      "draw-box": this.boxes,
      "draw-outline": new LineTool(viewer, line, (corners) => this.drawOutline(corners)),
      "edit-outline": this.outline,
      brush: new BrushTool(viewer, 1, paintOn, this.painted.bind(this), size),
      eraser: new BrushTool(viewer, 0, eraseOn, this.painted.bind(this), size),
      cut: new LineTool(viewer, knife, (corners) => this.cutAlong(corners)),
    };
  }

  get tool() {
    return this.stage.active;
  }

  // ---- what is there ----

  /** @returns {Instance[]} */
  instances() {
    return this.host.state.frame?.message.instances ?? [];
  }

  /** The selected instances that have a mask. */
  selected() {
    const ids = new Set(this.host.selectedIds());
    return this.instances().filter(({ id, rle }) => ids.has(id) && rle !== null);
  }

  /** @param {Instance} instance */
  runsOf(instance) {
    return decodeRle(/** @type {CocoRle} */ (instance.rle));
  }

  /** @param {Bitmap} bitmap @returns {Mask | null} null for one without a pixel */
  maskOf(bitmap) {
    const image = this.host.state.frame?.message.image;
    if (image === undefined || isEmpty(bitmap)) return null;
    return { counts: countsOf(bitmap, image), box: tightBox(bitmap) };
  }

  get image() {
    const image = this.host.state.frame?.message.image;
    if (image === undefined) throw new RangeError("no image");
    return image;
  }

  /** The category of what is drawn next. */
  categoryOfNew() {
    const { frame, message } = this.host.state;
    const [first] = this.host.selectedIds();
    const wanted = this.category ?? (first === undefined ? undefined : frame?.states.get(first)?.category_id);
    const known = message?.categories ?? [];
    return known.find(({ id }) => id === wanted)?.id ?? known[0]?.id ?? null;
  }

  // ---- actions ----

  /** @param {string} name @returns {boolean} whether it is one of the editor's */
  act(name) {
    if (Object.hasOwn(this.tools, name)) this.turnTo(this.tool === this.tools[name] ? null : name);
    else if (Object.hasOwn(EACH, name)) this.changeEach(...EACH[name]);
    else if (name === "grow") this.threshold(-THRESHOLD_STEP);
    else if (name === "shrink") this.threshold(THRESHOLD_STEP);
    else if (name === "tighten") this.tighten();
    else if (name === "merge") this.mergeSelected();
    else if (name === "split-parts") this.splitSelected();
    else if (name === "subtract") this.takeFromOthers();
    else if (name === "give-up") this.giveUpShared();
    else if (name === "copy") this.copySelected();
    else if (name === "remove") this.removeSelected();
    else if (name === "duplicates") this.selectDuplicates();
    else return false;
    return true;
  }

  /** @param {string | null} name of the tool's action */
  turnTo(name) {
    const tool = name === null ? null : this.tools[name];
    this.stage.turnTo(tool);
    for (const act of Object.keys(this.tools)) {
      const button = this.viewer.root.querySelector(`[data-act="${act}"]`);
      button?.setAttribute("aria-pressed", String(act === name));
    }
    this.host.say(tool?.hint ?? "");
  }

  /**
   * A key that the tool in use makes something of; Escape gives up what is under way, and then the tool.
   * @param {KeyboardEvent} event
   */
  press(event) {
    const { tool } = this;
    if (tool === null) return false;
    if (event.key === "Escape") {
      if (!tool.cancel()) this.turnTo(null);
      this.stage.drag = null;
      this.viewer.requestFrame();
      return true;
    }
    return tool.press(event);
  }

  /** Another picture: what was begun on the last one means nothing here. The tool stays. */
  arrive() {
    this.tool?.cancel();
    this.stage.drag = null;
  }

  /** What was drawn here has Python's ids now. @param {Map<number, number>} renamed */
  rename(renamed) {
    for (const tool of Object.values(this.tools)) if (tool instanceof BrushTool) tool.rename(renamed);
    for (const [own, id] of renamed) {
      const threshold = this.thresholds.get(own);
      if (threshold !== undefined) this.thresholds.set(id, threshold);
    }
  }

  paint() {
    this.boxes.showBoxes(this.host.state.waitingBoxes);
    const { context } = this.viewer;
    context.save();
    this.tool?.paint(context);
    context.restore();
  }

  /**
   * Carry an edit out, and select what it leaves.
   * @param {string} what
   * @param {import("./review_frames.js").Change[]} changes
   * @param {import("./review_frames.js").Drawn[]} [added]
   */
  edit(what, changes, added = []) {
    const before = new Map(this.instances().map((instance) => [instance.id, instance.rle?.counts]));
    const real = changes.filter(({ id, mask }) => before.has(id) && mask?.counts !== before.get(id));
    if (real.length === 0 && added.length === 0) {
      this.host.say("that changes nothing");
      return;
    }
    const fresh = this.host.state.edit(what, real, added);
    this.host.changed(true);
    const gone = real.filter(({ mask }) => mask === null).length;
    for (const { category_id } of added) this.viewer.showCategory(category_id);
    if (fresh.length > 0) this.viewer.choose(fresh[0]);
    this.host.say(gone > 0 && fresh.length === 0 ? `${what}: ${gone} removed` : what);
  }

  // ---- masks one by one ----

  /**
   * @param {string} what
   * @param {(bitmap: Bitmap, image: {width: number, height: number}) => Bitmap} change
   */
  changeEach(what, change) {
    const selected = this.selected();
    if (selected.length === 0) {
      this.host.say("select an instance first");
      return;
    }
    const changes = selected.map((one) => ({ id: one.id, mask: this.maskOf(change(bitmapOf(this.runsOf(one)), this.image)) }));
    // What is too small to be smoothed stays as it is: a key that tidies up removes nothing.
    this.edit(what, changes.filter(({ mask }) => mask !== null));
  }

  /** @param {number} dx @param {number} dy */
  nudge(dx, dy) {
    const { shown } = this.outline;
    const moved = shown?.rings.map((ring) => ring.map(([x, y]) => /** @type {Point} */ ([x + dx, y + dy])));
    const changes = this.selected().map((one) => ({ id: one.id, mask: this.maskOf(move(bitmapOf(this.runsOf(one)), dx, dy, this.image)) }));
    if (changes.some(({ mask }) => mask === null)) {
      this.host.say("it would leave the image");
      return;
    }
    const polygons = changes.length === 1 && moved !== undefined ? { polygons: moved.map((ring) => ring.flat()) } : {};
    this.edit("nudge", changes.map((change) => ({ ...change, ...polygons })));
    if (shown !== null && moved !== undefined && changes.length === 1 && changes[0].mask !== null) {
      shown.rings = moved;
      shown.counts = changes[0].mask.counts;
    }
  }

  outlineTarget() {
    const [one, ...more] = this.selected();
    if (one === undefined || one.rle === null || more.length > 0) return null;
    const polygons = this.host.state.frame?.states.get(one.id)?.polygons ?? undefined;
    return { id: one.id, counts: one.rle.counts, runs: this.runsOf(one), polygons };
  }

  /** @param {number} x @param {number} y */
  isInside(x, y) {
    return this.selected().some((one) => containsPixel(this.runsOf(one), Math.floor(x), Math.floor(y)));
  }

  /**
   * @param {{id: number, runs: import("../../viewer/frontend/rle.js").Runs}} target
   * @param {Point[]} before
   * @param {Point[]} after
   * @param {Point[][]} rings all of them, as they are now
   */
  changeOutline({ id, runs }, before, after, rings) {
    const isHole = signedArea(before) < 0 && rings.some((ring) => ring !== after && signedArea(ring) > 0);
    const mask = this.maskOf(changeRing(bitmapOf(runs), before.flat(), after.flat(), isHole, this.image));
    if (mask === null) {
      this.host.say("nothing would be left");
      this.outline.shown = null;
      return;
    }
    this.outline.keepRings(mask.counts);
    this.edit("outline", [{ id, mask, polygons: rings.map((ring) => ring.flat()) }]);
  }

  /** @param {Point[]} corners */
  drawOutline(corners) {
    const category = this.categoryOfNew();
    const mask = this.maskOf(fillPolygon(corners.flat(), this.image));
    if (category === null) this.host.say("the project has no category yet");
    else if (mask === null) this.host.say("no pixel lies within");
    else this.edit("draw outline", [], [{ category_id: category, mask, polygons: [corners.flat()] }]);
  }

  /** @param {boolean} [needsOne] whether there has to be something already */
  paintTarget(needsOne = false) {
    const selected = this.selected();
    if (selected.length === 1) {
      const { model } = this.viewer;
      const color = model === null ? "#ff2d95" : colorOf(model, selected[0]);
      return targetOn(selected[0], this.runsOf(selected[0]), color);
    }
    if (selected.length === 0 && !needsOne && this.categoryOfNew() !== null) return newTarget();
    this.host.say(selected.length > 1 ? "select one instance only" : "select an instance first");
    return null;
  }

  /** @param {{id: number | null}} target @param {Bitmap} bitmap */
  painted({ id }, bitmap) {
    const mask = this.maskOf(bitmap);
    if (id !== null) this.edit(this.tool?.name ?? "brush", [{ id, mask }]);
    else {
      const category = this.categoryOfNew();
      if (mask !== null && category !== null) this.edit("brush", [], [{ category_id: category, mask }]);
    }
  }

  // ---- with the network ----

  /** @param {number} step */
  threshold(step) {
    const ids = this.selected().map(({ id }) => id);
    if (ids.length === 0) {
      this.host.say("select an instance first");
      return;
    }
    const wanted = (this.thresholds.get(ids[0]) ?? HALF) + step;
    const threshold = Math.round(10 * Math.min(Math.max(wanted, LEAST_THRESHOLD), MOST_THRESHOLD)) / 10;
    for (const id of ids) this.thresholds.set(id, threshold);
    if (!this.host.state.reshape("threshold", ids, threshold)) return;
    this.host.changed(true);
    this.host.say(`mask threshold ${threshold.toFixed(1)}`);
  }

  tighten() {
    const ids = this.selected().map(({ id }) => id);
    if (!this.host.state.reshape("tighten", ids, HALF)) {
      this.host.say("select an instance first");
      return;
    }
    for (const id of ids) this.thresholds.delete(id);
    this.host.changed(true);
    this.host.say("the network looks once more");
  }

  // ---- between instances ----

  mergeSelected() {
    const selected = this.selected();
    if (selected.length < 2) {
      this.host.say("select two or more: Shift+click");
      return;
    }
    // The largest stays, with its category.
    const runs = new Map(selected.map((one) => [one.id, this.runsOf(one)]));
    const areaOf = (/** @type {Instance} */ { id }) => runs.get(id)?.area ?? 0;
    const [first, ...others] = [...selected].sort((a, b) => areaOf(b) - areaOf(a));
    const mask = this.maskOf(merge(selected.map((one) => bitmapOf(/** @type {any} */ (runs.get(one.id))))));
    this.edit("merge", [{ id: first.id, mask }, ...others.map(({ id }) => ({ id, mask: null }))]);
    this.viewer.choose(first.id);
  }

  splitSelected() {
    this.divide("split parts", (bitmap) => splitParts(bitmap), "it hangs together");
  }

  /** @param {Point[]} corners */
  cutAlong(corners) {
    this.divide("cut", (bitmap) => cut(bitmap, corners), "the line does not cut through");
  }

  /**
   * @param {string} what
   * @param {(bitmap: Bitmap) => Bitmap[]} divide
   * @param {string} otherwise what to say where there is one piece only
   */
  divide(what, divide, otherwise) {
    const selected = this.selected();
    /** @type {{id: number, mask: Mask | null}[]} */
    const changes = [];
    /** @type {import("./review_frames.js").Drawn[]} */
    const added = [];
    for (const one of selected) {
      const [first, ...rest] = divide(bitmapOf(this.runsOf(one)));
      if (first === undefined || rest.length === 0) continue;
      changes.push({ id: one.id, mask: this.maskOf(first) });
      for (const piece of rest) {
        const mask = this.maskOf(piece);
        const state = this.host.state.frame?.states.get(one.id);
        if (mask !== null && state !== undefined) added.push({ category_id: state.category_id, mask, is_crowd: state.is_crowd });
      }
    }
    if (selected.length === 0) this.host.say("select an instance first");
    else if (added.length === 0) this.host.say(otherwise);
    else this.edit(what, changes, added);
  }

  /** Instances that are shown, not rejected, and not selected. */
  others() {
    const { frame } = this.host.state;
    const selected = new Set(this.host.selectedIds());
    const shown = new Set(this.host.shownIds());
    const isOther = (/** @type {Instance} */ { id, rle }) => rle !== null && shown.has(id) && !selected.has(id) && frame?.states.get(id)?.status !== "rejected";
    return this.instances().filter(isOther);
  }

  /** The selected ones lie in front: no other keeps a pixel of theirs. */
  takeFromOthers() {
    const selected = this.selected();
    if (selected.length === 0) {
      this.host.say("select what lies in front first");
      return;
    }
    const front = merge(selected.map((one) => bitmapOf(this.runsOf(one))));
    this.edit("subtract", this.others().map((one) => ({ id: one.id, mask: this.maskOf(subtract(bitmapOf(this.runsOf(one)), front)), givesWay: true })));
  }

  /** The selected ones lie behind: they keep no pixel of any other. */
  giveUpShared() {
    const selected = this.selected();
    const others = this.others().map((one) => bitmapOf(this.runsOf(one)));
    if (selected.length === 0 || others.length === 0) {
      this.host.say(selected.length === 0 ? "select what lies behind first" : "there is no other");
      return;
    }
    const front = merge(others);
    this.edit("give up shared pixels", selected.map((one) => ({ id: one.id, mask: this.maskOf(subtract(bitmapOf(this.runsOf(one)), front)) })));
  }

  copySelected() {
    const { frame } = this.host.state;
    const added = this.selected().flatMap((one) => {
      const bitmap = bitmapOf(this.runsOf(one));
      const moved = this.maskOf(move(bitmap, COPY_SHIFT, COPY_SHIFT, this.image)) ?? this.maskOf(bitmap);
      const state = frame?.states.get(one.id);
      return moved === null || state === undefined ? [] : [{ category_id: state.category_id, mask: moved, is_crowd: state.is_crowd }];
    });
    if (added.length === 0) this.host.say("select an instance first");
    else this.edit("duplicate", [], added);
  }

  removeSelected() {
    const changes = this.host.selectedIds().map((id) => ({ id, mask: null }));
    if (changes.length === 0) this.host.say("select an instance first");
    else this.edit("remove", changes);
  }

  /** The worse of each pair, so that one key rejects them all. */
  selectDuplicates() {
    const { frame } = this.host.state;
    const { model } = this.viewer;
    if (frame === null || model === null) return;
    const shown = new Set(this.host.shownIds());
    const candidates = this.instances().flatMap((one) => {
      const state = frame.states.get(one.id);
      // What lies within a crowd is no second answer to it.
      if (state === undefined || state.status === "rejected" || state.is_crowd || one.rle === null || !shown.has(one.id)) return [];
      const facts = { id: one.id, category: state.category_id, score: state.has_score ? one.score : 1 };
      return [{ ...facts, isAccepted: state.status === "accepted", runs: this.runsOf(one) }];
    });
    const pairs = findDuplicates(candidates);
    this.viewer.chooseAll(pairs.map(({ worse }) => worse));
    const number = pairs.length === 1 ? "1 duplicate" : `${pairs.length} duplicates`;
    this.host.say(pairs.length === 0 ? "no two are the same object" : `${number} selected: D rejects, the better ones stay`);
  }
}
