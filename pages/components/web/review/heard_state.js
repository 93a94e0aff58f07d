// What the reviewer has heard from Python: frames, categories, acknowledgements and refusals, with the patches of all
// unacknowledged operations on top. What a person decides is in review_state.js.

import { Decided } from "./decided.js";
import { OperationLog, REVIEW_VERSION } from "./operation_log.js";
import { answered, madeHere, renameCategories, withOwn } from "./own_categories.js";
import { applyPatch, ownId, readFrame } from "./review_frames.js";

/** @typedef {import("./review_frames.js").SentFrame} SentFrame */
/** @typedef {import("./review_frames.js").Frame} Frame */
/** @typedef {import("./review_frames.js").Patch} Patch */
/** @typedef {{token: string, length: number, at: number, unit: "image" | "instance"}} Queue */
/** What can be said of instances. @typedef {{name: string, kind: "yes-no" | "choice" | "number" | "text", options?: string[]}} Attribute */
/** @typedef {{id: number, name: string, color: string, attributes?: Attribute[]}} Category */
/** Somebody else in the project. @typedef {{name: string, is_here: boolean}} Person */

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
 * @property {Record<string, string>} [taken] who else has a place's image open, by place
 * @property {string[]} [here] who else has the present place's image open
 * @property {Person[]} [people] all others in the project, those at the present place's image first
 * @property {boolean} [is_away] the database does not answer: nothing can be saved now
 */

/** @typedef {import("./operation_log.js").Operation} Operation */
/** @typedef {import("./operation_log.js").Saved} Saved */
/** What was not carried out, why, and what it needs. @typedef {{seq: number, text: string, needs?: string, op?: Operation}} Refusal */

export class HeardState extends OperationLog {
  /** @param {Saved} saved of this tab, from before a reload */
  constructor(saved) {
    super(saved);
    /** @type {ReviewMessage | null} */
    this.message = null;
    /** @type {Map<number, Frame>} by place, with all patches applied */
    this.frames = new Map();
    /** Where the person wants to be, and where the frame that is shown belongs; -1 before the first. */
    this.at = -1;
    this.shownAt = -1;
    this.decided = new Decided();
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

  /** All categories that can be chosen now. */
  get categories() {
    return withOwn(this.message?.categories ?? [], madeHere(this.pending));
  }

  /** Whether another frame is waited for. */
  get loading() {
    return this.at !== this.shownAt && this.length > 0;
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
    const sent = this.pending;
    const sameQueue = this.token === message.queue.token;
    const shown = sameQueue ? this.frame : null;
    this.message = message;
    this.takeCategories(message.categories);
    if (message.ack_client === this.client) {
      this.acknowledge(message.ack_seq);
      this.takeMade(message.made);
    }
    this.frames = new Map(message.frames.map((frame) => [frame.at, readFrame(frame)]));
    for (const { patch } of this.pending) this.apply(patch);
    // The message may know nothing of where the person has gone since: what is seen stays.
    if (shown !== null && !this.frames.has(shown.at)) this.frames.set(shown.at, shown);
    if (!sameQueue) {
      this.shownAt = -1;
      this.decided.forget(); // they name places of the old queue
    }
    const way = this.pending.filter(({ op }) => op.kind === "go" && op.token === message.queue.token);
    const wanted = way.length > 0 ? Number(way[way.length - 1].op.at) : message.queue.at;
    this.at = message.queue.length === 0 ? -1 : Math.min(wanted, message.queue.length - 1);
    this.settle();
    return this.takeRefusals(message, sent);
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
    for (const patch of this.decided.patches) rename(patch);
    for (const [own, id] of fresh) this.renamed.set(own, id);
  }

  /**
   * Categories that were made here have their real ids now: those that still speak of ours are told.
   * @param {Category[]} known
   */
  takeCategories(known) {
    const fresh = answered(madeHere(this.pending), known);
    if (fresh.size === 0) return;
    for (const { patch } of this.pending) renameCategories(patch, fresh);
    for (const patch of this.decided.patches) renameCategories(patch, fresh);
  }

  /** Python's ids for ours, each told once. */
  takeRenamed() {
    const { renamed } = this;
    this.renamed = new Map();
    return renamed;
  }

  /** @param {ReviewMessage} message @param {import("./operation_log.js").Pending[]} sent what waited until then */
  takeRefusals(message, sent) {
    if (message.ack_client !== this.client) return [];
    /** @type {Refusal[]} */
    const fresh = [];
    for (const { seq, text, needs } of message.refused) {
      if (this.told.has(seq)) continue;
      this.told.add(seq);
      fresh.push(
        needs === undefined ? { seq, text } : { seq, text, needs, op: sent.find((one) => one.op.seq === seq)?.op },
      );
      this.decided.drop(seq);
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

  /**
   * Go on under another name: what was made under the old one belongs to another tab.
   * @param {string} client
   */
  rename(client) {
    super.rename(client);
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
}
