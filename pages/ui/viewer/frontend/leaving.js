// Silence while a person turns to another page of the app.
//
// What a component sends once a link to another page has been followed reaches Streamlit as a wish to draw a
// part of the page that is being left: it draws an empty page, or comes back to the old one. So everything is
// sent when the link is pressed, before Streamlit hears of it, and nothing after that.

/** Streamlit's links to other pages. */
const LINKS = '[data-testid^="stSidebarNavLink"], [data-testid^="stTopNavLink"], [data-testid^="stPageLink"]';
/** The other page is there by then, or this one stays (ms). */
const SILENCE = 3000;

export class Leaving {
  /**
   * @param {AbortSignal} signal
   * @param {() => void} flush sends what is still to be sent
   */
  constructor(signal, flush) {
    this.until = -Infinity;
    const leave = () => {
      if (this.isNow) return;
      flush();
      this.until = performance.now() + SILENCE;
    };
    const press = (/** @type {Event} */ event) => {
      const isLink = event.composedPath().some((one) => one instanceof Element && one.matches(LINKS));
      if (isLink) leave();
    };
    document.addEventListener("click", press, { signal, capture: true });
    window.addEventListener("popstate", leave, { signal });
  }

  get isNow() {
    return performance.now() < this.until;
  }

  /** How long nothing may be sent (ms). */
  get rest() {
    return Math.max(0, this.until - performance.now());
  }
}
