// Two buttons that go through a list, and keys: Alt with the arrow keys, and, while the picture has the focus, those that
// turn pages.
//
// A press of Streamlit's own button is a message that it may drop when another one follows before the script has
// begun to run. Here each press counts up a state, which goes with every later message too: none is lost, however
// slow the server is.

import { mountScreen } from "../lib/mount.js";
import { Leaving } from "../lib/leaving.js";

/** By the key, the steps from a place among so many. @type {Record<string, (at: number, count: number) => number>} */
const PAGE_KEYS = {
  PageUp: () => -1,
  PageDown: () => 1,
  Home: (at) => -at,
  End: (at, count) => count - 1 - at,
};

/**
 * How many steps a key means; null where it is not ours.
 * @param {import("../lib/actions.js").Press} press
 * @param {{at: number, count: number, isInPicture: boolean}} place where one is in the list, and whether the picture
 *   has the focus: elsewhere these keys scroll the page
 * @returns {number | null}
 */
export function stepsOf({ key, altKey, ctrlKey, metaKey, shiftKey }, { at, count, isInPicture }) {
  if (ctrlKey || metaKey || shiftKey) return null;
  if (altKey) return key === "ArrowLeft" ? -1 : key === "ArrowRight" ? 1 : null;
  return isInPicture && Object.hasOwn(PAGE_KEYS, key) ? PAGE_KEYS[key](at, count) : null;
}

/**
 * @typedef {object} StepperMessage
 * @property {string} session who counts; another one starts from 0
 * @property {number} taken how many steps forward, less those back, have been taken in
 * @property {number} at place in the list, from 0
 * @property {number} count length of the list
 * @property {string} back what the buttons are called
 * @property {string} forward
 */

export class StepCount {
  /**
   * @param {Map<string, number>} counted each session's count: Streamlit may put other buttons in the place of
   * these while Python has not heard of all presses, and they go on from here
   */
  constructor(counted = new Map()) {
    this.counted = counted;
    /** @type {StepperMessage | null} */
    this.data = null;
    this.steps = 0;
    /** What Python was told last: not what it has taken in, which a step forward and one back lead to again. */
    this.said = 0;
  }

  /** @param {StepperMessage} data */
  accept(data) {
    if (this.data?.session !== data.session) {
      this.steps = this.counted.get(data.session) ?? data.taken;
      this.said = data.taken;
    }
    this.data = data;
  }

  /** The place in the list after all steps, also those that are still under way. */
  get at() {
    const { data } = this;
    return data === null ? 0 : Math.min(Math.max(data.at + this.steps - data.taken, 0), data.count - 1);
  }

  /** @param {number} step */
  can(step) {
    const next = this.at + step;
    return this.data !== null && next >= 0 && next < this.data.count;
  }

  /** What Python has not been told yet; null for nothing. */
  get unsaid() {
    const { data, steps } = this;
    return data === null || steps === this.said ? null : { session: data.session, steps };
  }

  /**
   * Counts steps; none where they would lead beyond the ends.
   * @param {number} step
   */
  go(step) {
    if (this.data === null || !this.can(step)) return;
    this.steps += step;
    this.counted.set(this.data.session, this.steps);
  }
}

/** Whether it is a viewer's picture. @param {EventTarget | undefined} target */
function isStage(target) {
  return target instanceof HTMLElement && target.dataset.part === "stage";
}

/** @type {Map<string, number>} */
const countedBySession = new Map();

class Stepper {
  /** @param {HTMLElement} root */
  constructor(root) {
    this.root = root;
    this.count = new StepCount(countedBySession);
    this.stop = new AbortController();
    /** @type {(state: object) => void} */
    this.send = () => {};
    this.timer = 0;
    const { signal } = this.stop;
    this.leave = new Leaving(signal);
    for (const step of /** @type {const} */ ([-1, 1])) {
      this.button(step).addEventListener("click", () => this.go(step), { signal });
    }
    // Before all else on the page: what has the focus may keep its keys to itself.
    document.addEventListener(
      "keydown",
      (event) => {
        const { at, data } = this.count;
        const isInPicture = isStage(event.composedPath()[0]);
        const steps = stepsOf(event, { at, count: data?.count ?? 0, isInPicture });
        if (data === null || steps === null) return;
        event.preventDefault(); // the browser would go back, or scroll the page
        event.stopPropagation();
        this.go(steps);
      },
      { signal, capture: true },
    );
  }

  /** @param {1 | -1} step */
  button(step) {
    const button = this.root.querySelector(step < 0 ? '[data-step="back"]' : '[data-step="forward"]');
    if (!(button instanceof HTMLButtonElement)) throw new TypeError("stepper.html is missing");
    return button;
  }

  /** @param {number} step */
  go(step) {
    this.count.go(step);
    this.tell();
    this.show();
  }

  /** Tells Python, but nothing while another page is on its way; if this one stays after all, then. */
  tell() {
    clearTimeout(this.timer);
    const { unsaid } = this.count;
    if (unsaid === null) return;
    const { rest } = this.leave;
    if (rest > 0) this.timer = window.setTimeout(() => this.tell(), rest);
    else {
      this.count.said = unsaid.steps;
      this.send(unsaid);
    }
  }

  destroy() {
    clearTimeout(this.timer);
    this.stop.abort();
  }

  show() {
    const { data } = this.count;
    if (data === null) return;
    for (const step of /** @type {const} */ ([-1, 1])) {
      const button = this.button(step);
      button.disabled = !this.count.can(step);
      const told = button.querySelector('[data-part="told"]');
      if (told !== null) told.textContent = step < 0 ? data.back : data.forward;
      button.title =
        step < 0
          ? `${data.back} (Alt+←, or Page Up in the picture)`
          : `${data.forward} (Alt+→, or Page Down in the picture)`;
    }
    const place = this.root.querySelector('[data-part="place"]');
    if (place !== null) place.textContent = `${this.count.at + 1} of ${data.count}`;
  }
}

/** @param {import("../lib/mount.js").Component<StepperMessage>} component */
export default function mountStepper({ parentElement, data, setStateValue }) {
  const { screen, leave } = mountScreen(parentElement, "stepper", (root) => new Stepper(root));
  screen.send = (state) => setStateValue("moved", state);
  screen.count.accept(data);
  screen.tell(); // what buttons before these could not say any more
  screen.show();
  return leave;
}
