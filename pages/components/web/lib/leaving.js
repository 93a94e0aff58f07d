// Silence while a person turns to another page of the app.
//
// What a component sends once a link to another page has been followed reaches Streamlit as a wish to draw a
// part of the page that is being left: it draws an empty page, or comes back to the old one. So nothing is sent
// from the press on; what was still to be said is kept in the browser, and said on the page that is drawn next or
// when this one is come back to. What was said just before goes first: Streamlit sends it a moment later than it
// is told, so the link waits for that moment.

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

export class Leaving {
  /**
   * @param {AbortSignal} signal
   * @param {() => void} [flush] says at once what waits to be said
   */
  constructor(signal, flush = () => {}) {
    this.since = -Infinity;
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
    window.addEventListener("popstate", leave, { signal });
  }

  /** For how long nothing may be sent, be it for a press of another kind (ms); then ask again. */
  get rest() {
    const age = performance.now() - this.since;
    if (age < SILENCE) return SILENCE - age;
    return age < LONGEST && isDrawing() ? AGAIN : this.presses.rest;
  }
}
