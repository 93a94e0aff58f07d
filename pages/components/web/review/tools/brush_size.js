// The size of brush and eraser: by keys, wheel and a slider on the picture, thinner where a pen is pressed lightly, and kept
// by the browser.

/** @typedef {import("../../viewer/viewer.js").Viewer} Viewer */

/** In pixels of the image. */
export const LEAST_SIZE = 1;
export const MOST_SIZE = 400;
const FIRST_SIZE = 24;
const GROWTH = 1.25;
/** A pen that is pressed this much, as one without a sensor always is, paints at the full size. */
const FULL_PRESSURE = 0.5;
/** Of the full size, however lightly a pen is pressed. */
const LEAST_SHARE = 0.15;
/** Under this name the browser keeps the size. */
const STORED = "maskdesk-brush-size";

/** @param {number} size */
function bounded(size) {
  return Math.min(Math.max(Math.round(size), LEAST_SIZE), MOST_SIZE);
}

export class BrushSize {
  constructor() {
    this.size = keptSize();
    /** @type {HTMLElement | null} the slider with its label, while a brush is in use */
    this.box = null;
  }

  /** One step larger or smaller. @param {1 | -1} way */
  step(way) {
    const { size } = this;
    this.set(way > 0 ? Math.max(size + 1, size * GROWTH) : Math.min(size - 1, size / GROWTH));
  }

  /** @param {number} size */
  set(size) {
    this.size = bounded(size);
    try {
      localStorage.setItem(STORED, String(this.size));
    } catch {
      // a browser that keeps nothing has it as long as the page is open
    }
    this.showSize();
  }

  /** The size under a pen's pressure. @param {number} pressure from 0 to 1; 1 for all else */
  under(pressure) {
    return Math.max(LEAST_SIZE, this.size * Math.min(1, Math.max(LEAST_SHARE, pressure / FULL_PRESSURE)));
  }

  // ---- the slider: as far from 1 to 20 pixels as from 20 to 400 ----

  /** @param {Viewer} viewer */
  showSlider(viewer) {
    this.hideSlider();
    const box = document.createElement("label");
    const input = document.createElement("input");
    box.className = "float brush-size";
    Object.assign(input, { type: "range", min: "0", max: "1", step: "any", ariaLabel: "Size of the brush" });
    box.append("Size", input, document.createElement("output"));
    input.addEventListener("input", () => {
      this.set(LEAST_SIZE * (MOST_SIZE / LEAST_SIZE) ** Number(input.value));
      viewer.requestFrame();
    });
    input.addEventListener("change", () => viewer.controls.stage.focus()); // keys are the picture's again
    viewer.controls.stage.append(box);
    this.box = box;
    this.showSize();
  }

  hideSlider() {
    this.box?.remove();
    this.box = null;
  }

  showSize() {
    if (this.box === null) return;
    const input = /** @type {HTMLInputElement} */ (this.box.querySelector("input"));
    const text = `${this.size} px`;
    input.value = String(Math.log(this.size / LEAST_SIZE) / Math.log(MOST_SIZE / LEAST_SIZE));
    input.setAttribute("aria-valuetext", text);
    /** @type {HTMLElement} */ (this.box.querySelector("output")).textContent = text;
  }
}

function keptSize() {
  try {
    const kept = Number(localStorage.getItem(STORED) ?? FIRST_SIZE);
    return Number.isFinite(kept) && kept >= LEAST_SIZE ? bounded(kept) : FIRST_SIZE;
  } catch {
    return FIRST_SIZE;
  }
}
