// Silence until Streamlit has carried out what a person pressed.
//
// A press of one of Streamlit's own widgets is a value of a single run of the script. Streamlit ends that run for
// the next message of the page, and if the script has not come to the widget by then, the press is lost. So what
// components have to say goes before the press, which may be about it, or waits until the run with it is over.

/** The element in which Streamlit says whether its script runs, and the attribute. */
const APP = '[data-testid="stApp"]';
const STATE = "data-test-script-state";
const AT_REST = "notRunning";
/** What a person does that Streamlit is told of. To type is none: that is told with Enter, or when a field is left. */
const PRESSES = ["pointerdown", "click", "change", "drop"];
/** The elements of Streamlit's that hear keys. */
const KEYED = "input, textarea, select, button, summary, canvas, [role]";
const KEYS = new Set(["Enter", " ", "ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"]);
/** So long after a press the script has begun to run with it, or will not (ms). */
const HEARD = 2000;
/** However long the script runs, what waits is said then (ms). */
const PATIENCE = 10_000;
const AGAIN = 50;

/** Whether Streamlit is still drawing, or waits to. */
export function isDrawing() {
  const state = document.querySelector(APP)?.getAttribute(STATE);
  return state !== null && state !== undefined && state !== AT_REST;
}

/**
 * Whether an event comes from one of our components, which say by themselves what is to be said of it.
 * @param {Event} event
 */
function isOurs(event) {
  return event.composedPath().some((target) => target instanceof Element && target.hasAttribute("data-part"));
}

/** @param {KeyboardEvent} event */
function isKeyPress(event) {
  const [target] = event.composedPath();
  return KEYS.has(event.key) && target instanceof Element && target.closest(KEYED) !== null;
}

export class Presses {
  /**
   * @param {AbortSignal} [signal] that ends it
   * @param {(event: Event) => void} [before] called before a press counts: says what there is to say
   */
  constructor(signal, before = () => {}) {
    this.at = -Infinity;
    /** Whether the script has begun to run since. */
    this.hasBegun = false;
    /** @type {MutationObserver | null} */
    this.observer = null;
    const press = (/** @type {Event} */ event) => {
      if (isOurs(event)) return;
      // Of a press that begins with the pointer going down, the click that ends it is too late for that. Nor may
      // it end a run with an earlier press; one that led to none need not be waited for.
      if (event.type === "pointerdown" && !isDrawing()) this.at = -Infinity;
      if (this.rest === 0) before(event);
      this.note();
    };
    const options = { signal, capture: true, passive: true };
    for (const name of PRESSES) document.addEventListener(name, press, options);
    document.addEventListener("keydown", (event) => isKeyPress(event) && press(event), options);
    signal?.addEventListener("abort", () => this.observer?.disconnect());
  }

  note() {
    this.at = performance.now();
    this.hasBegun = false;
    if (this.observer !== null) return;
    const app = document.querySelector(APP);
    if (app === null) return;
    this.observer = new MutationObserver((records) => this.watch(records));
    this.observer.observe(app, { attributes: true, attributeFilter: [STATE], attributeOldValue: true });
  }

  /** @param {MutationRecord[]} records what Streamlit's script did */
  watch(records) {
    if (records.some(({ oldValue }) => oldValue === AT_REST)) this.hasBegun = true;
    if (this.hasBegun && !isDrawing()) this.at = -Infinity; // the run with the press is over
  }

  /** For how long nothing may be said (ms); then ask again. */
  get rest() {
    const age = performance.now() - this.at;
    return age < PATIENCE && (isDrawing() || (age < HEARD && !this.hasBegun)) ? AGAIN : 0;
  }
}
