// What the reviewer knows: the frames that Python sent, the operations that Python has not acknowledged, and
// where in the queue the person is. No screen.
//
// A decision is an operation in a log and at the same time a patch: the values that it gives to rows. What is
// shown is always Python's last frames with the patches of all unacknowledged operations on top, so a message
// that does not know of them yet takes nothing back. A row that a patch changes counts its version up by one,
// as the store does: the next decision on it then names the version that it will have.

import { applyPatch, boxOfFour, ownId, readFrame, refOf, stateOfDrawn } from "./review_frames.js";

/** @typedef {import("../../viewer/frontend/state.js").Instance} Instance */
/** @typedef {import("./review_frames.js").Status} Status */
/** @typedef {import("./review_frames.js").InstanceState} InstanceState */
/** @typedef {import("./review_frames.js").SentFrame} SentFrame */
/** @typedef {import("./review_frames.js").Frame} Frame */
/** @typedef {import("./review_frames.js").Values} Values */
/** @typedef {import("./review_frames.js").Patch} Patch */
/** @typedef {import("./review_frames.js").Change} Change */
/** @typedef {import("./review_frames.js").Drawn} Drawn */
/** @typedef {{token: string, length: number, at: number, unit: "image" | "instance"}} Queue */
/** @typedef {{id: number, name: string, color: string}} Category */

/**
 * @typedef {object} ReviewMessage
 * @property {number} version
 * @property {SentFrame[]} frames
 * @property {Queue} queue
 * @property {Category[]} categories
 * @property {string} ack_client
 * @property {number} ack_seq
 * @property {number} project_id whose queue it is
 * @property {string} [who] the name that the person gave in this session; empty where Python does not know it
 * @property {Refusal[]} refused in this project
 * @property {Refusal[]} [remarks] what undo and redo did in this project
 * @property {Record<string, number[]>} made ids of what operations of that client have made, by their numbers
 * @property {boolean} can_undo
 * @property {boolean} can_redo
 * @property {boolean} [is_away] the database does not answer: nothing can be saved now
 * @property {number} [height] of the stage, in CSS pixels
 */

/** @typedef {{seq: number, kind: string, who?: string, [name: string]: unknown}} Operation as Python reads it */
/** What was not carried out, and why. @typedef {{seq: number, text: string}} Refusal */
/** @typedef {{op: Operation, patch: Patch | null}} Pending */
/** @typedef {{client: string, seq: number, pending: Pending[]}} Saved */
/** @typedef {{seq: number, at: number, forward: Patch, back: Patch}} Decision */

export const REVIEW_VERSION = 3;
/** Decisions that can be taken back at once, without waiting for Python to say what they were. */
const DECISIONS_KEPT = 500;
/** In one report: less than what `read_operations` refuses. */
const OPERATIONS_SENT = 2000;
const INSTANCES_SENT = 50_000;
/** Characters of masks in one report. */
const MASKS_SENT = 4_000_000;
/** What is drawn here lies under these colours until Python says its own. */
const DRAWN_COLOR = "#e6194b";

export class ReviewState {
  /** @param {Saved} saved of this tab, from before a reload */
  constructor(saved) {
    this.client = saved.client;
    /** Whose decisions are made from now on; empty until somebody has said it. */
    this.who = "";
    this.seq = saved.seq;
    /** @type {Pending[]} not acknowledged, oldest first */
    this.pending = saved.pending;
    /** Numbers up to here were made before the page was loaded. */
    this.restored = saved.seq;
    /** @type {ReviewMessage | null} */
    this.message = null;
    /** @type {Map<number, Frame>} by place, with all patches applied */
    this.frames = new Map();
    /** Where the person wants to be, and where the frame that is shown belongs; -1 before the first. */
    this.at = -1;
    this.shownAt = -1;
    /** @type {Decision[]} of this page, oldest first; those from `standing` on are undone */
    this.decisions = [];
    this.standing = 0;
    /** Undone operations that only Python knows. */
    this.unknownUndone = 0;
    /** @type {Set<number>} refusals that have been told */
    this.told = new Set();
    /** @type {Map<number, number>} Python's ids for ours, since they were last asked for */
    this.renamed = new Map();
    /** @type {Map<number, number[]>} what operations have made, by their numbers */
    this.made = new Map();
  }

  get token() {
    return this.message?.queue.token ?? "";
  }

  get length() {
    return this.message?.queue.length ?? 0;
  }

  /** @returns {Frame | null} the frame that is shown */
  get frame() {
    return this.frames.get(this.shownAt) ?? null;
  }

  /** Whether another frame is waited for. */
  get loading() {
    return this.at !== this.shownAt && this.length > 0;
  }

  get saved() {
    return this.pending.length === 0;
  }

  /** Whether something waits to be told whose decision it is. */
  get isNameless() {
    return this.pending.some(({ op }) => op.who === undefined && op.kind !== "go");
  }

  /**
   * Take the name that the person has; what is nobody's yet becomes theirs.
   * @param {string} who empty changes nothing
   * @returns {boolean} whether something became theirs, which has to be sent again then
   */
  call(who) {
    if (who === "") return false;
    this.who = who;
    const nameless = this.pending.filter(({ op }) => op.who === undefined);
    for (const { op } of nameless) op.who = who;
    return nameless.length > 0;
  }

  // ---- Python's word ----

  /**
   * Take in a message.
   * @param {ReviewMessage} message
   * @returns {Refusal[]} what was refused, to be told
   */
  accept(message) {
    if (message.version !== REVIEW_VERSION) {
      throw new RangeError(`message version ${message.version}, this reviewer reads ${REVIEW_VERSION}`);
    }
    const sameQueue = this.token === message.queue.token;
    const shown = sameQueue ? this.frame : null;
    this.message = message;
    if (message.ack_client === this.client) {
      this.pending = this.pending.filter(({ op }) => op.seq > message.ack_seq);
      this.seq = Math.max(this.seq, message.ack_seq);
      this.takeMade(message.made);
    }
    this.frames = new Map(message.frames.map((frame) => [frame.at, readFrame(frame)]));
    for (const { patch } of this.pending) this.apply(patch);
    // The message may know nothing of where the person has gone since: what is seen stays.
    if (shown !== null && !this.frames.has(shown.at)) this.frames.set(shown.at, shown);
    if (!sameQueue) {
      this.shownAt = -1;
      this.forgetDecisions(); // they name places of the old queue
    }
    const way = this.pending.filter(({ op }) => op.kind === "go" && op.token === message.queue.token);
    const wanted = way.length > 0 ? Number(way[way.length - 1].op.at) : message.queue.at;
    this.at = message.queue.length === 0 ? -1 : Math.min(wanted, message.queue.length - 1);
    this.settle();
    return this.takeRefusals(message);
  }

  /**
   * What was made here has its real ids now: those that still speak of ours are told.
   * @param {Record<string, number[]>} made
   */
  takeMade(made) {
    /** @type {Map<number, number>} */
    const fresh = new Map();
    for (const [text, ids] of Object.entries(made)) {
      const seq = Number(text);
      if (this.made.has(seq)) continue;
      this.made.set(seq, ids);
      ids.forEach((id, k) => fresh.set(ownId(seq, k), id));
    }
    if (fresh.size === 0) return;
    const rename = (/** @type {Patch | null} */ patch) => {
      for (const entry of patch?.instances ?? []) entry.id = fresh.get(entry.id) ?? entry.id;
    };
    for (const { patch } of this.pending) rename(patch);
    for (const { forward, back } of this.decisions) for (const patch of [forward, back]) rename(patch);
    for (const [own, id] of fresh) this.renamed.set(own, id);
  }

  /** Python's ids for ours, each told once. */
  takeRenamed() {
    const { renamed } = this;
    this.renamed = new Map();
    return renamed;
  }

  /** @param {ReviewMessage} message */
  takeRefusals(message) {
    if (message.ack_client !== this.client) return [];
    /** @type {Refusal[]} */
    const fresh = [];
    for (const { seq, text } of message.refused) {
      if (this.told.has(seq)) continue;
      this.told.add(seq);
      fresh.push({ seq, text });
      const place = this.decisions.findIndex((decision) => decision.seq === seq);
      if (place < 0) this.forgetDecisions(); // an undo or redo: what stands is for Python to say
      else {
        this.decisions.splice(place, 1);
        if (place < this.standing) this.standing -= 1;
      }
    }
    return fresh;
  }

  /** What undo and redo did, each told once. @returns {string} */
  takeRemark() {
    const { message } = this;
    if (message === null || message.ack_client !== this.client) return "";
    const fresh = (message.remarks ?? []).filter(({ seq }) => !this.told.has(seq));
    for (const { seq } of fresh) this.told.add(seq);
    return fresh.map(({ text }) => text).join(". ");
  }

  forgetDecisions() {
    this.decisions = [];
    this.standing = 0;
    this.unknownUndone = 0;
  }

  /**
   * Go on under another name: what was made under the old one belongs to another tab.
   * @param {string} client
   */
  rename(client) {
    this.client = client;
    this.pending = this.pending.filter(({ op }) => op.seq > this.restored);
    if (this.message !== null) this.accept({ ...this.message, ack_client: "" });
  }

  /** Show the wanted frame if it is there. */
  settle() {
    if (this.frames.has(this.at)) this.shownAt = this.at;
  }

  /** @param {Patch | null} patch */
  apply(patch) {
    if (patch === null) return;
    for (const frame of this.frames.values()) if (frame.image_id === patch.image_id) applyPatch(frame, patch);
  }

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
    const values = { category_id: categoryId };
    this.decideInstances("relabel", values, changed, (state) => ({ category_id: state.category_id }));
    return changed;
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
   * @param {Values} values
   * @param {number[]} ids
   * @param {(state: InstanceState) => Values} old
   * @param {Values} [becomes] what changes with it, where that is more than is said
   */
  decideInstances(kind, values, ids, old, becomes = values) {
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
   * @returns {boolean} whether there is an image
   */
  drawBox(box) {
    const { frame } = this;
    if (frame === null || this.loading) return false;
    this.push({ kind: "draw_box", image_id: frame.image_id, box }, null);
    this.forgetDecisions();
    return true;
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
    if (frame === null || this.loading || changes.length + added.length === 0) return [];
    const { image_id } = frame;
    const instanceOf = new Map(frame.message.instances.map((instance) => [instance.id, instance]));
    /** @type {({id: number} & Values)[]} */
    const forward = [];
    /** @type {({id: number} & Values)[]} */
    const back = [];
    /** @type {object[]} */
    const sent = [];
    for (const { id, mask, polygons, givesWay } of changes) {
      const state = frame.states.get(id);
      const instance = instanceOf.get(id);
      if (state === undefined || instance === undefined) continue;
      const row = { id: refOf(id), version: state.version };
      if (mask === null) {
        forward.push({ id, gone: true });
        sent.push({ ...row, gone: true });
        continue;
      }
      const status = /** @type {Status} */ (givesWay ? state.status : "accepted"); // who mends a mask wants it
      forward.push({ id, status, mask, polygons: polygons ?? null });
      const was = { counts: instance.rle?.counts ?? "", box: boxOfFour(instance.box) };
      back.push({ id, status: state.status, mask: was, polygons: state.polygons });
      sent.push({ ...row, status, counts: mask.counts, ...(polygons === undefined ? {} : { polygons }) });
    }
    if (sent.length + added.length === 0) return [];
    const seq = this.seq + 1;
    const op = {
      kind: "edit", what, image_id, changes: sent,
      added: added.map(({ category_id, mask, polygons, is_crowd }) => ({
        category_id, counts: mask.counts, polygons: polygons ?? null, ...(is_crowd ? { is_crowd } : {}),
      })),
    };
    const isPlain = added.length === 0 && back.length === forward.length && back.every(({ mask }) => mask?.counts !== "");
    if (isPlain) {
      this.decide(op, { image_id, instances: forward }, { image_id, instances: back });
      return [];
    }
    const ids = added.map((_, k) => ownId(seq, k));
    const look = added.map((drawn, k) => ({ instance: this.lookOfDrawn(drawn, ids[k]), state: stateOfDrawn(drawn) }));
    this.push(op, { image_id, instances: forward, added: look });
    this.forgetDecisions(); // what comes and goes is for Python to take back: it knows the rows
    return ids;
  }

  /**
   * @param {Drawn} drawn
   * @param {number} id
   * @returns {Instance}
   */
  lookOfDrawn({ category_id, mask }, id) {
    const { width, height } = /** @type {Frame} */ (this.frame).message.image;
    const category = this.message?.categories.find((one) => one.id === category_id);
    return {
      id, category_id, label: category?.name ?? "", score: 1,
      box: [...mask.box], rle: { size: [height, width], counts: mask.counts },
      color_instance: DRAWN_COLOR, color_category: category?.color ?? DRAWN_COLOR,
    };
  }

  /**
   * The network is to look at instances once more: what it makes of them is Python's to say.
   * @param {"threshold" | "tighten"} how
   * @param {number[]} ids
   * @param {number} threshold of the mask's probabilities
   * @returns {boolean} whether there was one
   */
  reshape(how, ids, threshold) {
    const { frame } = this;
    if (frame === null || this.loading || ids.length === 0) return false;
    const instances = ids.map((id) => [refOf(id), /** @type {InstanceState} */ (frame.states.get(id)).version]);
    const touched = ids.map((id) => ({ id, touched: true }));
    this.push({ kind: "reshape", how, image_id: frame.image_id, threshold, instances }, { image_id: frame.image_id, instances: touched });
    this.forgetDecisions();
    return true;
  }

  /** The boxes on the shown image that Python has not answered, by the operation's number. */
  get waitingBoxes() {
    const ops = this.pending.map(({ op }) => op);
    const here = ops.filter((op) => op.kind === "draw_box" && op.image_id === this.frame?.image_id);
    return new Map(here.map((op) => [String(op.seq), /** @type {[number, number, number, number]} */ (op.box)]));
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
    this.decisions.length = this.standing;
    this.decisions.push({ seq, at: this.shownAt, forward, back });
    if (this.decisions.length > DECISIONS_KEPT) this.decisions.shift();
    this.standing = this.decisions.length;
    this.unknownUndone = 0;
  }

  /**
   * @param {{kind: string, [name: string]: unknown}} op
   * @param {Patch | null} patch
   */
  push(op, patch) {
    this.seq += 1;
    const { kind, ...fields } = op;
    const name = this.who === "" ? {} : { who: this.who };
    this.pending.push({ op: { seq: this.seq, kind, ...fields, ...name }, patch });
    this.apply(patch);
    return this.seq;
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
      const hasMore = this.pending.some(({ op }) => ["draw_box", "edit", "reshape"].includes(op.kind));
      return this.standing > 0 || hasMore || (this.message?.can_undo ?? false);
    }
    return this.message?.can_undo ?? false;
  }

  get canRedo() {
    if (this.unknownUndone > 0 || this.standing < this.decisions.length) return true;
    // A decision that Python does not know of yet ends what could be redone; another redo does not.
    const isTurning = this.pending.every(({ op }) => ["go", "undo", "redo"].includes(op.kind));
    return isTurning && (this.message?.can_redo ?? false);
  }

  /** Whether Python does not yet know of something that can be undone or redone. */
  get decidesPending() {
    return this.pending.some(({ op }) => op.kind !== "go");
  }

  /**
   * Take back the last decision: at once if it was made on this page, or else when Python has done it.
   * @returns {Patch | "unknown" | null} what it changed; null if there is nothing to undo
   */
  undo() {
    if (!this.canUndo) return null;
    const decision = this.standing > 0 ? this.decisions[this.standing - 1] : null;
    if (decision === null) this.unknownUndone += 1;
    else this.standing -= 1;
    return this.turnBack("undo", decision, decision?.back ?? null);
  }

  /** @returns {Patch | "unknown" | null} */
  redo() {
    if (!this.canRedo) return null;
    const known = this.unknownUndone === 0 && this.standing < this.decisions.length;
    const decision = known ? this.decisions[this.standing] : null;
    if (decision !== null) this.standing += 1;
    else this.unknownUndone = Math.max(0, this.unknownUndone - 1);
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

  // ---- to Python and to the tab's storage ----

  /** The oldest operations that are not acknowledged: all, unless they are more than Python takes at once. */
  report() {
    /** @type {Operation[]} */
    const ops = [];
    let instances = 0;
    let text = 0;
    for (const { op } of this.pending) {
      instances += Array.isArray(op.instances) ? op.instances.length : 0;
      text += op.kind === "edit" ? JSON.stringify(op).length : 0;
      const isFull = ops.length >= OPERATIONS_SENT || instances > INSTANCES_SENT || text > MASKS_SENT;
      if (ops.length > 0 && isFull) break;
      ops.push(op);
    }
    return { version: REVIEW_VERSION, client: this.client, ops };
  }

  /** @returns {Saved} */
  toSave() {
    return { client: this.client, seq: this.seq, pending: this.pending };
  }
}
