// The review bar: its buttons and texts. Texts from outside are only ever set through textContent.

import { connection } from "./review_session.js";
import { countCrowds, countStatuses } from "./review_frames.js";
import { SeenStops } from "./seen_stops.js";

/** @typedef {import("./review_state.js").ReviewState} ReviewState */
/** @typedef {import("./review_state.js").Category} Category */
/** @typedef {import("../viewer/controls.js").Controls} Controls */

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
    this.done = this.button("done");
    this.remark = "";
    /** How far what was decided is saved. */
    this.kept = "saved";
    this.remarkTimer = 0;
    this.categoriesShown = "";
    this.stops = new SeenStops(controls.part("relabel", HTMLElement));
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
   * @param {import("./category_desk.js").CategoryDesk} desk
   * @param {{shown: number[], seen: number[], selected: number[], late: boolean}} facts ids that can be decided on,
   *   those with what is locked, those that are selected, and whether operations have waited too long
   */
  show(state, desk, { shown, seen, selected, late }) {
    const { controls } = this;
    const { dataset } = this.root;
    const { frame } = state;
    const place = state.length === 0 ? "0 of 0" : `${state.at + 1} of ${state.length}`;
    controls.setText("position", place);
    // Room for the last place, so that no step moves what comes after it.
    controls.part("position", HTMLElement).style.minWidth = `${2 * String(state.length).length + 5}ch`;
    this.enable("previous", state.at > 0);
    this.enable("next", state.at + 1 < state.length);
    this.enable("undo", state.canUndo || desk.waitingHere.length > 0);
    this.enable("redo", state.canRedo || desk.waiting.canRedo(frame?.image_id));
    const isOpen = (/** @type {number} */ id) => frame?.states.get(id)?.status === "proposed";
    const undecided = shown.filter(isOpen).length;
    const ready = frame !== null && !state.loading;
    const single = selected.some((id) => frame?.states.has(id)) || undecided > 0;
    for (const act of ["accept", "reject"]) this.enable(act, ready && single);
    for (const act of ["accept-all", "reject-all"]) this.enable(act, ready && undecided > 0);
    this.enable("done", ready);
    this.showCategories(desk, ready, this.categoriesOf(state, selected));

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
    const nameless = "not saved yet: enter your name";
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
   * The active category and, beside it, those that a digit chooses.
   * @param {import("./category_desk.js").CategoryDesk} desk
   * @param {boolean} ready
   * @param {Set<number | undefined>} current categories of what is selected
   */
  showCategories(desk, ready, current) {
    const { controls } = this;
    const keyed = [...desk.choice.keyed(desk.all)].filter(([key]) => key.length === 1);
    keyed.sort(([a], [b]) => a.localeCompare(b));
    const holder = controls.part("categories", HTMLElement);
    const wanted = JSON.stringify(keyed);
    if (wanted !== this.categoriesShown) {
      this.categoriesShown = wanted;
      const template = controls.part("category-template", HTMLTemplateElement);
      holder.replaceChildren(...keyed.map(([key, one]) => makeButton(template, one, key)));
      this.stops.watch(holder.children);
    }
    const { active } = desk;
    const pressed = current.size > 0 ? current : new Set([active?.id]);
    for (const button of /** @type {HTMLCollectionOf<HTMLButtonElement>} */ (holder.children)) {
      button.disabled = !ready;
      button.setAttribute("aria-pressed", String(pressed.has(Number(button.dataset.category))));
    }
    const chip = this.button("choose-category");
    const count = desk.waitingHere.length;
    const dot = /** @type {HTMLElement} */ (chip.firstElementChild);
    dot.style.setProperty("--dot", active?.color ?? "transparent");
    chip.dataset.waiting = String(count);
    controls.setText("active-name", count > 0 ? `${count} waiting` : (active?.name ?? "No category"));
    controls.setText("active-told", `active category${count > 0 ? `: ${active?.name ?? "none"}` : ""}`);
    this.enable("choose-category", ready);
    this.root.dataset.category = active?.name ?? "";
    this.root.dataset.waitingShapes = String(count);
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
 * @param {string} digit
 */
function makeButton(template, category, digit) {
  const copy = /** @type {DocumentFragment} */ (template.content.cloneNode(true));
  const button = /** @type {HTMLButtonElement} */ (copy.firstElementChild);
  const [dot, name, key] = /** @type {any} */ (button.children);
  dot.style.setProperty("--dot", category.color);
  name.textContent = category.name;
  key.textContent = digit;
  button.title = `Category ${category.name} (${digit})`;
  button.dataset.category = String(category.id);
  return button;
}
