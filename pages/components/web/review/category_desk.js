// Category first: which category is active, what becomes of what is drawn, and what waits until somebody says what it is.

import { tabStorage } from "../viewer/marks.js";
import { CategoryChoice } from "./category_choice.js";
import { CategoryPicker } from "./category_picker.js";
import { cutOut } from "./decisions.js";
import { SCISSORS, WaitingShapes } from "./waiting_shapes.js";

/** @typedef {import("./reviewer.js").Reviewer} Reviewer */
/** @typedef {import("./category_options.js").Option} Option */
/** @typedef {import("./review_frames.js").Mask} Mask */
/** @typedef {import("./review_state.js").Category} Category */
/** @typedef {import("./waiting_shapes.js").Box} Box */
/** @typedef {import("./waiting_shapes.js").WaitingShape} WaitingShape */

/** @returns {Storage | null} */
function browserStorage() {
  try {
    return localStorage;
  } catch {
    return null; // a browser that keeps nothing
  }
}

export class CategoryDesk {
  /**
   * @param {Reviewer} reviewer
   * @param {AbortSignal} signal
   */
  constructor(reviewer, signal) {
    this.reviewer = reviewer;
    this.choice = new CategoryChoice(tabStorage(), browserStorage());
    this.waiting = new WaitingShapes(tabStorage());
    this.picker = new CategoryPicker(reviewer.root, this.choice, (option) => this.take(option), signal);
    this.picker.onChange = () => reviewer.showBar();
  }

  /** @returns {Category[]} */
  get all() {
    return this.reviewer.state.categories;
  }

  /** The category of what is drawn; null where nobody has said it. */
  get active() {
    return this.choice.active(this.all);
  }

  /** What waits on the image that is shown. */
  get waitingHere() {
    return this.waiting.of(this.reviewer.state.frame?.image_id);
  }

  // ---- choosing ----

  /** Ask for a category: by name, or a new one. */
  pick() {
    const { reviewer, waitingHere } = this;
    const { viewer, state } = reviewer;
    if (state.frame === null || state.loading) return;
    const { list, controls } = viewer;
    const count = waitingHere.length;
    const number = reviewer.selectedIds().length;
    const what = number === 1 ? "Category of the selected instance" : `Category of ${number} selected instances`;
    const shapes = count === 1 ? "What is it? The shape waits for its category" : `What are they? ${count} shapes wait`;
    const row = list.hasFocus ? list.activeElement : undefined;
    this.picker.open({
      categories: this.all,
      why: count > 0 ? shapes : number > 0 ? what : "Category of what is drawn",
      canClear: count + number === 0 && this.choice.explicit(this.all) !== null,
      beside: row ?? controls.part("active-category", HTMLElement),
      from: list.hasFocus ? list.grid : controls.stage,
    });
  }

  /** @param {Option} option that was chosen in the picker */
  take(option) {
    const { reviewer } = this;
    if (option.kind === "none") {
      this.choice.choose("");
      reviewer.changed(false);
      reviewer.bar.say("no active category: drawing asks, and the network names its boxes");
    } else if (option.kind === "category") this.choose(option.category.id);
    else {
      const id = reviewer.state.newCategory(option.name);
      if (id === null) reviewer.bar.say(`no category can be named “${option.name}”`);
      else this.choose(id);
    }
  }

  /**
   * Make a category the active one, and give it to what waits or else to what is selected. Where shapes are drawn one
   * after another, another category than the active one is that of the next shape: the one that was drawn last is
   * selected, and has its own.
   * @param {number} id
   */
  choose(id) {
    const { reviewer } = this;
    const category = this.all.find((one) => one.id === id);
    if (category === undefined || reviewer.state.loading) return;
    const isOfTheNext = reviewer.editor.isDrawing && this.active !== null && this.active.id !== id;
    this.choice.choose(category.name);
    const { frame } = reviewer.state;
    const shapes = frame === null ? [] : this.waiting.take(frame.image_id);
    const ids = reviewer.selectedIds();
    if (shapes.length > 0) this.finish(shapes, category);
    else if (isOfTheNext && ids.length > 0) {
      reviewer.changed(true);
      reviewer.bar.say(`active category: ${category.name}; choose it again to relabel what is selected`);
    } else if (ids.length > 0) {
      reviewer.state.relabel(ids, id);
      reviewer.changed(true);
    } else {
      reviewer.changed(true); // a new category is on its way
      reviewer.bar.say(`active category: ${category.name}`);
    }
  }

  /** @param {string} key @returns {boolean} whether a category has it */
  chooseByKey(key) {
    const category = this.choice.keyed(this.all).get(key);
    if (category !== undefined) this.choose(category.id);
    return category !== undefined;
  }

  // ---- drawing ----

  /**
   * Make what was drawn an instance of the active category; without one it waits, and is asked for.
   * @param {string} what names the edit in the journal
   * @param {Mask} mask
   * @param {number[][]} [polygons]
   */
  draw(what, mask, polygons) {
    const { frame } = this.reviewer.state;
    if (frame === null) return;
    const shape = { image_id: frame.image_id, what, mask, ...(polygons === undefined ? {} : { polygons }) };
    if (this.active !== null) this.finish([shape], this.active);
    else this.ask(shape);
  }

  /** Let a shape wait until its category is said. @param {WaitingShape} shape */
  ask(shape) {
    const { reviewer } = this;
    this.waiting.add(shape);
    reviewer.viewer.requestFrame();
    reviewer.showBar();
    if (shape.image_id === reviewer.state.frame?.image_id) this.pick();
    else reviewer.bar.say("a box on another image waits for its category");
  }

  /** Let a box wait whose category neither a person nor the network has said. @param {import("./review_state.js").Operation} op */
  askAgain({ image_id, box }) {
    this.ask({ image_id: Number(image_id), box: /** @type {Box} */ (box) });
  }

  /**
   * @param {WaitingShape[]} shapes
   * @param {Category} category
   */
  finish(shapes, { id, name }) {
    const { reviewer } = this;
    /** @type {Map<string, import("./review_frames.js").Drawn[]>} by the edit that drew them */
    const drawn = new Map();
    for (const shape of shapes) {
      if ("box" in shape) reviewer.drawBox(shape.box, id);
      else if (shape.what === SCISSORS && shape.polygons !== undefined) cutOut(reviewer, shape.polygons[0], id);
      else {
        const { what, mask, polygons } = shape;
        drawn.set(what, [...(drawn.get(what) ?? []), { category_id: id, mask, polygons }]);
      }
    }
    for (const [what, added] of drawn) reviewer.editor.edit(what, [], added);
    if (drawn.size > 0) reviewer.bar.say(`${[...drawn.keys()].join(", ")}: ${name}`);
  }

  // ---- taking back ----

  /** Take back the last shape that waits. @returns {boolean} whether there was one */
  undo() {
    if (!this.waiting.undo(this.reviewer.state.frame?.image_id)) return false;
    this.reviewer.changed(false);
    this.reviewer.bar.say("the shape that waited is taken back");
    return true;
  }

  /** @returns {boolean} whether a shape waits again */
  redo() {
    if (!this.waiting.redo(this.reviewer.state.frame?.image_id)) return false;
    this.reviewer.changed(false);
    this.reviewer.bar.say("the shape waits for its category again");
    return true;
  }

  /** @param {CanvasRenderingContext2D} context */
  paint(context) {
    this.waiting.paint(context, this.reviewer.viewer, this.reviewer.state.frame?.image_id);
  }
}
