// What the reviewer knows: the frames that Python sent, the operations that Python has not acknowledged, and
// where in the queue the person is. No screen.
//
// A decision is an operation in a log and at the same time a patch: the values that it gives to rows. What is
// shown is always Python's last frames with the patches of all unacknowledged operations on top, so a message
// that does not know of them yet takes nothing back. A row that a patch changes counts its version up by one,
// as the store does: the next decision on it then names the version that it will have.

import { HeardState } from "./heard_state.js";
import { operationOf } from "./mask_operations.js";
import { cleanName } from "./own_categories.js";
import { ownId, refOf, valueOf } from "./review_frames.js";

/** @typedef {import("./review_frames.js").Status} Status */
/** @typedef {import("./review_frames.js").InstanceState} InstanceState */
/** @typedef {import("./review_frames.js").Values} Values */
/** @typedef {import("./review_frames.js").Patch} Patch */
/** @typedef {import("./review_frames.js").Change} Change */
/** @typedef {import("./review_frames.js").Drawn} Drawn */
/** @typedef {import("./heard_state.js").Category} Category */
/** @typedef {import("./heard_state.js").ReviewMessage} ReviewMessage */
/** @typedef {import("./heard_state.js").Refusal} Refusal */
/** @typedef {import("./operation_log.js").Operation} Operation */
/** @typedef {import("./operation_log.js").Saved} Saved */
/** @typedef {import("./decided.js").Decision} Decision */

/** What a comment is about. @typedef {{image_id: number, x: number, y: number, instance?: number | null}} About */

/** What is drawn for Python to make masks of. */
const OF_DRAWINGS = new Set(["draw_box", "cut_out"]);
/** What only Python can take back. */
const WITHOUT_A_WAY_BACK = new Set([
  "approve",
  "comment",
  "cut_out",
  "draw_box",
  "edit",
  "new_category",
  "propagate",
  "reshape",
  "return",
]);

/** @param {About} about */
function sentAbout({ image_id, x, y, instance = null }) {
  return { image_id, x, y, ...(instance === null ? {} : { instance: refOf(instance) }) };
}

/** @param {Operation} op @returns {[number, number, number, number]} */
function boxOfDrawing({ kind, box, ring }) {
  if (kind === "draw_box") return /** @type {[number, number, number, number]} */ (box);
  const numbers = /** @type {number[]} */ (ring);
  const xs = numbers.filter((_, at) => at % 2 === 0);
  const ys = numbers.filter((_, at) => at % 2 === 1);
  return [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
}

export class ReviewState extends HeardState {
  // ---- the person's word ----

  /**
   * Give instances of the shown image a status.
   * @param {number[]} ids
   * @param {Status} status
   * @returns {number[]} those that had another one
   */
  setStatus(ids, status) {
    const changed = this.changed(ids, (state) => state.status !== status);
    this.decideInstances("set_status", { status }, changed, (state) => ({ status: state.status }));
    return changed;
  }

  /**
   * @param {number[]} ids
   * @param {number} categoryId
   * @returns {number[]} those that had another category
   */
  relabel(ids, categoryId) {
    const changed = this.changed(ids, (state) => state.category_id !== categoryId);
    const values = { category_id: this.categoryRef(categoryId) };
    const becomes = { category_id: categoryId };
    this.decideInstances("relabel", values, changed, (state) => ({ category_id: state.category_id }), becomes);
    return changed;
  }

  /** How Python is told of a category: by its id, or by its name while only we know it. @param {number} id */
  categoryRef(id) {
    return id >= 0 ? id : (this.categories.find((one) => one.id === id)?.name ?? id);
  }

  /**
   * Make a category, unless there is one of that name.
   * @param {string} text as somebody wrote it
   * @returns {number | null} its id, ours until Python has said its own; null where the text is no name
   */
  newCategory(text) {
    const name = cleanName(text);
    const there = this.categories.find((one) => one.name === name);
    if (there !== undefined) return there.id;
    if (name === "" || this.frame === null || this.loading) return null;
    const seq = this.push({ kind: "new_category", image_id: this.frame.image_id, name }, null);
    this.decided.forget();
    return ownId(seq, 0);
  }

  /**
   * Call instances of the shown image crowds, regions of many objects; or, if all are, call each one object again.
   * Whoever says so wants them: they are accepted.
   * @param {number[]} ids
   * @returns {{changed: number[], isCrowd: boolean}} those that were not so, and what they are now
   */
  toggleCrowd(ids) {
    const isCrowd = ids.some((id) => this.frame?.states.get(id)?.is_crowd === false);
    const changed = this.changed(ids, (state) => state.is_crowd !== isCrowd);
    const old = (/** @type {InstanceState} */ { is_crowd, status }) => ({ is_crowd, status });
    const values = /** @type {const} */ ({ is_crowd: isCrowd, status: "accepted" });
    this.decideInstances("set_crowd", { is_crowd: isCrowd }, changed, old, values);
    return { changed, isCrowd };
  }

  /**
   * Say something of instances of the shown image.
   * @param {number[]} ids
   * @param {string} name of an attribute
   * @param {boolean | number | string | null} value null takes it away
   * @returns {number[]} those of which something else was said
   */
  setAttribute(ids, name, value) {
    const saidOf = (/** @type {InstanceState} */ { attributes = {} }) => valueOf(attributes, name);
    const changed = this.changed(ids, (state) => saidOf(state) !== value);
    const said = { [name]: value };
    const old = (/** @type {InstanceState} */ state) => ({ said: { [name]: saidOf(state) } });
    this.decideInstances("set_attributes", { attributes: said }, changed, old, { said });
    return changed;
  }

  /**
   * @param {number[]} ids
   * @param {(state: InstanceState) => boolean} differs
   */
  changed(ids, differs) {
    if (this.frame === null || this.loading) return [];
    const { states } = this.frame;
    return ids.filter((id) => {
      const state = states.get(id);
      return state !== undefined && differs(state);
    });
  }

  /**
   * @param {string} kind
   * @param {{[name: string]: unknown}} values as Python is told of them
   * @param {number[]} ids
   * @param {(state: InstanceState) => Values} old
   * @param {Values} [becomes] what changes with it, where that is more than is said, or said otherwise
   */
  decideInstances(kind, values, ids, old, becomes = /** @type {Values} */ (values)) {
    const { frame } = this;
    if (frame === null || ids.length === 0) return;
    const stateOf = (/** @type {number} */ id) => /** @type {InstanceState} */ (frame.states.get(id));
    const { image_id } = frame;
    const instances = ids.map((id) => [refOf(id), stateOf(id).version]);
    this.decide(
      { kind, image_id, ...values, instances },
      { image_id, instances: ids.map((id) => ({ id, ...becomes })) },
      { image_id, instances: ids.map((id) => ({ id, ...old(stateOf(id)) })) },
    );
  }

  /**
   * A box around an object that was missed: what it becomes is Python's to say, as is what an undo takes back then.
   * @param {[number, number, number, number]} box x1, y1, x2, y2 in pixels of the image
   * @param {number | null} [categoryId] that the person has chosen; null leaves it to the network
   * @returns {boolean} whether there is an image
   */
  drawBox(box, categoryId = null) {
    const chosen = categoryId === null ? {} : { category_id: this.categoryRef(categoryId) };
    return this.ask("draw_box", { box, ...chosen });
  }

  /**
   * A lasso around an object, which Python cuts out.
   * @param {number[]} ring flat x, y in pixel corners
   * @param {number} categoryId
   * @returns {boolean} whether there is an image
   */
  cutOut(ring, categoryId) {
    return this.ask("cut_out", { category_id: this.categoryRef(categoryId), ring });
  }

  /**
   * Instances that the network is to find again on another image.
   * @param {number[]} ids
   * @param {number} toImage
   * @returns {boolean} whether there is an image
   */
  propagate(ids, toImage) {
    return this.ask("propagate", { to_image_id: toImage, instances: ids.map(refOf) });
  }

  /**
   * Ask Python for what only it can make.
   * @param {string} kind
   * @param {object} wanted
   */
  ask(kind, wanted) {
    const { frame } = this;
    if (frame === null || this.loading) return false;
    this.push({ kind, image_id: frame.image_id, ...wanted }, null);
    this.decided.forget();
    return true;
  }

  /**
   * A comment, pinned to a place of an image.
   * @param {About} about
   * @param {string} text
   */
  comment(about, text) {
    const { image_id } = about;
    this.push({ kind: "comment", text, ...sentAbout(about) }, { image_id, instances: [], touched: true });
    this.decided.forget();
  }

  /**
   * The shown image goes back, with a comment, to whoever annotated it.
   * @param {About} about
   * @param {string} text
   */
  returnImage(about, text) {
    const { image_id } = about;
    const second_look = /** @type {const} */ ({ stage: "returned", told: "returned by you" });
    const patch = { image_id, instances: [], image_status: /** @type {const} */ ("opened"), second_look };
    this.push({ kind: "return", text, ...sentAbout(about) }, patch);
    this.decided.forget();
  }

  /**
   * The shown image is good as it is seen here.
   * @returns {"approved" | "approved before" | "not finished" | "loading" | "off"} what has become of it
   */
  approve() {
    const { frame } = this;
    if (frame === null || this.loading) return "loading";
    if (!frame.second_look) return "off";
    if (frame.image_status !== "reviewed") return "not finished";
    if (frame.second_look.stage === "approved") return "approved before";
    const { image_id } = frame;
    const instances = [...frame.states].map(([id, { version }]) => [refOf(id), version]);
    const second_look = /** @type {const} */ ({ stage: "approved", told: "approved by you" });
    this.push({ kind: "approve", image_id, instances }, { image_id, instances: [], touched: true, second_look });
    this.decided.forget();
    return "approved";
  }

  /**
   * The first place of the queue's next image.
   * @returns {{at: number, image_id: number} | "loading" | "end"}
   */
  nextImage() {
    const here = this.frame;
    for (let at = this.shownAt + 1; here !== null && at < this.length; at += 1) {
      const frame = this.frames.get(at);
      if (frame === undefined) return "loading";
      if (frame.image_id !== here.image_id) return { at, image_id: frame.image_id };
    }
    return "end";
  }

  /**
   * Other masks for instances of the shown image, instances that go, and new ones.
   * @param {string} what names the edit in the journal
   * @param {Change[]} changes of instances that are not there any more nothing is said
   * @param {Drawn[]} [added]
   * @returns {number[]} our own ids of the new ones; nothing is done where the image is not there
   */
  edit(what, changes, added = []) {
    const { frame } = this;
    if (frame === null || this.loading) return [];
    const { categories } = this;
    const edit = operationOf(frame, { what, changes, added, seq: this.seq + 1, categories });
    if (edit === null) return [];
    if (edit.back !== null) this.decide(edit.op, edit.forward, edit.back);
    else {
      this.push(edit.op, edit.forward);
      this.decided.forget();
    }
    return edit.ids;
  }

  /**
   * The network is to look at instances once more: what it makes of them is Python's to say.
   * @param {"threshold" | "tighten" | "closer"} how
   * @param {number[]} ids
   * @param {number} threshold of the mask's probabilities
   * @returns {boolean} whether there was one
   */
  reshape(how, ids, threshold) {
    const { frame } = this;
    if (frame === null || this.loading || ids.length === 0) return false;
    const instances = ids.map((id) => [refOf(id), /** @type {InstanceState} */ (frame.states.get(id)).version]);
    const touched = ids.map((id) => ({ id, touched: true }));
    this.push(
      { kind: "reshape", how, image_id: frame.image_id, threshold, instances },
      { image_id: frame.image_id, instances: touched },
    );
    this.decided.forget();
    return true;
  }

  /** The boxes, and those of lassos, on the shown image that Python has not answered, by the operation's number. */
  get waitingBoxes() {
    const ops = this.pending.map(({ op }) => op);
    const here = ops.filter(({ kind, image_id }) => OF_DRAWINGS.has(kind) && image_id === this.frame?.image_id);
    return new Map(here.map((op) => [String(op.seq), boxOfDrawing(op)]));
  }

  /**
   * @param {"reviewed" | "opened"} status
   * @returns {boolean} whether it was another one
   */
  finish(status) {
    const { frame } = this;
    if (frame === null || this.loading || frame.image_status === status) return false;
    const { image_id, image_version, image_status } = frame;
    this.decide(
      { kind: "finish", image_id, image_version, status },
      { image_id, instances: [], image_status: status },
      { image_id, instances: [], image_status },
    );
    return true;
  }

  /**
   * @param {Omit<Operation, "seq"> & {kind: string}} op
   * @param {Patch} forward
   * @param {Patch} back
   */
  decide(op, forward, back) {
    const seq = this.push(op, forward);
    this.decided.add({ seq, at: this.shownAt, forward, back });
  }

  /**
   * Write an operation into the log, and show what it changes.
   * @param {{kind: string, [name: string]: unknown}} op
   * @param {Patch | null} patch
   */
  push(op, patch) {
    const seq = this.enter(op, patch);
    this.apply(patch);
    return seq;
  }

  /**
   * @param {number} at
   * @returns {"here" | "shown" | "loading" | "end"}
   */
  go(at) {
    if (at < 0 || at >= this.length) return "end";
    if (at === this.at) return "here";
    this.at = at;
    this.push({ kind: "go", token: this.token, at }, null);
    this.settle();
    return this.loading ? "loading" : "shown";
  }

  get canUndo() {
    if (this.decidesPending) {
      const hasMore = this.pending.some(({ op }) => WITHOUT_A_WAY_BACK.has(op.kind));
      return this.decided.canUndo || hasMore || (this.message?.can_undo ?? false);
    }
    return this.message?.can_undo ?? false;
  }

  get canRedo() {
    if (this.decided.canRedo) return true;
    // A decision that Python does not know of yet ends what could be redone; another redo does not.
    const isTurning = this.pending.every(({ op }) => ["go", "undo", "redo"].includes(op.kind));
    return isTurning && (this.message?.can_redo ?? false);
  }

  /**
   * Take back the last decision: at once if it was made on this page, or else when Python has done it.
   * @returns {Patch | "unknown" | null} what it changed; null if there is nothing to undo
   */
  undo() {
    if (!this.canUndo) return null;
    const decision = this.decided.undo();
    return this.turnBack("undo", decision, decision?.back ?? null);
  }

  /** @returns {Patch | "unknown" | null} */
  redo() {
    if (!this.canRedo) return null;
    const decision = this.decided.redo();
    return this.turnBack("redo", decision, decision?.forward ?? null);
  }

  /**
   * @param {"undo" | "redo"} kind
   * @param {Decision | null} decision
   * @param {Patch | null} patch
   */
  turnBack(kind, decision, patch) {
    this.push({ kind }, patch);
    if (decision === null || patch === null) return "unknown";
    this.go(decision.at); // where it can be seen
    return patch;
  }
}
