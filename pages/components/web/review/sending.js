// The way of operations to Python: when they are sent, when once more, and when nothing may be.

import { isDrawing } from "../lib/presses.js";
import { connection, save, wake } from "./review_session.js";

/** @typedef {import("./review_state.js").ReviewState} ReviewState */
/** @typedef {import("../lib/leaving.js").Leaving} Leaving */

/** After this long without an acknowledgement the person is told (ms). */
const LATE_AFTER = 5000;
/** Python gets the next operations when it has answered the last ones, or after this long (ms), and then after
 *  twice that, and so on: each report ends the run that is under way, and a run that is always ended answers
 *  nothing. */
const PATIENCE = 800;
/** So long after a lost connection a server that had to start may take to draw the page again (ms). */
const AFTER_CONNECTION = 60_000;
/** When it has drawn nothing for this long, it knows the page still or has no reason to (ms). */
const CALM = 3000;
const PATIENCE_AT_MOST = 15_000;
/** What was not acknowledged is sent again after this long (ms), and then after twice that, and so on. */
const SEND_AGAIN = 6000;
const SEND_AGAIN_AT_MOST = 60_000;
/** How often it is tried while the database does not respond (ms). */
const SEND_AGAIN_AWAY = 3000;

export class Sending {
  /**
   * @param {ReviewState} state
   * @param {Leaving} leave
   */
  constructor(state, leave) {
    this.state = state;
    this.leave = leave;
    /** @type {(name: string, value: unknown) => void} */
    this.setStateValue = () => {};
    /** Nothing is sent under a name that another tab may have. */
    this.named = false;
    /** Greatest number that was sent; operations after it are new. */
    this.sent = 0;
    this.sentAt = -Infinity;
    this.isAnswered = true;
    this.patience = PATIENCE;
    this.timer = 0;
    this.flushAsked = false;
    /** When Python last acknowledged something, or the first of what waits was done. */
    this.progressAt = performance.now();
    this.sendAgain = SEND_AGAIN;
    /** Until then nothing is sent: see `isSilent`. */
    this.silentUntil = 0;
    this.calmSince = 0;
    /** Whether the app has drawn since the connection came back. */
    this.hasDrawn = true;
  }

  /** The tab's name is its own: what waits may go. */
  begin() {
    this.named = true;
    save(sessionStorage, this.state.toSave());
    this.flush();
  }

  /** Python has drawn the page, so it hears us. @param {(name: string, value: unknown) => void} setStateValue */
  connect(setStateValue) {
    this.setStateValue = setStateValue;
    this.silentUntil = 0;
  }

  /**
   * What a message of Python's says of what was sent.
   * @param {{hasNamed: boolean, hasProgress: boolean, isAway: boolean}} facts whether what waits has a name now,
   *   whether less of it waits than before, and whether Python could not save it
   */
  hear({ hasNamed, hasProgress, isAway }) {
    if (hasNamed) this.sent = 0; // Python would not have them without
    if (hasNamed || hasProgress) {
      this.progressAt = performance.now();
      this.sendAgain = SEND_AGAIN;
      this.patience = PATIENCE;
      save(sessionStorage, this.state.toSave());
    }
    if (isAway) {
      // That is an answer, too: it could not be saved.
      this.isAnswered = true;
      this.sendAgain = SEND_AGAIN_AWAY;
    }
    if (!this.state.pending.some(({ op }) => op.seq <= this.sent)) this.isAnswered = true;
  }

  /** There are new operations: keep them in the tab and send them. */
  keep() {
    if (this.named) save(sessionStorage, this.state.toSave());
    if (!this.flushAsked) {
      // What one key does becomes one report.
      this.flushAsked = true;
      queueMicrotask(() => {
        this.flushAsked = false;
        this.flush();
      });
    }
  }

  /** @param {boolean} now whether to send although Python has not answered what was sent before, or draws the page */
  flush(now = false) {
    const { state } = this;
    const report = state.report();
    const last = report.ops[report.ops.length - 1]?.seq ?? 0;
    if (!this.named || state.message === null || last <= this.sent || this.isSilent()) return;
    const patience = this.isAnswered || now ? 0 : this.sentAt + this.patience - performance.now();
    const wait = Math.max(patience, now ? this.leave.rest : this.leave.calm);
    clearTimeout(this.timer);
    if (wait > 0) {
      this.timer = window.setTimeout(() => this.flush(), wait);
      return;
    }
    if (!state.pending.some(({ op }) => op.seq <= this.sent)) this.progressAt = performance.now();
    this.sendReport(report);
  }

  /** @param {ReturnType<ReviewState["report"]>} report with operations */
  sendReport(report) {
    this.sent = report.ops[report.ops.length - 1].seq;
    this.sentAt = performance.now();
    if (!this.isAnswered) this.patience = Math.min(2 * this.patience, PATIENCE_AT_MOST);
    this.isAnswered = false;
    this.setStateValue("ops", report);
  }

  /**
   * While there is no connection, and until the page has been drawn again after it: a restarted server knows
   * nothing of this part of the page, and a wish to draw it would take the place of the whole page's. Streamlit has
   * the page drawn again only where something was under way when the connection was lost; or else we do.
   */
  isSilent() {
    const now = performance.now();
    if (connection() !== "CONNECTED") {
      this.silentUntil = now + AFTER_CONNECTION;
      this.calmSince = now;
      this.hasDrawn = false;
      this.sent = 0; // what was sent into the void is sent again
      this.sendAgain = SEND_AGAIN;
    } else if (now < this.silentUntil) {
      if (isDrawing()) {
        this.calmSince = now;
        this.hasDrawn = true;
      } else if (now - this.calmSince > CALM) {
        // A server that has just started may need some time for it, or the wish was lost with the connection.
        if (this.hasDrawn || !wake()) this.silentUntil = 0;
        this.calmSince = now;
      }
    }
    return now < this.silentUntil;
  }

  /** Whether acknowledgements are so late that the person is told. */
  get isLate() {
    return !this.state.saved && performance.now() - this.progressAt > LATE_AFTER;
  }

  /**
   * Sends again what was not acknowledged for long.
   * @returns {boolean} whether something waits
   */
  tick() {
    const { state } = this;
    if (state.saved || !this.named || state.message === null) return false;
    const now = performance.now();
    const isOpen = !this.isSilent() && this.leave.rest === 0;
    if (isOpen && now - Math.max(this.sentAt, this.progressAt) > this.sendAgain) {
      if (state.message.is_away) this.sendAgain = SEND_AGAIN_AWAY;
      else this.sendAgain = Math.min(2 * this.sendAgain, SEND_AGAIN_AT_MOST);
      this.sendReport(state.report());
    }
    return true;
  }

  stop() {
    clearTimeout(this.timer);
  }
}
