// The desk's frame: it fills what is left of the window, with a panel beside the picture that folds away.
//
// Its height follows from the window's height and from where it begins, never from what its own texts say. Something
// above it that goes lets it grow; something that comes does not make it smaller.

/** Below the desk, in CSS pixels. */
const BELOW = 6;
/** However low the window is: who scrolls then has a picture worth scrolling to. */
const LEAST_HEIGHT = 300;
/** Widths of the panel in CSS pixels. */
export const PANEL_WIDTHS = { least: 168, usual: 216, most: 520 };
/** How far an arrow key moves the panel's edge. */
const EDGE_STEP = 16;
/** From this width of the desk on the panel is open until somebody folds it. */
const ROOMY = 1030;
/** Under this name the browser keeps how the panel was left. */
const STORED = "maskdesk-panel";

/** @typedef {{isOpen: boolean | null, width: number}} PanelState how it was left; null if nobody has folded it */

/**
 * @param {number} windowHeight
 * @param {number} top where the desk begins in a page that is not scrolled
 */
export function deskHeight(windowHeight, top) {
  return Math.max(LEAST_HEIGHT, Math.floor(windowHeight - top - BELOW));
}

/** @param {number} width */
export function boundedWidth(width) {
  return Math.min(PANEL_WIDTHS.most, Math.max(PANEL_WIDTHS.least, Math.round(width)));
}

/**
 * How the panel was left; what does not hold is as if it was never touched.
 * @param {string | null} text
 * @returns {PanelState}
 */
export function readPanel(text) {
  /** @type {any} */
  let kept = null;
  try {
    kept = JSON.parse(text ?? "null");
  } catch {
    // somebody else's, or damaged
  }
  return {
    isOpen: typeof kept?.isOpen === "boolean" ? kept.isOpen : null,
    width: Number.isFinite(kept?.width) ? boundedWidth(kept.width) : PANEL_WIDTHS.usual,
  };
}

/** @returns {Storage | null} */
function storage() {
  try {
    return localStorage;
  } catch {
    return null; // a browser that keeps nothing
  }
}

export class DeskFrame {
  /**
   * @param {import("./controls.js").Controls} controls
   * @param {AbortSignal} signal
   */
  constructor(controls, signal) {
    this.root = controls.root;
    this.controls = controls;
    this.frame = controls.part("frame", HTMLElement);
    this.edge = controls.part("panel-edge", HTMLElement);
    this.panelToggle = controls.part("panel-toggle", HTMLButtonElement);
    this.fullScreen = controls.part("full-screen", HTMLButtonElement);
    this.panel = readPanel(storage()?.getItem(STORED) ?? null);
    /** The least that was seen since the window has its size. */
    this.top = Infinity;
    this.fullScreen.hidden = !document.fullscreenEnabled;
    this.listen(signal);
    this.showPanel();
    this.measure();
  }

  /** @param {AbortSignal} signal */
  listen(signal) {
    window.addEventListener("resize", () => this.measureAnew(), { signal });
    document.addEventListener("fullscreenchange", () => this.showFullScreen(), { signal });
    this.panelToggle.addEventListener("click", () => this.togglePanel(), { signal });
    this.fullScreen.addEventListener("click", () => this.toggleFullScreen(), { signal });
    this.listenToEdge(signal);
    const page = this.scroller.firstElementChild;
    if (page === null) return;
    const growth = new ResizeObserver(() => this.measure());
    growth.observe(page);
    signal.addEventListener("abort", () => growth.disconnect());
  }

  /** @param {AbortSignal} signal */
  listenToEdge(signal) {
    const { edge } = this;
    /** @type {{x: number, width: number} | null} */
    let held = null;
    edge.addEventListener(
      "pointerdown",
      (event) => {
        held = { x: event.clientX, width: this.panel.width };
        edge.setPointerCapture(event.pointerId);
        event.preventDefault();
      },
      { signal },
    );
    edge.addEventListener("pointermove", (event) => held && this.setWidth(held.width + held.x - event.clientX), {
      signal,
    });
    for (const name of /** @type {const} */ (["pointerup", "pointercancel"])) {
      edge.addEventListener(name, () => (held = null), { signal });
    }
    edge.addEventListener(
      "keydown",
      (event) => {
        const step = { ArrowLeft: EDGE_STEP, ArrowRight: -EDGE_STEP }[event.key];
        if (step === undefined) return;
        event.preventDefault();
        event.stopPropagation(); // arrows go through instances elsewhere
        this.setWidth(this.panel.width + step);
      },
      { signal },
    );
  }

  /** What scrolls the page. */
  get scroller() {
    return document.querySelector('[data-testid="stMain"]') ?? document.documentElement;
  }

  // ---- height ----

  /** The window has another size. */
  measureAnew() {
    this.top = Infinity;
    this.measure();
    if (this.panel.isOpen === null) this.showPanel();
  }

  measure() {
    if (!this.root.isConnected || this.isFullScreen) return;
    const top = this.root.getBoundingClientRect().top + this.scroller.scrollTop;
    if (top >= this.top) return;
    this.top = top;
    this.root.style.setProperty("--desk-height", `${deskHeight(window.innerHeight, top)}px`);
  }

  // ---- the panel ----

  get isPanelOpen() {
    return this.panel.isOpen ?? this.root.clientWidth >= ROOMY;
  }

  togglePanel() {
    this.panel.isOpen = !this.isPanelOpen;
    this.keep();
    this.showPanel();
  }

  /** @param {number} width */
  setWidth(width) {
    this.panel.width = boundedWidth(width);
    this.keep();
    this.showPanel();
  }

  keep() {
    try {
      storage()?.setItem(STORED, JSON.stringify(this.panel));
    } catch {
      // a browser that is full keeps it as long as the page is open
    }
  }

  showPanel() {
    const { isPanelOpen, panel } = this;
    this.root.dataset.panel = isPanelOpen ? "open" : "folded";
    this.root.style.setProperty("--panel-width", `${panel.width}px`);
    this.panelToggle.setAttribute("aria-expanded", String(isPanelOpen));
    const { least, most } = PANEL_WIDTHS;
    for (const [name, value] of Object.entries({ now: panel.width, min: least, max: most })) {
      this.edge.setAttribute(`aria-value${name}`, String(value));
    }
  }

  // ---- full screen ----

  get isFullScreen() {
    return this.root.matches(":fullscreen");
  }

  toggleFullScreen() {
    if (this.isFullScreen) void document.exitFullscreen();
    else this.root.requestFullscreen().catch(() => this.controls.announce("The browser allows no full screen"));
  }

  showFullScreen() {
    this.fullScreen.setAttribute("aria-pressed", String(this.isFullScreen));
    this.measureAnew();
    if (this.isFullScreen) this.controls.stage.focus();
  }
}
