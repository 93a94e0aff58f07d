// Space held over the picture: the hand, which moves it whatever tool is in use.

/** Fields in which a space is written. */
export const WRITTEN_IN =
  "textarea, select, [contenteditable=true], input:not([type=range], [type=checkbox], [type=radio])";

/** What a space presses. */
const PRESSED = "button, summary, a, [role=button], input";

export class Hand {
  /** @param {HTMLElement} stage */
  constructor(stage) {
    this.stage = stage;
    this.isOver = false;
    /** Whether it has the pointer. */
    this.isOut = false;
    /** Whether the focus came to where it is by Tab: a button that was clicked keeps no space. */
    this.cameByTab = false;
  }

  /** @param {AbortSignal} signal */
  listen(signal) {
    const { stage } = this;
    stage.addEventListener("pointerenter", () => (this.isOver = true), { signal });
    stage.addEventListener("pointerleave", () => (this.isOver = false), { signal });
    // From the whole page and before all else: nobody clicks into the picture first, and the page must not scroll.
    document.addEventListener("pointerdown", () => (this.cameByTab = false), { signal, capture: true });
    document.addEventListener("keydown", (event) => this.onKeyDown(event), { signal, capture: true });
    document.addEventListener("keyup", (event) => this.onKeyUp(event), { signal, capture: true });
    window.addEventListener("blur", () => this.put(false), { signal });
  }

  /** @param {boolean} isOut */
  put(isOut) {
    if (this.isOut === isOut) return;
    this.isOut = isOut;
    this.stage.classList.toggle("hand", isOut);
  }

  /** Whether a space means something to what has the focus. @param {EventTarget | undefined} target */
  isTaken(target) {
    return target instanceof Element && (target.matches(WRITTEN_IN) || (this.cameByTab && target.matches(PRESSED)));
  }

  /** @param {KeyboardEvent} event */
  onKeyDown(event) {
    if (event.key === "Tab") this.cameByTab = true;
    if (event.key !== " " || event.ctrlKey || event.metaKey || event.altKey) return;
    if (!this.isOut && (event.repeat || !this.isOver || this.isTaken(event.composedPath()[0]))) return;
    event.preventDefault();
    event.stopPropagation();
    this.put(true);
  }

  /** @param {KeyboardEvent} event */
  onKeyUp(event) {
    if (event.key !== " " || !this.isOut) return;
    event.preventDefault(); // a button that was clicked has the focus, and a space would press it
    event.stopPropagation();
    this.put(false);
  }
}
