// The operations that Python has not acknowledged, in the order in which they were made. A log belongs to one
// tab: it has the tab's name, numbers of its own, and is what the tab's storage keeps. No screen, no frames.

/** @typedef {import("./review_frames.js").Patch} Patch */
/** @typedef {{seq: number, kind: string, who?: string, [name: string]: unknown}} Operation as Python reads it */
/** @typedef {{op: Operation, patch: Patch | null}} Pending */
/** @typedef {{client: string, seq: number, pending: Pending[]}} Saved */

export const REVIEW_VERSION = 3;
/** In one report: less than what `read_operations` refuses. */
const OPERATIONS_SENT = 2000;
const INSTANCES_SENT = 50_000;
/** Characters of masks in one report. */
const MASKS_SENT = 4_000_000;

export class OperationLog {
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
  }

  /** Whether Python has acknowledged all. */
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

  /** Whether Python does not yet know of something that can be undone or redone. */
  get decidesPending() {
    return this.pending.some(({ op }) => op.kind !== "go");
  }

  /**
   * @param {{kind: string, [name: string]: unknown}} op
   * @param {Patch | null} patch what it changes on the screen
   * @returns {number} the operation's number
   */
  enter(op, patch) {
    this.seq += 1;
    const { kind, ...fields } = op;
    const name = this.who === "" ? {} : { who: this.who };
    this.pending.push({ op: { seq: this.seq, kind, ...fields, ...name }, patch });
    return this.seq;
  }

  /** @param {number} seq up to which Python has carried out or refused all */
  acknowledge(seq) {
    this.pending = this.pending.filter(({ op }) => op.seq > seq);
    this.seq = Math.max(this.seq, seq);
  }

  /**
   * Go on under another name: what was made under the old one belongs to another tab.
   * @param {string} client
   */
  rename(client) {
    this.client = client;
    this.pending = this.pending.filter(({ op }) => op.seq > this.restored);
  }

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
