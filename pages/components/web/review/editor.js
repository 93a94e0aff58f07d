// The editor: which tool has the pointer, and what the tools do to masks.

import { editsOf, toldOf } from "../lib/actions.js";
import { containsPixel, decodeRle } from "../lib/rle.js";
import { revealInstances } from "../viewer/marking.js";
import { colorOf } from "../viewer/state.js";
import { bitmapOf, countsOf, tightBox } from "../lib/bitmap.js";
import { fillPolygon } from "../lib/raster.js";
import { changeRing, cut, isEmpty, move } from "./tools/mask_edits.js";
import { AT_ONCE, EACH, changeEach, divideSelected } from "./at_once.js";
import { SCISSORS } from "./waiting_shapes.js";
import { StageTools } from "./tools/stage_tools.js";
import { BoxTool } from "./tools/box_tool.js";
import { BrushSize } from "./tools/brush_size.js";
import { BrushTool, newTarget, targetOn } from "./tools/brush_tool.js";
import { LineTool, OutlineTool, signedArea } from "./tools/outline_tool.js";

/** @typedef {import("../viewer/viewer.js").Viewer} Viewer */
/** @typedef {import("../viewer/state.js").Instance} Instance */
/** @typedef {import("../lib/rle.js").CocoRle} CocoRle */
/** @typedef {import("../lib/bitmap.js").Bitmap} Bitmap */
/** @typedef {import("./review_state.js").ReviewState} ReviewState */
/** @typedef {import("./review_frames.js").Mask} Mask */
/** @typedef {import("./tools/stage_tools.js").Tool} Tool */
/** @typedef {import("./tools/stage_tools.js").Point} Point */

/**
 * What the editor needs of the reviewer.
 * @typedef {object} Host
 * @property {Viewer} viewer
 * @property {ReviewState} state
 * @property {() => number[]} selectedIds
 * @property {() => number[]} shownIds those that can be changed
 * @property {() => number[]} seenIds the same with those that are locked
 * @property {(text: string) => void} say
 * @property {(hasChanged: boolean) => void} changed
 * @property {(box: [number, number, number, number]) => void} drawBox
 * @property {(what: string, mask: Mask, polygons?: number[][]) => void} drawNew gives it its category, or asks for one
 * @property {(context: CanvasRenderingContext2D) => void} paintWaiting what has no category yet
 */

/** What the journal calls what is done. */
const [OUTLINE, NUDGE] = editsOf("edit-outline");
const [DRAW_OUTLINE] = editsOf("draw-outline");
const [BRUSH] = editsOf("brush");
const [DRAW_RECTANGLE] = editsOf("draw-box");
const [CUT] = editsOf("cut");
/** The tools that make new instances, by their actions. */
const DRAWING = ["draw-box", "draw-outline", "scissors"];

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
    /** @type {Map<number, number>} mask thresholds that were asked for, by instance */
    this.thresholds = new Map();
    this.boxes = new BoxTool(viewer, (box, isPlain) => (isPlain ? this.drawRectangle(box) : host.drawBox(box)));
    const size = new BrushSize();
    const paintOn = () => this.paintTarget();
    const eraseOn = () => this.paintTarget(true);
    const outlineWays = {
      target: () => this.outlineTarget(),
      onRing: this.changeOutline.bind(this),
      onMove: this.nudge.bind(this),
      isInside: this.isInside.bind(this),
    };
    const line = {
      name: "draw-outline",
      hint: "click corners, or draw in one go; Enter or the first corner closes it",
      isClosed: true,
      least: 3,
    };
    const lasso = { ...line, name: "scissors", hint: "draw a lasso around an object, with a little room" };
    const knife = { name: "cut", hint: "draw a line across the selected instance", isClosed: false, least: 2 };
    this.outline = new OutlineTool(viewer, outlineWays);
    /** @type {Record<string, Tool>} by the action that turns it on */
    this.tools = {
      "draw-box": this.boxes,
      "draw-outline": new LineTool(viewer, line, (corners) => this.drawOutline(corners)),
      scissors: new LineTool(viewer, lasso, (corners) => this.addOutline(SCISSORS, corners.flat())),
      "edit-outline": this.outline,
      brush: new BrushTool(viewer, 1, paintOn, this.painted.bind(this), size),
      eraser: new BrushTool(viewer, 0, eraseOn, this.painted.bind(this), size),
      cut: new LineTool(viewer, knife, (corners) => this.cutAlong(corners)),
    };
  }

  get tool() {
    return this.stage.active;
  }

  /** Whether a tool is on that makes new instances. */
  get isDrawing() {
    return this.tool !== null && DRAWING.some((name) => this.tools[name] === this.tool);
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

  // ---- actions ----

  /** @param {string} name @returns {boolean} whether it is one of the editor's */
  act(name) {
    if (Object.hasOwn(this.tools, name)) this.turnTo(this.tool === this.tools[name] ? null : name);
    else if (Object.hasOwn(EACH, name)) changeEach(this, editsOf(name)[0], EACH[name]);
    else if (Object.hasOwn(AT_ONCE, name)) AT_ONCE[name](this);
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
    this.host.paintWaiting(context);
    context.restore();
    context.save();
    this.tool?.paint(context);
    context.restore();
  }

  /**
   * Carry an edit out, and select what it leaves.
   * @param {string} what
   * @param {import("./review_frames.js").Change[]} changes
   * @param {import("./review_frames.js").Drawn[]} [added]
   * @returns {number[]} our own ids of what it adds
   */
  edit(what, changes, added = []) {
    const before = new Map(this.instances().map((instance) => [instance.id, instance.rle?.counts]));
    const real = changes.filter(({ id, mask }) => before.has(id) && mask?.counts !== before.get(id));
    if (real.length === 0 && added.length === 0) {
      this.host.say("that changes nothing");
      return [];
    }
    const fresh = this.host.state.edit(what, real, added);
    this.host.changed(true);
    const gone = real.filter(({ mask }) => mask === null).length;
    for (const { category_id } of added) this.viewer.showCategory(category_id);
    revealInstances(this.viewer, fresh);
    if (fresh.length > 0) this.viewer.choose(fresh[0]);
    const told = toldOf(what);
    this.host.say(gone > 0 && fresh.length === 0 ? `${told}: ${gone} removed` : told);
    return fresh;
  }

  // ---- what the tools do ----

  /** @param {number} dx @param {number} dy */
  nudge(dx, dy) {
    const { shown } = this.outline;
    const moved = shown?.rings.map((ring) => ring.map(([x, y]) => /** @type {Point} */ ([x + dx, y + dy])));
    const changes = this.selected().map((one) => ({
      id: one.id,
      mask: this.maskOf(move(bitmapOf(this.runsOf(one)), dx, dy, this.image)),
    }));
    if (changes.some(({ mask }) => mask === null)) {
      this.host.say("that would move it outside the image");
      return;
    }
    const polygons = changes.length === 1 && moved !== undefined ? { polygons: moved.map((ring) => ring.flat()) } : {};
    this.edit(
      NUDGE,
      changes.map((change) => ({ ...change, ...polygons })),
    );
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
   * @param {{id: number, runs: import("../lib/rle.js").Runs}} target
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
    this.edit(OUTLINE, [{ id, mask, polygons: rings.map((ring) => ring.flat()) }]);
  }

  /** @param {Point[]} corners */
  drawOutline(corners) {
    this.addOutline(DRAW_OUTLINE, corners.flat());
  }

  /** @param {string} what names it in the journal @param {number[]} ring flat x, y */
  addOutline(what, ring) {
    const mask = this.maskOf(fillPolygon(ring, this.image));
    if (mask === null) this.host.say("no pixels inside");
    else this.host.drawNew(what, mask, [ring]);
  }

  /** A rectangle as it was drawn, on whole pixels. @param {readonly [number, number, number, number]} box */
  drawRectangle(box) {
    const [x1, y1, x2, y2] = box.map(Math.round);
    this.addOutline(DRAW_RECTANGLE, [x1, y1, x2, y1, x2, y2, x1, y2]);
  }

  /** @param {Point[]} corners */
  cutAlong(corners) {
    divideSelected(this, CUT, (bitmap) => cut(bitmap, corners), "the line does not cut it in two");
  }

  /** @param {boolean} [needsOne] whether there has to be something already */
  paintTarget(needsOne = false) {
    const selected = this.selected();
    if (selected.length === 1) {
      const { model } = this.viewer;
      const color = model === null ? "#ff2d95" : colorOf(model, selected[0]);
      return targetOn(selected[0], this.runsOf(selected[0]), color);
    }
    if (selected.length === 0 && !needsOne) return newTarget();
    this.host.say(selected.length > 1 ? "select only one instance" : "select an instance first");
    return null;
  }

  /** @param {{id: number | null}} target @param {Bitmap} bitmap */
  painted({ id }, bitmap) {
    const mask = this.maskOf(bitmap);
    if (id !== null) this.edit(this.tool === null ? BRUSH : editsOf(this.tool.name)[0], [{ id, mask }]);
    else if (mask !== null) this.host.drawNew(BRUSH, mask);
  }
}
