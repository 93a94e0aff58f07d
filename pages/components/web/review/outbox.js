// What the browser does beside every page: it sends what a reviewer left, tells the word under which the tab's open
// images are kept, and asks before anything is lost.
//
// What a reviewer had still to send when a person turned to another page, or when the connection was lost: it
// is in the tab's storage, and goes to Python from whatever page is open.

import { isComponentAwaited, isPictureAwaited } from "../lib/awaited.js";
import { tellAsked } from "../lib/leaving.js";
import { Presses, isDrawing } from "../lib/presses.js";
import { foundImages, hold } from "./open_images.js";
import { ReviewState } from "./review_state.js";
import { WAKE, heldName, holdName, loadSaved, save } from "./review_session.js";

/**
 * @typedef {{
 *   is_open: boolean, ack_client: string, ack_seq: number, who: string, is_unkept: boolean,
 *   images: import("./open_images.js").OpenImages, unsaved: Unsaved[],
 * }} OutboxMessage
 */
/** @typedef {import("./open_images.js").KeptImages} KeptImages */
/** @typedef {{key: string, name: string}} Unsaved a file that was made for downloading */

/** What was said last: Streamlit says it again to a restarted server, with whatever is pressed then. */
let said = "";

/**
 * The name that Python is to be told: one that it does not know, or another than it was told last.
 * @param {string} who as Python has it from the person; empty where it does not know
 * @returns {string} empty for nothing to say
 */
export function nameToSay(who) {
  if (who !== "") holdName(who);
  const held = heldName();
  if (who !== "" && said === held) return "";
  said = held;
  return held;
}

/**
 * What is still to be sent after an acknowledgement; forgets what has arrived.
 * @param {OutboxMessage} data
 * @param {Storage} storage
 */
export function stillToSend(data, storage) {
  const state = new ReviewState(loadSaved(storage));
  const before = state.pending.length;
  const hasNamed = state.call(heldName());
  if (data.ack_client === state.client) {
    state.pending = state.pending.filter(({ op }) => op.seq > data.ack_seq);
  }
  if (hasNamed || state.pending.length < before) save(storage, state.toSave());
  return state.report();
}

/** Made files that were downloaded, by key. @type {Set<string>} */
const saved = new Set();

/** @param {Unsaved[]} files @returns {boolean} whether one of them was not downloaded */
export const isUnsaved = (files) => files.some(({ key }) => !saved.has(key));

/**
 * Notes what a person downloads: the buttons are Streamlit's, which tells nobody.
 * @param {Unsaved[]} files
 * @param {string} pressed the button's text
 */
export function noteDownload(files, pressed) {
  for (const { key, name } of files) if (pressed.includes(name)) saved.add(key);
}

/** Files that were made since the page was last drawn as a whole: a part of it tells of them. @returns {Unsaved[]} */
function madeOnPage() {
  /** @type {NodeListOf<HTMLElement>} */
  const told = document.querySelectorAll("[data-made]");
  return [...told].map(({ dataset }) => ({ key: dataset.made ?? "", name: dataset.name ?? "" }));
}

/** Where the tab's watch over made files is, whichever version of MaskDesk has set it up. */
const WATCH = Symbol.for("maskdesk.made-files");

/**
 * Has the browser ask before a made file is lost, and notes which were downloaded.
 * @param {() => Unsaved[]} files those that wait to be downloaded
 */
function watchMadeFiles(files) {
  const tab = /** @type {{[WATCH]?: {files: typeof files}}} */ (globalThis);
  if (tab[WATCH] === undefined) {
    const watch = (tab[WATCH] = { files });
    window.addEventListener("beforeunload", (event) => {
      if (isUnsaved(watch.files())) event.preventDefault();
    });
    const hear = (/** @type {Event} */ event) => {
      const button = event.target instanceof Element ? event.target.closest("[data-testid=stDownloadButton]") : null;
      if (button !== null) noteDownload(watch.files(), button.textContent ?? "");
    };
    document.addEventListener("click", hear, { capture: true });
  }
  tab[WATCH].files = files;
}

/**
 * Has the browser ask before the tab is closed or reloaded, as long as something would be lost with it.
 * @param {{addEventListener: (name: "beforeunload", handle: (event: Event) => void) => void}} target
 * @returns {(isUnkept: boolean) => void} says whether it would
 */
export function askBeforeLeaving(target) {
  let asks = false;
  target.addEventListener("beforeunload", (event) => {
    if (asks) event.preventDefault();
  });
  return (isUnkept) => {
    asks = isUnkept;
  };
}

/** Where the tab's one guard is, whatever page is on it and whichever version of MaskDesk has set it up. */
const GUARD = Symbol.for("maskdesk.guard");

/** How long Streamlit must be at rest before anything is sent, and how often that is checked (ms). */
const CALM = 200;
const LOOK = 50;
/** How long the browser must have nothing else to do then (ms). */
const IDLE = 5;
/** However long Streamlit draws, what is to be said is said then (ms). */
const PATIENCE = 10_000;

/** @type {ReturnType<typeof setTimeout> | undefined} the look that is to come */
let timer;
/** What a person presses; undefined before anybody looks. @type {Presses | undefined} */
let presses;

/**
 * Acts while nothing is going on.
 * @param {() => void} act
 * @param {number} calm how long it has been at rest (ms)
 * @param {number} waited since this was asked for (ms)
 */
function whenCalm(act, calm = 0, waited = 0) {
  clearTimeout(timer);
  if (calm >= CALM || waited >= PATIENCE) whenIdle(act, waited);
  else timer = setTimeout(() => whenCalm(act, isBusy() ? 0 : calm + LOOK, waited + LOOK), LOOK);
}

function isBusy() {
  return isDrawing() || isComponentAwaited() || isPictureAwaited() || (presses !== undefined && presses.rest > 0);
}

/**
 * Acts when the browser has nothing to do. Streamlit sends what is said a moment later, by a timer: a press that
 * comes in between, as it may while the browser is busy, would go first, and be lost with the run that it began.
 * @param {() => void} act
 * @param {number} waited since this was asked for (ms)
 */
function whenIdle(act, waited) {
  const rest = PATIENCE - waited;
  if (typeof requestIdleCallback !== "function" || rest <= 0) return act();
  requestIdleCallback(
    (deadline) => {
      if (!deadline.didTimeout && isBusy()) whenCalm(act, 0, waited);
      else if (!deadline.didTimeout && deadline.timeRemaining() < IDLE) whenCalm(act, CALM, waited + LOOK);
      else act();
    },
    { timeout: rest },
  );
}

/** What the browser has of open images, once it was looked for and until it was said. @type {KeptImages | null} */
let kept = null;
/** @type {Promise<void> | undefined} */
let looking;
/** Has the newest mount say what there is to say. */
let say = () => {};

/**
 * Tells Python what it does not know.
 * @param {OutboxMessage} data
 * @param {(name: string, value: unknown) => void} setStateValue
 */
function speak(data, setStateValue) {
  const tell = (/** @type {string} */ name, /** @type {unknown} */ value) => {
    setStateValue(name, value);
    tellAsked();
  };
  const who = nameToSay(data.who);
  if (who !== "") tell("who", who);
  if (data.images.token === "" && kept !== null) tell("images", kept);
  kept = null;
  if (data.is_open) {
    const report = stillToSend(data, sessionStorage);
    if (report.ops.length > 0) tell("ops", report);
  } // else the reviewer itself is there
  document.documentElement.dataset.told = "true"; // all that there was to say at the beginning
}

/** @param {Omit<import("../lib/mount.js").Component<OutboxMessage>, "parentElement">} component */
export default function mountOutbox({ data, setStateValue }) {
  const tab = /** @type {{[GUARD]?: ReturnType<typeof askBeforeLeaving>}} */ (globalThis);
  const guard = (tab[GUARD] ??= askBeforeLeaving(window));
  const isHeld = hold(data.images);
  guard(data.is_unkept && !isHeld);
  watchMadeFiles(() => [...data.unsaved, ...madeOnPage()]);
  /** @type {any} */ (globalThis)[WAKE] = () => setStateValue("who", heldName());
  presses ??= new Presses();
  say = () => whenCalm(() => speak(data, setStateValue));
  say();
  looking ??= foundImages().then((images) => {
    kept = images;
    if (images !== null) say();
  });
}
