// The settings of the look, in the panel: sliders and switches, kept by the browser.

import { PLAIN, RANGES, readLook, toneTable } from "./look.js";

/** @typedef {import("./viewer.js").Viewer} Viewer */
/** @typedef {import("./look.js").Look} Look */
/** @typedef {"brightness" | "contrast" | "gamma"} Slider */
/** @typedef {"invert" | "grid" | "crosshair"} Switch */

/** Under this name the browser keeps the look. */
const STORED = "maskdesk-look";
const SLIDERS = /** @type {Slider[]} */ (Object.keys(RANGES));
const SWITCHES = /** @type {const} */ (["invert", "grid", "crosshair"]);

/** A slider's middle is the plain value: brightness goes by steps, the others by factors. @param {Slider} name */
function isFactor(name) {
  return name !== "brightness";
}

/** @returns {Look} */
export function keptLook() {
  try {
    return readLook(localStorage.getItem(STORED));
  } catch {
    return { ...PLAIN };
  }
}

export class LookPanel {
  /**
   * @param {Viewer} viewer
   * @param {AbortSignal} signal
   */
  constructor(viewer, signal) {
    this.viewer = viewer;
    this.part = (/** @type {string} */ name) =>
      /** @type {HTMLElement} */ (viewer.root.querySelector(`[data-look="${name}"]`));
    for (const name of SLIDERS) {
      const input = /** @type {HTMLInputElement} */ (this.part(name));
      const [least, most] = RANGES[name];
      input.min = String(isFactor(name) ? Math.log(least) : least);
      input.max = String(isFactor(name) ? Math.log(most) : most);
      const take = () => {
        const value = Number(input.value);
        this.change({ [name]: Math.abs(value) < 0.02 ? PLAIN[name] : isFactor(name) ? Math.exp(value) : value });
      };
      input.addEventListener("input", take, { signal });
    }
    for (const name of SWITCHES) this.part(name).addEventListener("click", () => this.toggle(name), { signal });
    this.part("turn").addEventListener("click", () => this.turn(), { signal });
    this.part("plain").addEventListener("click", () => this.reset(), { signal });
    this.show();
  }

  /** @param {Switch} name */
  toggle(name) {
    this.change({ [name]: !this.viewer.look[name] });
  }

  /** A quarter turn, clockwise. */
  turn() {
    this.change({ turns: /** @type {Look["turns"]} */ ((this.viewer.look.turns + 1) % 4) });
  }

  reset() {
    this.change(PLAIN);
  }

  /** @param {Partial<Look>} part */
  change(part) {
    const { viewer } = this;
    const { turns } = viewer.look;
    viewer.look = { ...viewer.look, ...part };
    viewer.tones = toneTable(viewer.look);
    try {
      localStorage.setItem(STORED, JSON.stringify(viewer.look));
    } catch {
      // a browser that keeps nothing has it as long as the page is open
    }
    this.show();
    if (turns === viewer.look.turns) viewer.requestFrame();
    else {
      viewer.resize();
      viewer.fit();
    }
  }

  show() {
    const { look } = this.viewer;
    for (const name of SLIDERS) {
      const input = /** @type {HTMLInputElement} */ (this.part(name));
      input.value = String(isFactor(name) ? Math.log(look[name]) : look[name]);
      const text = isFactor(name) ? look[name].toFixed(2) : `${Math.round(100 * look[name])}%`;
      this.part(`${name}-value`).textContent = text;
      input.setAttribute("aria-valuetext", text);
    }
    for (const name of SWITCHES) this.part(name).setAttribute("aria-pressed", String(look[name]));
    const isPlain = /** @type {(keyof Look)[]} */ (Object.keys(PLAIN)).every((name) => look[name] === PLAIN[name]);
    /** @type {HTMLButtonElement} */ (this.part("plain")).disabled = isPlain;
    this.viewer.root.dataset.turns = String(look.turns);
  }
}
