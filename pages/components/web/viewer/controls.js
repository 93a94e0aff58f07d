// The toolbar, the category chips and the texts around the stage. Texts from outside are only ever set
// through textContent and setAttribute.

import { categoryCounts, countText, fillsMasks, labelText, leftThreshold } from "./state.js";

/** @typedef {import("./state.js").Model} Model */
/** @typedef {import("./state.js").Instance} Instance */
/** @typedef {"masks" | "contours" | "boxes" | "labels" | "splash"} Toggle */

export const TOGGLES = /** @type {const} */ (["masks", "contours", "boxes", "labels", "splash"]);

export class Controls {
  /** @param {HTMLElement} root */
  constructor(root) {
    this.root = root;
    this.score = this.part("score", HTMLInputElement);
    this.opacity = this.part("opacity", HTMLInputElement);
    this.zoom = this.part("zoom", HTMLInputElement);
    this.stage = this.part("stage", HTMLElement);
    this.canvas = this.part("canvas", HTMLCanvasElement);
    this.overPicture = this.part("over-picture", HTMLElement);
    this.chips = this.part("chips", HTMLElement);
    this.chipTemplate = this.part("chip-template", HTMLTemplateElement);
    this.chipRow = this.part("chip-row", HTMLElement);
    this.ownScore = this.part("own-score", HTMLButtonElement);
    this.moreChips = this.part("more-chips", HTMLButtonElement);
    /** @type {Set<Element>} chips that have no room in the line */
    this.foldedChips = new Set();
    this.chipRoom = new IntersectionObserver((entries) => this.noteChips(entries), {
      root: this.chips,
      threshold: 0.6,
    });
    this.notice = this.part("notice", HTMLElement);
    this.scaleBar = this.part("scale-bar", HTMLElement);
    this.empty = this.part("empty", HTMLElement);
    this.tip = this.part("tip", HTMLElement);
    this.compare = this.part("compare", HTMLButtonElement);
    this.help = this.part("help", HTMLButtonElement);
    this.sheet = this.part("sheet", HTMLElement);
    this.live = this.part("live", HTMLElement);
    /** @type {Map<string, string>} last text of each part: writing the same text again costs a layout */
    this.texts = new Map();
    this.announcement = 0;
  }

  /**
   * @template {HTMLElement} T
   * @param {string} name
   * @param {new () => T} type
   * @returns {T}
   */
  part(name, type) {
    const found = this.root.querySelector(`[data-part="${name}"]`);
    if (!(found instanceof type)) throw new TypeError(`viewer.html has no ${type.name} "${name}"`);
    return found;
  }

  /** @param {Toggle} name */
  toggle(name) {
    return /** @type {HTMLButtonElement} */ (this.root.querySelector(`[data-toggle="${name}"]`));
  }

  /** @param {"instance" | "category"} name */
  colorBy(name) {
    return /** @type {HTMLButtonElement} */ (this.root.querySelector(`[data-color-by="${name}"]`));
  }

  /**
   * @param {string} name
   * @param {string} text
   */
  setText(name, text) {
    if (this.texts.get(name) === text) return;
    this.texts.set(name, text);
    this.part(name, HTMLElement).textContent = text;
  }

  /**
   * @param {HTMLInputElement} input
   * @param {number} value
   * @param {string} text what a screen reader says
   */
  setRange(input, value, text) {
    if (Number(input.value) !== value) input.value = String(value);
    const low = Number(input.min);
    input.style.setProperty("--at", String((value - low) / (Number(input.max) - low || 1)));
    input.setAttribute("aria-valuetext", text);
  }

  /**
   * Show the model's settings; cheap enough for every frame of a drag.
   * @param {Model} model
   * @param {number} shown
   */
  showSettings(model, shown) {
    const { display } = model;
    const score = model.threshold.toFixed(2);
    if (Number(this.score.min) !== model.minScore) this.score.min = String(model.minScore);
    this.setRange(this.score, model.threshold, `${score}, ${countText(model, shown)}`);
    this.setText("score-value", score);
    const opacity = `${Math.round(display.opacity * 100)}%`;
    this.setRange(this.opacity, display.opacity, opacity);
    this.setText("opacity-value", opacity);
    this.setText("count", countText(model, shown));
    this.showOwnScore(leftThreshold(model));
    const seen = { ...display, masks: fillsMasks(display) };
    for (const name of TOGGLES) this.toggle(name).setAttribute("aria-pressed", String(seen[name]));
    for (const name of /** @type {const} */ (["instance", "category"])) {
      this.colorBy(name).setAttribute("aria-pressed", String(display.color_by === name));
    }
    const { dataset } = this.root;
    dataset.colorBy = display.color_by;
    dataset.shownCount = String(shown);
    dataset.selected = [...model.selected].join(",");
    dataset.image = model.image.key;
  }

  /** @param {number | null} own the model's threshold, to go back to; null where it is the present one */
  showOwnScore(own) {
    if (this.ownScore.hidden !== (own === null)) this.ownScore.hidden = own === null;
    if (own === null) return;
    this.setText("own-score", `Model’s own: ${own.toFixed(2)}`);
    this.ownScore.title = `Return to the model’s own score threshold, ${own.toFixed(2)}`;
  }

  /**
   * One chip per category; the existing ones are kept, and with them the focus.
   * @param {Model} model
   * @param {(id: number, only: boolean) => void} onToggle
   */
  showChips(model, onToggle) {
    const rows = categoryCounts(model);
    const wanted = rows.map((row) => String(row.id));
    const present = [...this.chips.children].map((chip) => /** @type {HTMLElement} */ (chip).dataset.category);
    if (wanted.join() !== present.join()) {
      this.chipRoom.disconnect();
      this.foldedChips.clear();
      this.chips.replaceChildren(...rows.map((row) => this.makeChip(row.id, onToggle)));
      for (const chip of this.chips.children) this.chipRoom.observe(chip);
      if (rows.length === 0) this.foldChips(true);
      this.showMoreChips();
    }
    rows.forEach((row, i) => {
      const chip = /** @type {HTMLElement} */ (this.chips.children[i]);
      const [dot, name, count] = /** @type {any} */ (chip.children);
      const shown = !model.hidden.has(row.id);
      const numbers = row.above === row.total ? `${row.total}` : `${row.above}/${row.total}`;
      dot.style.setProperty("--dot", row.color);
      if (name.textContent !== row.label) name.textContent = row.label;
      if (count.textContent !== numbers) count.textContent = numbers;
      chip.setAttribute("aria-pressed", String(shown));
      chip.title = `${row.label}: click to ${shown ? "hide" : "show"}, Shift+click to show only this one`;
    });
  }

  /**
   * @param {number} id
   * @param {(id: number, only: boolean) => void} onToggle
   */
  makeChip(id, onToggle) {
    const copy = /** @type {DocumentFragment} */ (this.chipTemplate.content.cloneNode(true));
    const chip = /** @type {HTMLElement} */ (copy.firstElementChild);
    chip.dataset.category = String(id);
    chip.addEventListener("click", (event) => onToggle(id, event.shiftKey));
    return chip;
  }

  /** @param {IntersectionObserverEntry[]} entries */
  noteChips(entries) {
    if (this.isUnfolded) return; // what is scrolled away within the unfolded ones has its place
    for (const { target, isIntersecting } of entries) {
      if (isIntersecting) this.foldedChips.delete(target);
      else if (target.isConnected) this.foldedChips.add(target);
    }
    this.showMoreChips();
  }

  get isUnfolded() {
    return this.chipRow.dataset.open === "true";
  }

  /** @param {boolean} on whether only one line of chips is shown */
  foldChips(on) {
    if (on !== this.isUnfolded) return;
    this.chipRow.dataset.open = String(!on);
    this.chips.scrollTop = 0;
    this.moreChips.setAttribute("aria-expanded", String(!on));
    this.showMoreChips();
  }

  showMoreChips() {
    const folded = this.foldedChips.size;
    this.moreChips.hidden = folded === 0 && !this.isUnfolded;
    this.setText("more-chips", this.isUnfolded ? "Fewer" : `+${folded}`);
    const name = this.isUnfolded ? "Show one line of categories" : `Show ${folded} more categories`;
    if (this.moreChips.title !== name) {
      this.moreChips.title = name;
      this.moreChips.setAttribute("aria-label", name);
    }
  }

  /** @param {string} text empty to hide it; a narrow page cuts it, so it is there to be pointed at, too */
  showTitle(text) {
    this.setText("title", text);
    const title = this.part("title", HTMLElement);
    title.hidden = text === "";
    title.title = text;
  }

  /** @param {string} text why there is nothing to see; empty to hide it */
  showEmpty(text) {
    this.setText("empty", text);
    if (this.empty.hidden !== (text === "")) this.empty.hidden = text === "";
  }

  /**
   * @param {number} at place on the slider, 0 to 1
   * @param {string} text
   */
  showZoom(at, text) {
    this.setRange(this.zoom, Math.round(at * 1000) / 1000, text);
    this.setText("zoom-value", text);
  }

  /** @param {string} text empty to hide it */
  showNotice(text) {
    this.setText("notice", text);
    this.notice.hidden = text === "";
  }

  /**
   * @param {Instance | null} instance
   * @param {string} color
   * @param {string} facts
   * @param {number} x
   * @param {number} y
   */
  showTip(instance, color, facts, x, y) {
    this.tip.hidden = instance === null;
    if (instance === null) return;
    this.setText("tip-name", instance.label);
    this.setText("tip-facts", facts);
    this.part("tip-dot", HTMLElement).style.setProperty("--dot", color);
    const right = this.stage.clientWidth - this.tip.offsetWidth - 6;
    const bottom = this.stage.clientHeight - this.tip.offsetHeight - 6;
    const top = y + 18 > bottom ? y - this.tip.offsetHeight - 12 : y + 18;
    this.tip.style.transform = `translate(${Math.max(6, Math.min(x + 14, right))}px, ${Math.max(6, top)}px)`;
  }

  /** @param {boolean} open */
  showHelp(open) {
    const hadFocus = this.sheet.contains(this.focused()); // what is hidden has lost it
    this.sheet.hidden = !open;
    this.help.setAttribute("aria-expanded", String(open));
    if (open) this.sheet.focus();
    else if (hadFocus) this.stage.focus();
  }

  focused() {
    const scope = this.root.getRootNode();
    return scope instanceof ShadowRoot || scope instanceof Document ? scope.activeElement : null;
  }

  /** @param {Model} model @param {number} shown */
  describe(model, shown) {
    const { name, width, height } = model.image;
    const text = `${name}, ${width} by ${height} pixels, ${countText(model, shown)}. Press question mark for keys.`;
    if (this.stage.getAttribute("aria-label") !== text) this.stage.setAttribute("aria-label", text);
  }

  /**
   * Tell screen readers, once the last of several quick changes is made.
   * @param {string} text
   */
  announce(text) {
    clearTimeout(this.announcement);
    this.announcement = window.setTimeout(() => this.setText("live", text), 350);
  }

  /**
   * @param {Model} model
   * @param {(id: number) => number} areaOf
   */
  announceSelection(model, areaOf) {
    const chosen = [...model.selected].map((id) => model.byId.get(id)).filter((found) => found !== undefined);
    if (chosen.length === 0) this.announce("Nothing selected");
    else if (chosen.length > 1) this.announce(`${chosen.length} instances selected`);
    else this.announce(`Selected: ${labelText(chosen[0])}, ${areaText(areaOf(chosen[0].id))}`);
  }
}

/** @param {number} area */
export function areaText(area) {
  return `${Math.round(area).toLocaleString("en")} px²`;
}
