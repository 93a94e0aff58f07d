// The decisions of this page that can be taken back at once, without waiting for Python to say what they were. No screen.

/** @typedef {import("./review_frames.js").Patch} Patch */
/** @typedef {{seq: number, at: number, forward: Patch, back: Patch}} Decision */

/** So many are kept. */
const DECISIONS_KEPT = 500;

export class Decided {
  constructor() {
    /** @type {Decision[]} oldest first; those from `standing` on are undone */
    this.decisions = [];
    this.standing = 0;
    /** Undone operations that only Python knows. */
    this.unknownUndone = 0;
  }

  /** Whether there is something here to undo. */
  get canUndo() {
    return this.standing > 0;
  }

  /** Whether something was undone since the last decision. */
  get canRedo() {
    return this.unknownUndone > 0 || this.standing < this.decisions.length;
  }

  /** A new decision ends what could be redone. @param {Decision} decision */
  add(decision) {
    this.decisions.length = this.standing;
    this.decisions.push(decision);
    if (this.decisions.length > DECISIONS_KEPT) this.decisions.shift();
    this.standing = this.decisions.length;
    this.unknownUndone = 0;
  }

  forget() {
    this.decisions = [];
    this.standing = 0;
    this.unknownUndone = 0;
  }

  /**
   * A decision was refused. If none here has its number, it was an undo or redo: what stands is for Python to say.
   * @param {number} seq
   */
  drop(seq) {
    const place = this.decisions.findIndex((decision) => decision.seq === seq);
    if (place < 0) {
      this.forget();
      return;
    }
    this.decisions.splice(place, 1);
    if (place < this.standing) this.standing -= 1;
  }

  /** Undo the last one. @returns {Decision | null} null where only Python knows it */
  undo() {
    if (this.canUndo) {
      this.standing -= 1;
      return this.decisions[this.standing];
    }
    this.unknownUndone += 1;
    return null;
  }

  /** Redo what was undone last. @returns {Decision | null} null where only Python knows it */
  redo() {
    if (this.unknownUndone === 0 && this.standing < this.decisions.length) {
      this.standing += 1;
      return this.decisions[this.standing - 1];
    }
    this.unknownUndone = Math.max(0, this.unknownUndone - 1);
    return null;
  }

  /** All patches, so that what they name can be renamed. */
  get patches() {
    return this.decisions.flatMap(({ forward, back }) => [forward, back]);
  }
}
