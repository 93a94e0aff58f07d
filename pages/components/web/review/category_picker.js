// The quick search for a category: type to find one among all, or a new name to make it. Texts from outside are only ever
// set through textContent.

import { shortKey } from "../lib/actions.js";
import { keyToGive } from "./category_choice.js";
import { optionsFor } from "./category_options.js";

/** @typedef {import("./category_choice.js").CategoryChoice} CategoryChoice */
/** @typedef {import("./category_options.js").Option} Option */
/** @typedef {import("./review_state.js").Category} Category */

/** Between the picker and the window's border, in CSS pixels. */
const MARGIN = 8;
const HINT = "Enter takes it. Alt with a letter or digit gives it that key.";

export class CategoryPicker {
  /**
   * @param {HTMLElement} root
   * @param {CategoryChoice} choice
   * @param {(option: Option) => void} onTake
   * @param {AbortSignal} signal
   */
  constructor(root, choice, onTake, signal) {
    this.root = root;
    this.choice = choice;
    this.onTake = onTake;
    /** Called when it has closed, or keys have changed. */
    this.onChange = () => {};
    /** @type {Category[]} */
    this.categories = [];
    this.canClear = false;
    /** @type {Option[]} */
    this.options = [];
    this.at = 0;
    /** @type {HTMLElement | null} gets the focus back */
    this.from = null;
    this.panel = makePanel();
    this.why = part(this.panel, "why");
    this.list = part(this.panel, "options");
    this.hint = part(this.panel, "hint");
    this.input = /** @type {HTMLInputElement} */ (part(this.panel, "query"));
    root.append(this.panel);
    const on = (
      /** @type {EventTarget} */ target,
      /** @type {string} */ name,
      /** @type {(event: any) => void} */ act,
    ) => target.addEventListener(name, act, { signal });
    on(this.input, "input", () => this.find());
    on(this.input, "keydown", (event) => this.press(event));
    on(this.input, "keyup", (event) => event.stopPropagation());
    on(this.list, "click", (event) => this.click(event));
    on(this.panel, "mousedown", (event) => event.target !== this.input && event.preventDefault());
    on(this.input, "blur", () => this.close(false));
    on(window, "resize", () => this.close(false));
    signal.addEventListener("abort", () => this.panel.remove());
  }

  get isOpen() {
    return !this.panel.hidden;
  }

  /**
   * @param {object} facts
   * @param {Category[]} facts.categories
   * @param {string} facts.why what it is for, above it; empty for nothing
   * @param {boolean} facts.canClear whether none may be chosen, too
   * @param {Element} facts.beside below what it stands
   * @param {HTMLElement} facts.from what gets the focus back
   */
  open({ categories, why, canClear, beside, from }) {
    this.categories = categories;
    this.canClear = canClear;
    this.from = from;
    this.why.textContent = why;
    this.why.hidden = why === "";
    this.input.value = "";
    if (!this.isOpen) {
      this.panel.hidden = false;
      this.panel.showPopover();
    }
    this.find();
    const place = beside.getBoundingClientRect();
    const { width, height } = this.panel.getBoundingClientRect();
    const [right, bottom] = [window.innerWidth - width - MARGIN, window.innerHeight - height - MARGIN];
    this.panel.style.left = `${Math.max(MARGIN, Math.min(place.left, right))}px`;
    this.panel.style.top = `${Math.max(MARGIN, Math.min(place.bottom + 4, bottom))}px`;
    this.input.focus({ preventScroll: true });
  }

  /** @param {boolean} givesBack whether the focus goes back where it was */
  close(givesBack) {
    if (!this.isOpen) return;
    this.panel.hidden = true;
    if (this.panel.matches(":popover-open")) this.panel.hidePopover();
    if (givesBack) this.from?.focus({ preventScroll: true });
    this.onChange();
  }

  /** Offer what answers to what is typed; the best answer is the one that Enter takes. */
  find() {
    const { categories, canClear, choice } = this;
    const { options, more } = optionsFor({ query: this.input.value, categories, recent: choice.recent, canClear });
    this.options = options;
    this.hint.textContent = more > 0 ? `${more} more: type to find them. ${HINT}` : HINT;
    this.show(0);
  }

  /** @param {number} at the option that Enter takes */
  show(at) {
    this.at = Math.max(0, Math.min(at, this.options.length - 1));
    const keyOf = new Map([...this.choice.keyed(this.categories)].map(([key, { id }]) => [id, key]));
    const rows = this.options.map((option, n) => makeOption(option, n, n === this.at, keyOf));
    this.list.replaceChildren(...rows);
    if (rows.length > 0) this.input.setAttribute("aria-activedescendant", rows[this.at].id);
    else this.input.removeAttribute("aria-activedescendant");
    rows[this.at]?.scrollIntoView({ block: "nearest" });
  }

  /** @param {KeyboardEvent} event */
  press(event) {
    event.stopPropagation(); // letters are written here, and mean nothing else
    if (event.isComposing) return;
    const key = keyToGive(event);
    if (key !== null) {
      event.preventDefault();
      this.assign(key);
      return;
    }
    const last = this.options.length - 1;
    /** @type {Record<string, number>} */
    const places = { ArrowDown: this.at === last ? 0 : this.at + 1, ArrowUp: this.at === 0 ? last : this.at - 1 };
    if (Object.hasOwn(places, event.key)) this.show(places[event.key]);
    else if (event.key === "Enter") this.take(this.at);
    else if (event.key === "Escape" || event.key === "Tab") this.close(true);
    else return;
    event.preventDefault();
  }

  /** @param {string} key */
  assign(key) {
    const option = this.options[this.at];
    if (option?.kind !== "category") return;
    this.choice.assign(option.category.name, key);
    this.show(this.at);
    this.onChange();
  }

  /** @param {MouseEvent} event */
  click(event) {
    const row = event.target instanceof Element ? event.target.closest("[role=option]") : null;
    if (row !== null) this.take([...this.list.children].indexOf(row));
  }

  /** @param {number} at */
  take(at) {
    const option = this.options[at];
    if (option === undefined) return;
    this.close(true);
    this.onTake(option);
  }
}

/** @param {HTMLElement} panel @param {string} name @returns {HTMLElement} */
function part(panel, name) {
  return /** @type {HTMLElement} */ (panel.querySelector(`[data-part="category-${name}"]`));
}

function makePanel() {
  const panel = document.createElement("div");
  panel.className = "category-picker";
  panel.dataset.part = "category-picker";
  panel.setAttribute("role", "dialog");
  panel.setAttribute("aria-label", "Choose a category");
  panel.popover = "manual"; // over everything, also where the desk has the whole screen
  panel.hidden = true;
  const make = (/** @type {string} */ tag, /** @type {string} */ name) => {
    const element = document.createElement(tag);
    element.dataset.part = `category-${name}`;
    panel.append(element);
    return element;
  };
  make("p", "why");
  const input = /** @type {HTMLInputElement} */ (make("input", "query"));
  const list = make("ul", "options");
  make("p", "hint");
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", "Categories");
  list.id = "category-options";
  Object.assign(input, {
    type: "text",
    placeholder: "Find or name a category",
    autocomplete: "off",
    spellcheck: false,
  });
  input.maxLength = 1024;
  for (const [name, value] of Object.entries({
    role: "combobox",
    "aria-label": "Find or name a category",
    "aria-expanded": "true",
    "aria-autocomplete": "list",
    "aria-controls": list.id,
  })) {
    input.setAttribute(name, value);
  }
  return panel;
}

/**
 * @param {Option} option
 * @param {number} n
 * @param {boolean} isChosen
 * @param {Map<number, string>} keyOf
 */
function makeOption(option, n, isChosen, keyOf) {
  const row = document.createElement("li");
  row.id = `category-option-${n}`;
  row.setAttribute("role", "option");
  row.setAttribute("aria-selected", String(isChosen));
  row.dataset.kind = option.kind;
  const dot = document.createElement("span");
  dot.className = "dot";
  const name = document.createElement("span");
  name.className = "act-name";
  const key = document.createElement("kbd");
  if (option.kind === "category") {
    dot.style.setProperty("--dot", option.category.color);
    name.textContent = option.category.name;
    key.textContent = shortKey(keyOf.get(option.category.id) ?? "");
    row.append(dot, name, key);
  } else {
    name.textContent = option.kind === "new" ? `New category: ${option.name}` : "None: drawing asks";
    row.append(name);
  }
  return row;
}
