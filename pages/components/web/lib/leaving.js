// Silence while a person turns to another page of the app.
//
// What a component sends once a link to another page has been followed reaches Streamlit as a wish to draw a
// part of the page that is being left: it draws an empty page, or comes back to the old one. So nothing is sent
// from the press on; what was still to be said is kept in the browser, and said on the page that is drawn next or
// when this one is come back to. What was said just before goes first: Streamlit sends it a moment later than it
// is told, so the link waits for that moment.
//
// Nor is anything sent that can wait while the page is drawn. When a part of the page is to be drawn as a run over
// the whole page ends, Streamlit's browser side may apply both at once: it takes that part, which already belongs
// to the later run, for one that the earlier run left out, and builds it anew. What the person has in hand there,
// a tool or half a shape, would be gone.

import { Presses, isDrawing } from "./presses.js";

/** Streamlit's links to other pages. */
const LINKS = '[data-testid^="stSidebarNavLink"], [data-testid^="stTopNavLink"], [data-testid^="stPageLink"]';
/** More than the shortest time of a browser's timers, by which Streamlit puts off what it sends (ms). */
const MOMENT = 10;
/** The app has heard of the link by then (ms). */
const SILENCE = 3000;
/** Whatever happened, the page that is still there goes on after this (ms). */
const LONGEST = 60_000;
const AGAIN = 500;
/** What is told in the page when the whole page was asked for. */
const ASKED = "maskdesk-asked";
/** How often it is looked whether the page is still drawn, and after how long that no longer counts (ms). */
const LOOK = 50;
const PATIENCE = 10_000;
/** So long after the whole page was asked for it is drawn, or will not be (ms). */
const HEARD = 2000;

/**
 * The link to another page that an event is meant for.
 * @param {Event} event
 */
function linkOf(event) {
  const [target] = event.composedPath();
  return target instanceof Element ? target.closest(LINKS) : null;
}

/** @param {MouseEvent} event */
function isPlain({ button, altKey, ctrlKey, metaKey, shiftKey }) {
  return button === 0 && !altKey && !ctrlKey && !metaKey && !shiftKey;
}

/** Tell every component that the whole page was asked for: until it is begun, nobody sees that. */
export function tellAsked() {
  document.dispatchEvent(new Event(ASKED));
}

export class Leaving {
  /**
   * @param {AbortSignal} signal
   * @param {() => void} [flush] says at once what waits to be said
   */
  constructor(signal, flush = () => {}) {
    this.since = -Infinity;
    /** Since when something waits for the page, and when that was looked at last. */
    this.waitingSince = -Infinity;
    this.lookedAt = -Infinity;
    /** When the whole page was asked for, until it is drawn. */
    this.askedAt = -Infinity;
    this.presses = new Presses(signal, (event) => linkOf(event) === null && flush());
    const leave = () => (this.since = performance.now());
    const press = (/** @type {MouseEvent} */ event) => {
      const link = linkOf(event);
      if (link === null || !isPlain(event)) return; // with Ctrl it opens beside this page
      leave();
      if (event.type !== "click" || !event.isTrusted) return;
      event.preventDefault();
      event.stopImmediatePropagation();
      const again = new MouseEvent("click", { bubbles: true, cancelable: true, composed: true });
      setTimeout(() => (event.target ?? link).dispatchEvent(again), MOMENT);
    };
    document.addEventListener("pointerdown", press, { signal, capture: true });
    document.addEventListener("click", press, { signal, capture: true });
    document.addEventListener(ASKED, () => (this.askedAt = performance.now()), { signal });
    window.addEventListener("popstate", leave, { signal });
  }

  /** For how long nothing may be sent, be it for a press of another kind (ms); then ask again. */
  get rest() {
    const age = performance.now() - this.since;
    if (age < SILENCE) return SILENCE - age;
    return age < LONGEST && isDrawing() ? AGAIN : this.presses.rest;
  }

  /** For how long what can wait is not sent (ms): as `rest`, and while Streamlit draws; then ask again. */
  get calm() {
    const { rest } = this;
    if (rest > 0) return rest;
    const now = performance.now();
    const isDrawn = isDrawing();
    if (isDrawn) this.askedAt = -Infinity;
    const isAwaited = isDrawn || now - this.askedAt < HEARD;
    // What waits looks again and again: after a pause it is something else.
    if (!isAwaited || now - this.lookedAt > AGAIN) this.waitingSince = now;
    this.lookedAt = now;
    return isAwaited && now - this.waitingSince < PATIENCE ? LOOK : 0;
  }
}
