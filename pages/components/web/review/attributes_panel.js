// What is said of the selected instances, in the panel: switches for what every category has, a field for each other
// attribute. Names and values from outside are only ever set as text.

import { CROWD, commonAttributes, commonValue, otherValues, readValue, writtenValue } from "./attribute_values.js";

/** @typedef {import("./reviewer.js").Reviewer} Reviewer */
/** @typedef {import("./heard_state.js").Attribute} Attribute */
/** @typedef {import("./review_frames.js").InstanceState} InstanceState */
/** @typedef {HTMLInputElement | HTMLSelectElement} Field */

/** What every category has, as it is where nothing is selected. @type {Attribute[]} */
const BUILT_IN = ["occluded", "truncated", CROWD].map((name) => ({ name, kind: "yes-no" }));
const FLAGS = new Set(BUILT_IN.map(({ name }) => name));
/** As in Python. */
const LONGEST_TEXT = 1024;
/** Of a choice of what differs among the instances. */
const MIXED = "mixed";

export class AttributesPanel {
  /** @param {Reviewer} reviewer @param {AbortSignal} signal */
  constructor(reviewer, signal) {
    this.reviewer = reviewer;
    const { controls } = reviewer.viewer;
    this.root = controls.part("attributes", HTMLElement);
    this.flags = controls.part("attribute-flags", HTMLElement);
    this.values = controls.part("attribute-values", HTMLElement);
    this.others = controls.part("attribute-others", HTMLElement);
    /** @type {Attribute[]} */
    this.attributes = [];
    /** @type {number[]} */
    this.ids = [];
    this.built = "";
    /** @type {{field: Field, attribute: Attribute, ids: number[]} | null} what somebody is writing, and about what */
    this.writing = null;
    this.root.addEventListener("keydown", (event) => this.onKeyDown(event), { signal });
  }

  /** Bring the panel up to date with what is selected and said. */
  show() {
    const { reviewer } = this;
    const { frame, categories } = reviewer.state;
    const ids = reviewer.selectedIds().filter((id) => frame?.states.has(id));
    if (this.writing !== null && String(ids) !== String(this.writing.ids)) this.keep();
    this.ids = ids;
    const states = ids.map((id) => /** @type {InstanceState} */ (frame?.states.get(id)));
    const ofThem = categories.filter(({ id }) => states.some((state) => state.category_id === id));
    this.attributes = ids.length === 0 ? BUILT_IN : commonAttributes(ofThem);
    this.build();
    for (const attribute of this.attributes) this.showValue(attribute, states);
    const rest = otherValues(states, this.attributes);
    this.others.hidden = rest.length === 0;
    this.others.textContent = rest.join(" · ");
    this.root.dataset.selected = String(ids.length);
  }

  /** Make the fields anew where there are others now. */
  build() {
    const wanted = JSON.stringify(this.attributes);
    if (wanted === this.built) return;
    this.built = wanted;
    const flags = this.attributes.filter(({ name, kind }) => kind === "yes-no" && FLAGS.has(name));
    this.flags.replaceChildren(...flags.map((attribute) => this.madeFlag(attribute)));
    const rest = this.attributes.filter((attribute) => !flags.includes(attribute));
    this.values.replaceChildren(...rest.map((attribute) => this.madeField(attribute)));
  }

  /** @param {Attribute} attribute */
  madeFlag(attribute) {
    const flag = document.createElement("button");
    flag.type = "button";
    flag.className = "flag";
    flag.dataset.attribute = attribute.name;
    flag.textContent = attribute.name;
    flag.addEventListener("click", () => this.toggle(attribute, flag.getAttribute("aria-pressed") !== "true"));
    return flag;
  }

  /** @param {Attribute} attribute */
  madeField(attribute) {
    const label = document.createElement("label");
    const name = document.createElement("span");
    name.textContent = attribute.name;
    const isChosen = attribute.kind === "choice" || attribute.kind === "yes-no";
    const field = isChosen ? madeChoice(attribute) : madeInput(attribute);
    field.dataset.attribute = attribute.name;
    field.setAttribute("aria-label", attribute.name); // the label's text holds a choice's options, too
    field.addEventListener("input", () => {
      if (isChosen) this.say(this.ids, attribute, field);
      else this.writing = { field, attribute, ids: this.ids };
    });
    field.addEventListener("change", () => this.keep());
    label.append(name, field);
    return label;
  }

  /** @param {Attribute} attribute @param {InstanceState[]} states */
  showValue({ name }, states) {
    const { isMixed, value } = commonValue(states, name);
    const found = [...this.root.querySelectorAll("[data-attribute]")].find(
      (element) => element instanceof HTMLElement && element.dataset.attribute === name,
    );
    if (found instanceof HTMLButtonElement) {
      found.disabled = states.length === 0;
      found.setAttribute("aria-pressed", isMixed ? MIXED : String(value === true));
      return;
    }
    const field = /** @type {Field} */ (found);
    if (this.writing?.field === field) return; // it is being written
    field.dataset.mixed = String(isMixed);
    if (field instanceof HTMLSelectElement) {
      /** @type {HTMLOptionElement} */ (field.options[0]).textContent = isMixed ? MIXED : "–";
      field.value = writtenValue(value);
    } else {
      field.placeholder = isMixed ? MIXED : "";
      field.value = writtenValue(value);
    }
  }

  /** @param {Attribute} attribute @param {boolean} isSo */
  toggle(attribute, isSo) {
    if (attribute.name === CROWD) this.reviewer.act({ name: CROWD });
    else this.set(this.ids, attribute, isSo ? true : null);
  }

  /** Take in what is being written, about what it was written about: before anything else is done. */
  keep() {
    const { writing } = this;
    this.writing = null;
    if (writing !== null) this.say(writing.ids, writing.attribute, writing.field);
  }

  /** @param {number[]} ids @param {Attribute} attribute @param {Field} field */
  say(ids, attribute, field) {
    const isBad = field instanceof HTMLInputElement && field.validity.badInput;
    const value = isBad ? undefined : readValue(attribute, field.value);
    if (value === undefined) this.reviewer.bar.say(`${attribute.name}: expected a ${attribute.kind}`);
    else this.set(ids, attribute, value);
  }

  /** @param {number[]} ids @param {Attribute} attribute @param {import("./attribute_values.js").Value} value */
  set(ids, { name }, value) {
    const changed = this.reviewer.state.setAttribute(ids, name, value);
    this.reviewer.changed(changed.length > 0);
    if (changed.length > 0) this.reviewer.bar.say(`${name}: ${writtenValue(value) || "nothing"}`);
  }

  /** @param {KeyboardEvent} event */
  onKeyDown(event) {
    if (event.key !== "Escape" && !(event.key === "Enter" && event.target instanceof HTMLInputElement)) return;
    event.preventDefault();
    event.stopPropagation();
    if (event.key === "Escape") this.writing = null;
    this.keep();
    this.reviewer.viewer.controls.stage.focus();
    this.show();
  }

  /** Lead the keys here. */
  focus() {
    const { reviewer } = this;
    if (this.ids.length === 0) {
      reviewer.bar.say("select an instance first");
      return;
    }
    if (!reviewer.viewer.desk.isPanelOpen) reviewer.viewer.desk.togglePanel();
    const first = this.values.querySelector("input, select") ?? this.flags.querySelector("button");
    if (first instanceof HTMLElement) first.focus();
  }
}

/** @param {Attribute} attribute */
function madeChoice({ kind, options = [] }) {
  const choice = document.createElement("select");
  const words = kind === "yes-no" ? ["yes", "no"] : options;
  choice.append(new Option("–", ""), ...words.map((word) => new Option(word, word)));
  return choice;
}

/** @param {Attribute} attribute */
function madeInput({ kind }) {
  const input = document.createElement("input");
  input.type = kind === "number" ? "number" : "text";
  input.autocomplete = "off";
  if (kind === "number") input.step = "any";
  else input.maxLength = LONGEST_TEXT;
  return input;
}
