// The list of keys, in which keys are changed: click one, press another. Tips and buttons follow.

import { ACTIONS, actionNamed, keysOf } from "../lib/actions.js";
import { keyCaps, keyName, shortKeyName, titleWith } from "../lib/key_names.js";
import {
  STORED,
  isChangeable,
  keepKeys,
  keyOf,
  loadKeys,
  ownerOf,
  problemOf,
  readKeys,
  withKey,
  writeKeys,
} from "../lib/own_keys.js";

/** @typedef {import("../lib/actions.js").Action} Action */
/** @typedef {import("../lib/own_keys.js").OwnKeys} OwnKeys */

const FILE_NAME = "maskdesk-keys.json";
/** Bytes of a file that is read at all. */
const MOST_BYTES = 262_144;

const HINT = "Click a key to change it.";

/** What people call an action. @param {Action} action */
function nameOf({ label, help, name }) {
  return (label ?? "").length > 1 ? label : (help ?? name).replaceAll("`", "");
}

export class KeySheet {
  /**
   * @param {import("./controls.js").Controls} controls
   * @param {AbortSignal} signal
   */
  constructor(controls, signal) {
    this.root = controls.root;
    this.sheet = controls.sheet;
    this.said = controls.part("keys-said", HTMLElement);
    this.file = controls.part("keys-file", HTMLInputElement);
    /** @type {HTMLElement | null} the button whose action waits for a key */
    this.waiting = null;
    /** A key that somebody else has, pressed once: pressed again it is taken from there. */
    this.contested = "";
    this.own = loadKeys();
    /** Whose keys have been changed here: what is on the page is Python's until then. @type {Set<string>} */
    this.touched = new Set();
    // Before all others that listen for keys: what is pressed now is an answer.
    document.addEventListener("keydown", (event) => this.onKey(event), { signal, capture: true });
    this.sheet.addEventListener("click", (event) => this.onClick(event), { signal });
    this.file.addEventListener("change", () => void this.read(), { signal });
    window.addEventListener("storage", (event) => event.key === STORED && this.loadAgain(), { signal });
    this.show();
  }

  loadAgain() {
    this.own = loadKeys();
    this.show();
  }

  /** @param {Event} event */
  onClick(event) {
    const button = event.target instanceof Element ? event.target.closest("button") : null;
    if (button === null) return;
    if (button.dataset.keysOf !== undefined) this.ask(button);
    else if (button.dataset.keys === "reset") this.take(new Map(), "All keys are as they were at first.");
    else if (button.dataset.keys === "export") this.write();
    else if (button.dataset.keys === "import") this.file.click();
  }

  /** @param {HTMLElement} button */
  ask(button) {
    this.stop();
    this.waiting = button;
    button.setAttribute("aria-pressed", "true");
    const action = actionNamed(button.dataset.keysOf ?? "");
    this.say(`Press the new key of “${nameOf(action)}”; Escape leaves it as it is.`);
  }

  stop() {
    this.waiting?.setAttribute("aria-pressed", "false");
    this.waiting = null;
    this.contested = "";
  }

  /** @param {string} text */
  say(text) {
    this.said.textContent = text;
  }

  /** @param {KeyboardEvent} event */
  onKey(event) {
    const { waiting } = this;
    if (waiting === null) return;
    if (this.sheet.hidden || !waiting.isConnected) {
      this.stop();
      return;
    }
    event.preventDefault();
    event.stopImmediatePropagation();
    const key = keyOf(event);
    if (key === null) return;
    if (key === "Escape") {
      this.stop();
      this.say(HINT);
      return;
    }
    const { name } = actionNamed(waiting.dataset.keysOf ?? "");
    const problem = problemOf(key);
    const owner = ownerOf(key, name);
    if (problem !== "") this.say(`${keyName(key)}: ${problem}. Press another key, or Escape.`);
    else if (owner !== null && !isChangeable(owner)) this.say(`${keyName(key)} stays “${nameOf(owner)}”.`);
    else if (owner !== null && this.contested !== key) {
      this.contested = key;
      this.say(`${keyName(key)} is “${nameOf(owner)}”. Press it again to take it from there, or another key.`);
    } else {
      const lost = owner !== null && keysOf(owner).length === 1 ? `; “${nameOf(owner)}” has none now` : "";
      const own = withKey(this.own, name, key);
      this.take(own, `${keyName(key)} is “${nameOf(actionNamed(name))}” now${lost}.`);
    }
  }

  /** @param {OwnKeys} own @param {string} said */
  take(own, said) {
    this.stop();
    this.own = own;
    keepKeys(own);
    this.show();
    this.say(said);
  }

  // ---- files ----

  write() {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([writeKeys(this.own)], { type: "application/json" }));
    link.download = FILE_NAME;
    link.click();
    URL.revokeObjectURL(link.href);
  }

  async read() {
    const [file] = this.file.files ?? [];
    if (file === undefined) return;
    try {
      if (file.size > MOST_BYTES) throw new RangeError(`expected at most ${MOST_BYTES} bytes, got ${file.size}`);
      const own = readKeys(await file.text());
      this.take(own, `Keys of ${own.size} ${own.size === 1 ? "action" : "actions"} are taken from ${file.name}.`);
    } catch (error) {
      this.say(`${file.name}: ${error instanceof Error ? error.message : String(error)}. No key has changed.`);
    } finally {
      this.file.value = "";
    }
  }

  // ---- what is on the page ----

  show() {
    for (const name of this.own.keys()) this.touched.add(name);
    for (const action of ACTIONS) if (this.touched.has(action.name)) this.showKeys(action);
  }

  /** @param {Action} action */
  showKeys(action) {
    const own = this.own.get(action.name);
    const keys = own ?? action.keys ?? [];
    for (const button of this.sheet.querySelectorAll(`[data-keys-of="${action.name}"]`)) {
      button.replaceChildren(...(keys.length === 0 ? ["no key"] : keys.flatMap((key, at) => capsOf(key, at))));
    }
    const { name, title } = action;
    for (const button of this.root.querySelectorAll(`[data-act="${name}"], button[data-part="${name}"]`)) {
      const cap = button.querySelector("kbd");
      if (cap !== null) cap.textContent = keys.length === 0 ? "" : shortKeyName(keys[0]);
      if (title !== undefined && button instanceof HTMLElement && button.title !== "") {
        const text = titleWith(title, keys);
        const isTool = button.classList.contains("icon-button") && !text.startsWith(action.label ?? "");
        button.title = isTool ? `${action.label}: ${text}` : text;
      }
    }
  }
}

/** @param {string} key @param {number} at how many come before @returns {(Node | string)[]} */
function capsOf(key, at) {
  const caps = keyCaps(key).flatMap((name, n) => {
    const cap = document.createElement("kbd");
    cap.textContent = name;
    return n > 0 ? ["+", cap] : [cap];
  });
  return at > 0 ? [" ", ...caps] : caps;
}
