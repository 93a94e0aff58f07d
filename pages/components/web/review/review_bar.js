// The review bar: its buttons and texts. Texts from outside are only ever set through textContent.

import { connection } from "./review_session.js";
import { countCrowds, countStatuses } from "./review_frames.js";

/** @typedef {import("./review_state.js").ReviewState} ReviewState */
/** @typedef {import("./review_state.js").Category} Category */
/** @typedef {import("../viewer/controls.js").Controls} Controls */

/** So many categories have a key. */
export const KEYED_CATEGORIES = 9;
/** How long a remark stays (ms). */
const REMARK_TIME = 3500;
const SAVING = "saving…";

/** @param {string} name */
function shorten(name) {
  return name.length > 40 ? `${name.slice(0, 39)}…` : name;
}

export class ReviewBar {
  /** @param {Controls} controls */
  constructor(controls) {
    this.controls = controls;
    this.root = controls.root;
    this.list = controls.part("category-list", HTMLSelectElement);
    this.done = this.button("done");
    this.remark = "";
    /** How far what was decided is saved. */
    this.kept = "saved";
    this.remarkTimer = 0;
    this.categoriesShown = "";
  }

  /** @param {string} act @returns {HTMLButtonElement} */
  button(act) {
    const found = this.root.querySelector(`[data-act="${act}"]`);
    if (!(found instanceof HTMLButtonElement)) throw new TypeError(`review.html has no button "${act}"`);
    return found;
  }

  /**
   * Bring everything up to date; what stays the same is not written.
   * @param {ReviewState} state
   * @param {{shown: number[], seen: number[], selected: number[], late: boolean}} facts ids that can be decided on,
   *   those with what is locked, those that are selected, and whether operations have waited too long
   */
  show(state, { shown, seen, selected, late }) {
    const { controls } = this;
    const { dataset } = this.root;
    const { frame } = state;
    const place = state.length === 0 ? "0 of 0" : `${state.at + 1} of ${state.length}`;
    controls.setText("position", place);
    // Room for the last place, so that no step moves what comes after it.
    controls.part("position", HTMLElement).style.minWidth = `${2 * String(state.length).length + 5}ch`;
    this.enable("previous", state.at > 0);
    this.enable("next", state.at + 1 < state.length);
    this.enable("undo", state.canUndo);
    this.enable("redo", state.canRedo);
    const isOpen = (/** @type {number} */ id) => frame?.states.get(id)?.status === "proposed";
    const undecided = shown.filter(isOpen).length;
    const ready = frame !== null && !state.loading;
    const single = selected.some((id) => frame?.states.has(id)) || undecided > 0;
    for (const act of ["accept", "reject"]) this.enable(act, ready && single);
    for (const act of ["accept-all", "reject-all"]) this.enable(act, ready && undecided > 0);
    this.enable("done", ready);
    this.showCategories(
      state.message?.categories ?? [],
      ready && selected.length > 0,
      this.categoriesOf(state, selected),
    );

    const counts = frame === null ? { proposed: 0, accepted: 0, rejected: 0 } : countStatuses(frame);
    const crowds = frame === null ? 0 : countCrowds(frame);
    const tally = `${shorten(frame?.message.image.name ?? "")}: ${counts.proposed} proposed · ${counts.accepted} accepted · ${counts.rejected} rejected`;
    const ofCrowds = crowds === 0 ? "" : ` · ${crowds} ${crowds === 1 ? "crowd" : "crowds"}`;
    const counted = frame === null || state.loading ? "" : tally + ofCrowds;
    controls.setText("tally", counted);
    controls.part("tally", HTMLElement).title = counted; // a narrow window cuts it
    this.showCrowd(state, selected, ready);
    const decided = ready && !seen.some(isOpen) && seen.length > 0;
    this.done.dataset.strong = String(decided && frame.image_status !== "reviewed");
    const finishes = frame !== null && (state.message?.queue.unit === "image" || counts.proposed === 0);
    controls.setText("done-text", finishes && frame.image_status !== "reviewed" ? "Done & next" : "Next");
    controls.setText("note", this.noteText(state, selected, decided));

    const status = controls.part("image-status", HTMLButtonElement);
    status.hidden = frame === null;
    status.dataset.status = frame?.image_status ?? "";
    status.disabled = frame?.image_status !== "reviewed" || state.loading;
    status.title = status.disabled ? "Status of this image" : "Click to reopen the image for review";
    controls.setText("image-status", frame === null ? "" : `Image: ${frame.image_status}`);

    const kept = controls.part("kept", HTMLElement);
    const isCut = connection() !== "CONNECTED";
    const waiting = isCut ? "not saved yet: no connection" : "not saved yet: waiting for the server";
    const away = "not saved, retrying: the project database is not responding";
    const isAway = !state.saved && state.message?.is_away === true;
    const nameless = "not saved yet: enter your name below";
    kept.dataset.late = String(late || isAway || state.isNameless);
    this.kept = state.isNameless ? nameless : isAway ? away : late ? waiting : state.saved ? "saved" : SAVING;
    controls.setText("kept", this.kept);
    if (this.remark === SAVING && this.kept !== SAVING) this.saySaved();

    dataset.at = String(state.shownAt);
    dataset.loading = String(state.loading);
    dataset.saved = String(state.saved);
    dataset.imageId = frame === null ? "" : String(frame.image_id);
    dataset.imageStatus = frame?.image_status ?? "";
    dataset.crowds = String(crowds);
    dataset.statusCounts = `${counts.proposed},${counts.accepted},${counts.rejected}`;
  }

  /**
   * @param {ReviewState} state
   * @param {number[]} selected
   * @param {boolean} ready
   */
  showCrowd(state, selected, ready) {
    const states = selected.flatMap((id) => state.frame?.states.get(id) ?? []);
    this.enable("crowd", ready && states.length > 0);
    this.button("crowd").setAttribute("aria-pressed", String(states.length > 0 && states.every((one) => one.is_crowd)));
  }

  /**
   * @param {ReviewState} state
   * @param {number[]} selected
   */
  categoriesOf(state, selected) {
    return new Set(selected.map((id) => state.frame?.states.get(id)?.category_id));
  }

  /**
   * @param {ReviewState} state
   * @param {number[]} selected
   * @param {boolean} decided
   */
  noteText(state, selected, decided) {
    const one = selected.length === 1 ? state.frame?.states.get(selected[0]) : undefined;
    const note = [one?.is_crowd ? "a crowd" : "", one?.note ?? ""].filter((text) => text !== "").join("; ");
    if (!decided) return note;
    const all = "Everything shown is decided.";
    return note === "" ? all : `${all} ${note}`;
  }

  /** @param {string} act @param {boolean} on */
  enable(act, on) {
    const button = this.button(act);
    if (button.disabled === on) button.disabled = !on;
  }

  /**
   * @param {Category[]} categories
   * @param {boolean} on
   * @param {Set<number | undefined>} current categories of what is selected
   */
  showCategories(categories, on, current) {
    const wanted = JSON.stringify(categories);
    const holder = this.controls.part("categories", HTMLElement);
    if (wanted !== this.categoriesShown) {
      this.categoriesShown = wanted;
      const template = this.controls.part("category-template", HTMLTemplateElement);
      holder.replaceChildren(...categories.slice(0, KEYED_CATEGORIES).map((one, i) => makeButton(template, one, i)));
      this.list.replaceChildren(...[{ id: "", name: "All categories…" }, ...categories].map(makeOption));
      this.controls.part("more", HTMLElement).hidden = categories.length <= KEYED_CATEGORIES;
      this.controls.part("relabel", HTMLElement).hidden = categories.length === 0;
    }
    for (const button of /** @type {HTMLCollectionOf<HTMLButtonElement>} */ (holder.children)) {
      button.disabled = !on;
      button.setAttribute("aria-pressed", String(current.has(Number(button.dataset.category))));
    }
    this.list.disabled = !on;
  }

  /** Open the list of all categories. @returns {boolean} whether there is one */
  openList() {
    if (this.list.disabled || this.controls.part("more", HTMLElement).hidden) return false;
    this.list.focus();
    try {
      this.list.showPicker();
    } catch {
      // a browser that does not open it leaves it to the arrow keys
    }
    return true;
  }

  /** Whether all is saved; where it is under way, again when that is over. */
  saySaved() {
    this.say(this.kept === "saved" ? "all is saved" : this.kept);
  }

  /** A short remark that goes away by itself. @param {string} text */
  say(text) {
    clearTimeout(this.remarkTimer);
    this.remark = text;
    this.controls.setText("say", text);
    if (text !== "") this.remarkTimer = window.setTimeout(() => this.say(""), REMARK_TIME);
  }
}

/**
 * @param {HTMLTemplateElement} template
 * @param {Category} category
 * @param {number} i
 */
function makeButton(template, category, i) {
  const copy = /** @type {DocumentFragment} */ (template.content.cloneNode(true));
  const button = /** @type {HTMLButtonElement} */ (copy.firstElementChild);
  const [dot, name, key] = /** @type {any} */ (button.children);
  dot.style.setProperty("--dot", category.color);
  name.textContent = category.name;
  key.textContent = String(i + 1);
  button.title = `Category ${category.name} (${i + 1})`;
  button.dataset.category = String(category.id);
  return button;
}

/** @param {{id: number | string, name: string}} category */
function makeOption({ id, name }) {
  const option = document.createElement("option");
  option.value = String(id);
  option.textContent = name;
  return option;
}
