// What was not carried out: each with a line of its own below the picture, in the project that it was about, until
// somebody closes it. Beside the decisions only their number is told, in a place that is always there.

import { loadRefusals, saveRefusals } from "./review_session.js";

/** @typedef {import("./review_state.js").Refusal} Refusal */
/** @typedef {import("../viewer/controls.js").Controls} Controls */

/** Numbers of refusals that are remembered, so that none is told twice; Python forgets refusals sooner. */
const KNOWN_KEPT = 1000;

/** The refusals of one tab, without a screen; they outlive the page and a reload. */
export class RefusalList {
  /** @param {Storage} storage @param {string} client */
  constructor(storage, client) {
    this.storage = storage;
    this.client = client;
    /** @type {Set<number>} numbers of all that were told, also those that were closed since */
    this.known = new Set();
    /** @type {(Refusal & {project: number})[]} oldest first */
    this.lines = [];
    this.open(client);
  }

  /** Take up those of another name. @param {string} client */
  open(client) {
    this.client = client;
    const saved = loadRefusals(this.storage, client);
    const isSound = Array.isArray(saved?.known) && Array.isArray(saved.lines);
    this.known = new Set(isSound ? saved.known : []);
    this.lines = isSound ? saved.lines : [];
  }

  save() {
    saveRefusals(this.storage, this.client, { known: [...this.known].slice(-KNOWN_KEPT), lines: this.lines });
  }

  /**
   * @param {number} project
   * @param {Refusal[]} refusals
   * @returns {Refusal[]} those that had not been told before
   */
  add(project, refusals) {
    const fresh = refusals.filter(({ seq }) => !this.known.has(seq));
    if (fresh.length === 0) return fresh;
    for (const { seq, text } of fresh) {
      this.known.add(seq);
      this.lines.push({ seq, text, project });
    }
    this.save();
    return fresh;
  }

  /** @param {number} project @returns {Refusal[]} */
  of(project) {
    return this.lines.filter((line) => line.project === project);
  }

  /** @param {number} project @param {number | null} seq null for all */
  dismiss(project, seq) {
    this.lines = this.lines.filter((line) => line.project !== project || (seq !== null && line.seq !== seq));
    this.save();
  }
}

export class RefusalPanel {
  /** @param {Controls} controls @param {RefusalList} list */
  constructor(controls, list) {
    this.controls = controls;
    this.list = list;
    this.project = 0;
    this.panel = controls.part("refusals", HTMLElement);
    this.lines = controls.part("refusal-list", HTMLElement);
    this.count = controls.part("refusal-count", HTMLButtonElement);
  }

  /** @param {number} project */
  show(project) {
    this.project = project;
    const refusals = this.list.of(project);
    this.panel.hidden = refusals.length === 0;
    this.count.hidden = refusals.length === 0;
    const text = `${refusals.length} not carried out`;
    this.controls.setText("refusal-count", text);
    this.controls.setText("refusal-title", text);
    const present = [...this.lines.children].map((line) => Number(/** @type {HTMLElement} */ (line).dataset.seq));
    if (present.join() === refusals.map(({ seq }) => seq).join()) return;
    this.lines.replaceChildren(...refusals.map((refusal) => this.makeLine(refusal)));
  }

  /** @param {Refusal} refusal */
  makeLine({ seq, text }) {
    const template = this.controls.part("refusal-template", HTMLTemplateElement);
    const copy = /** @type {DocumentFragment} */ (template.content.cloneNode(true));
    const line = /** @type {HTMLElement} */ (copy.firstElementChild);
    const [words, close] = /** @type {any} */ (line.children);
    line.dataset.seq = String(seq);
    words.textContent = text;
    close.addEventListener("click", () => this.dismiss(seq));
    return line;
  }

  /** @param {number | null} seq null for all */
  dismiss(seq) {
    this.list.dismiss(this.project, seq);
    this.show(this.project);
  }

  /** Brings the lines into sight: the picture may leave no room for them. */
  reveal() {
    this.panel.scrollIntoView({ block: "nearest" });
  }
}
