// A finger that is held on the picture: the menu of what is under it, also where a browser makes nothing of that.

/** How long a finger is held (ms): a little longer than the browsers that have a menu of their own wait. */
const HELD = 650;

export class Holding {
  /**
   * @param {HTMLElement} stage
   * @param {AbortSignal} signal
   */
  constructor(stage, signal) {
    this.timer = 0;
    this.wasHeld = false;
    // Else the finger that goes would take the focus to the picture, which closes the menu.
    stage.addEventListener("touchend", (event) => this.wasHeld && event.preventDefault(), { signal, passive: false });
    signal.addEventListener("abort", () => this.stop());
  }

  /** A finger has come. @param {() => void} act once it was held */
  begin(act) {
    this.stop();
    this.wasHeld = false;
    this.timer = window.setTimeout(() => {
      this.wasHeld = true;
      act();
    }, HELD);
  }

  /** It has moved or gone, or a second one has come. */
  stop() {
    clearTimeout(this.timer);
  }
}
