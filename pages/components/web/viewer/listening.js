// What the viewer's sliders and buttons do, and what on the page around it makes it report.

import { scaleLimits } from "../lib/geometry.js";
import { TOGGLES } from "./controls.js";
import { VIEWER_ACTS } from "./keys.js";
import { leftThreshold } from "./state.js";

/** @typedef {import("./viewer.js").Viewer} Viewer */
/**
 * Calls for an event, until the viewer is destroyed.
 * @typedef {(target: EventTarget, name: string, handle: (event: any) => void) => void} On
 */

/** Quick changes become one report (ms). */
export const REPORT_DELAY = 180;

/**
 * @param {Viewer} viewer
 * @param {AbortSignal} signal
 */
export function listenToControls(viewer, signal) {
  /** @type {On} */
  const on = (target, name, handle) => target.addEventListener(name, handle, { signal, passive: false });
  listenToSliders(viewer, on);
  listenToButtons(viewer, on);
  listenToCompare(viewer, on);
  listenToPage(viewer, signal);
}

/** @param {Viewer} viewer @param {On} on */
function listenToSliders(viewer, on) {
  const { controls } = viewer;
  on(controls.score, "input", () => viewer.setThreshold(Number(controls.score.value)));
  on(controls.score, "change", () => viewer.choiceMade(REPORT_DELAY));
  on(controls.ownScore, "click", () => {
    const own = viewer.model && leftThreshold(viewer.model);
    if (own === null) return;
    viewer.setThreshold(own);
    controls.score.focus(); // the button goes, and what was reached by keyboard stays reached
    viewer.choiceMade(0);
  });
  on(controls.opacity, "input", () => viewer.setDisplay({ opacity: Number(controls.opacity.value) }));
  on(controls.opacity, "change", () => viewer.report(REPORT_DELAY));
  on(controls.zoom, "input", () => {
    if (viewer.model === null) return;
    const { least, most } = scaleLimits(viewer.model.image, viewer.stage);
    viewer.zoomTo(least * (most / least) ** Number(controls.zoom.value));
  });
}

/** @param {Viewer} viewer @param {On} on */
function listenToButtons(viewer, on) {
  const { controls } = viewer;
  for (const name of TOGGLES) {
    on(controls.toggle(name), "click", () => VIEWER_ACTS[name](viewer));
  }
  for (const name of /** @type {const} */ (["instance", "category"])) {
    on(controls.colorBy(name), "click", () => {
      viewer.setDisplay({ color_by: name });
      viewer.report(0);
    });
  }
  for (const name of ["zoom-in", "zoom-out", "fit", "actual", "help"]) {
    on(controls.part(name, HTMLElement), "click", () => VIEWER_ACTS[name](viewer));
  }
  on(controls.part("close-help", HTMLElement), "click", () => controls.showHelp(false));
  on(controls.moreChips, "click", () => controls.foldChips(controls.isUnfolded));
}

/** The button that shows the bare image while it is held. @param {Viewer} viewer @param {On} on */
function listenToCompare(viewer, on) {
  const { compare } = viewer.controls;
  on(compare, "pointerdown", () => viewer.setCompare(true));
  for (const name of ["pointerup", "pointerleave", "pointercancel"]) on(compare, name, () => viewer.setCompare(false));
  on(compare, "keydown", (event) => {
    if (event.key === " " || event.key === "Enter") viewer.setCompare(true);
  });
  on(compare, "keyup", () => viewer.setCompare(false));
}

/**
 * Whoever turns to another part of the page acts on what is seen here: Python must know of it first.
 * @param {Viewer} viewer
 * @param {AbortSignal} signal
 */
function listenToPage(viewer, signal) {
  const { controls } = viewer;
  document.addEventListener(
    "pointerdown",
    (event) => {
      viewer.report(0);
      if (controls.isUnfolded && !event.composedPath().includes(controls.chipRow)) controls.foldChips(true);
    },
    { signal, capture: true },
  );
  viewer.root.addEventListener("focusout", () => viewer.report(0), { signal });
  document.addEventListener("visibilitychange", () => document.hidden && viewer.report(0), { signal });
  window.addEventListener("pagehide", () => viewer.report(0), { signal });
}
