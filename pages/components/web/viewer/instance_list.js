// The list of an image's instances beside the picture: the viewer's selection as rows, of which only those in sight are there.

import { markInstances, showAllInstances } from "./marking.js";
import { countMarks, isHidden, marksText } from "./marks.js";
import {
  COLUMNS,
  filterRows,
  isListKey,
  orderBy,
  placeAfter,
  rangeOf,
  readOrder,
  rowsOf,
  scrollTo,
  sortRows,
  windowOf,
  writeOrder,
} from "./list_rows.js";
import { makeRow, rowId, showRow } from "./list_row.js";
import { openMenu } from "./menu_places.js";

/** @typedef {import("./viewer.js").Viewer} Viewer */
/** @typedef {import("./list_rows.js").Row} Row */

/** In CSS pixels, for a pointer and for fingers; as in instance_list.css. */
const HEIGHT_OF = { fine: 38, coarse: 44 };
const STORED_ORDER = "maskdesk-list-order";
/** While masks are being read, areas come in one after the other: so often are they shown (ms). */
const WHILE_READING = 250;
export class InstanceList {
  /**
   * @param {Viewer} viewer
   * @param {AbortSignal} signal
   */
  constructor(viewer, signal) {
    this.viewer = viewer;
    const { controls } = viewer;
    this.grid = controls.part("list-grid", HTMLElement);
    this.scroller = controls.part("list-rows", HTMLElement);
    this.space = controls.part("list-space", HTMLElement);
    this.heads = controls.part("list-columns", HTMLElement);
    this.template = controls.part("list-row-template", HTMLTemplateElement);
    this.search = controls.part("list-filter", HTMLInputElement);
    this.reset = controls.part("list-reset", HTMLButtonElement);
    this.none = controls.part("list-none", HTMLElement);
    /** What a double click, Enter or F2 on a row does besides; the review lets its category be chosen. */
    this.onRename = () => {};
    this.order = readOrder(readStored());
    /** @type {Row[]} in the list's order, filtered */
    this.rows = [];
    /** @type {number | null} the row that keys act on */
    this.active = null;
    /** @type {number | null} where a range begins */
    this.anchor = null;
    this.rowHeight = HEIGHT_OF[matchMedia("(pointer: coarse)").matches ? "coarse" : "fine"];
    /** @type {import("./list_rows.js").Column[]} those that are shown */
    this.columns = [...COLUMNS];
    /** @type {number | null} the column whose head has the keys */
    this.head = null;
    /** @type {Map<number, HTMLElement>} the rows that are there */
    this.elements = new Map();
    this.selectedBefore = "";
    this.imageBefore = "";
    this.refreshedAt = -Infinity;
    this.timer = 0;
    this.listen(signal);
    signal.addEventListener("abort", () => clearTimeout(this.timer));
  }

  /** @param {AbortSignal} signal */
  listen(signal) {
    const on = (
      /** @type {EventTarget} */ target,
      /** @type {string} */ name,
      /** @type {(event: any) => void} */ act,
    ) => target.addEventListener(name, act, { signal });
    on(this.scroller, "scroll", () => this.draw());
    on(this.search, "input", () => this.refresh());
    on(this.search, "keydown", (event) => this.pressInSearch(event));
    on(this.grid, "keydown", (event) => this.press(event));
    on(this.grid, "focus", () => this.draw());
    on(this.grid, "blur", () => this.setHead(null));
    on(this.scroller, "pointerdown", (event) => this.pressRow(event));
    on(this.scroller, "dblclick", (event) => this.rename(event));
    on(this.grid, "contextmenu", (event) => this.openMenu(event));
    // What is pointed at in the list stands out on the picture.
    on(this.scroller, "pointermove", (event) => this.pointAt(event.buttons === 0 ? this.idAt(event) : null));
    on(this.scroller, "pointerleave", () => this.pointAt(null));
    on(this.scroller, "click", (event) => this.clickMark(event));
    on(this.heads, "click", (event) => this.clickHead(event));
    on(this.reset, "click", () => showAllInstances(this.viewer));
    const growth = new ResizeObserver(() => this.draw());
    growth.observe(this.scroller);
    signal.addEventListener("abort", () => growth.disconnect());
  }

  // ---- what is shown ----

  /** What the viewer shows, or how, has changed. */
  refresh() {
    const { viewer } = this;
    const { model } = viewer;
    if (model === null) return;
    clearTimeout(this.timer);
    const now = performance.now();
    if (viewer.shapes.waiting.length > 0 && now - this.refreshedAt < WHILE_READING) {
      this.timer = window.setTimeout(() => this.refresh(), WHILE_READING);
      return;
    }
    this.refreshedAt = now;
    const all = rowsOf(model, (id) => viewer.shapes.get(id)?.area ?? null);
    this.rows = sortRows(filterRows(all, this.search.value), this.order);
    if (this.imageBefore !== model.image.key) {
      this.imageBefore = model.image.key;
      this.scroller.scrollTop = 0;
      this.active = null;
      this.anchor = null;
    }
    if (this.placeOf(this.active) < 0) this.active = null;
    this.showCounts(all);
    this.showHeads();
    this.followSelection();
    this.draw();
  }

  /** @param {Row[]} all before the filter */
  showCounts(all) {
    const { viewer, rows } = this;
    const instances = viewer.model?.instances ?? [];
    const counts = viewer.model === null ? { hidden: 0, locked: 0 } : countMarks(viewer.model.marks, instances);
    const marked = marksText(counts);
    viewer.controls.setText(
      "list-count",
      rows.length === all.length ? `${all.length}` : `${rows.length}/${all.length}`,
    );
    viewer.controls.setText("list-reset", marked === "" ? "" : `${marked}: show all`);
    viewer.root.dataset.marked = `${counts.hidden},${counts.locked}`;
    // Without a review nothing has a status, and so no column.
    const hasStatus = all.some(({ status }) => status !== "");
    this.heads.classList.toggle("no-status", !hasStatus);
    this.columns = COLUMNS.filter((column) => hasStatus || column !== "status");
    this.none.hidden = rows.length > 0;
    if (rows.length > 0) return;
    const isEmpty = all.length === 0;
    const none = instances.length === 0 ? "" : "Nothing reaches the score: lower it";
    viewer.controls.setText("list-none", isEmpty ? none : "Nothing has all of these words: take fewer");
  }

  showHeads() {
    for (const head of this.heads.querySelectorAll("[data-column]")) {
      const { column } = /** @type {HTMLElement} */ (head).dataset;
      const isOrder = column === this.order.column;
      head.setAttribute("aria-sort", isOrder ? (this.order.isDescending ? "descending" : "ascending") : "none");
      head.id = `instance-head-${column}`;
      head.classList.toggle("active", this.head !== null && column === this.columns[this.head]);
    }
  }

  /** Rows have other ids now. @param {Map<number, number>} renamed */
  renameRows(renamed) {
    const after = (/** @type {number | null} */ id) => (id === null ? null : (renamed.get(id) ?? id));
    [this.active, this.anchor] = [after(this.active), after(this.anchor)];
  }

  /** What was selected elsewhere is brought into sight. */
  followSelection() {
    const selected = [...(this.viewer.model?.selected ?? [])];
    const said = selected.join(",");
    if (said === this.selectedBefore) return;
    this.selectedBefore = said;
    if (selected.length === 0 || (this.active !== null && selected.includes(this.active))) return;
    if (this.placeOf(selected[0]) < 0) return;
    this.active = selected[0];
    this.anchor = selected[0];
    this.reveal(selected[0]);
  }

  /** Draw the rows that are in sight, and no others. */
  draw() {
    const { scroller, rows } = this;
    this.space.style.height = `${rows.length * this.rowHeight}px`;
    this.grid.setAttribute("aria-rowcount", String(rows.length + 1));
    const { from, to } = windowOf(scroller.scrollTop, scroller.clientHeight, this.rowHeight, rows.length);
    const wanted = new Map(rows.slice(from, to).map((row, n) => [row.id, from + n]));
    // The one that keys act on is named by the grid, so it has to be there.
    const active = this.placeOf(this.active);
    if (active >= 0 && this.active !== null) wanted.set(this.active, active);
    for (const [id, element] of this.elements) {
      if (wanted.has(id)) continue;
      element.remove();
      this.elements.delete(id);
    }
    for (const [id, place] of wanted) {
      let element = this.elements.get(id);
      if (element === undefined) {
        element = makeRow(this.template, id);
        this.elements.set(id, element);
        this.space.append(element);
      }
      showRow(element, rows[place], { place, top: place * this.rowHeight, isActive: id === this.active });
    }
    this.nameActive();
  }

  nameActive() {
    const head = this.head === null ? null : `instance-head-${this.columns[this.head]}`;
    const name = head ?? (this.active === null ? null : rowId(this.active));
    if (name === null) this.grid.removeAttribute("aria-activedescendant");
    else this.grid.setAttribute("aria-activedescendant", name);
  }

  /** @param {number | null} id @returns {number} -1 where the list does not have it */
  placeOf(id) {
    return id === null ? -1 : this.rows.findIndex((row) => row.id === id);
  }

  /** @param {number} id */
  reveal(id) {
    const { scroller } = this;
    const place = this.placeOf(id);
    if (place < 0) return;
    const top = scrollTo(place, scroller.scrollTop, scroller.clientHeight, this.rowHeight);
    if (top === scroller.scrollTop) return;
    // The space has to be there before it can be scrolled to.
    this.space.style.height = `${this.rows.length * this.rowHeight}px`;
    scroller.scrollTop = top;
  }

  get activeElement() {
    return this.active === null ? undefined : this.elements.get(this.active);
  }

  get hasFocus() {
    return this.viewer.controls.focused() === this.grid;
  }

  focus() {
    if (!this.viewer.desk.isPanelOpen) this.viewer.desk.togglePanel();
    this.grid.focus({ preventScroll: true });
    if (this.active === null && this.rows.length > 0) this.active = this.rows[0].id;
    this.draw();
  }

  // ---- choosing ----

  /**
   * Make a row the active one, and select it, or all from the last one on, or put it in or take it out.
   * @param {number} id
   * @param {{range: boolean, add: boolean}} how
   */
  choose(id, { range, add }) {
    const { viewer } = this;
    const { model } = viewer;
    if (model === null) return;
    this.active = id;
    if (range) {
      const ids = rangeOf(
        this.rows.map((row) => row.id),
        this.anchor ?? id,
        id,
      );
      viewer.selectAllOf(add ? [...model.selected, ...ids] : ids);
    } else {
      this.anchor = id;
      const rest = [...model.selected].filter((one) => one !== id);
      viewer.selectAllOf(!add ? [id] : model.selected.has(id) ? rest : [...rest, id]);
    }
    this.selectedBefore = [...model.selected].join(",");
    if (model.selected.has(id)) viewer.lookAt(id);
    this.reveal(id);
    this.refresh();
  }

  /** The ids that a mark is meant for: a row that is not among the selected stands for itself. @param {number} id */
  meantBy(id) {
    const selected = this.viewer.model?.selected;
    return selected?.has(id) ? [...selected] : [id];
  }

  // ---- pointer ----

  /** @param {Event} event @returns {number | null} */
  idAt(event) {
    const row = event.target instanceof Element ? event.target.closest("[data-instance]") : null;
    return row instanceof HTMLElement ? Number(row.dataset.instance) : null;
  }

  /** @param {number | null} id */
  pointAt(id) {
    const { viewer } = this;
    const isSeen = id !== null && viewer.model !== null && !isHidden(viewer.model.marks, id);
    viewer.setHover(isSeen ? id : null);
  }

  /** @param {PointerEvent} event */
  pressRow(event) {
    const id = this.idAt(event);
    this.grid.focus({ preventScroll: true });
    if (id === null || event.button !== 0 || markOf(event) !== null) return;
    this.choose(id, { range: event.shiftKey, add: event.ctrlKey || event.metaKey });
  }

  /** @param {MouseEvent} event */
  clickMark(event) {
    const mark = markOf(event);
    const id = this.idAt(event);
    if (mark === null || id === null) return;
    this.active = id;
    markInstances(this.viewer, mark, this.meantBy(id));
  }

  /** @param {MouseEvent} event */
  clickHead(event) {
    const head = event.target instanceof Element ? event.target.closest("[data-column]") : null;
    const column = COLUMNS.find((one) => head instanceof HTMLElement && one === head.dataset.column);
    if (column !== undefined) this.sortBy(column);
  }

  /** @param {import("./list_rows.js").Column} column */
  sortBy(column) {
    this.order = orderBy(this.order, column);
    keepStored(writeOrder(this.order));
    this.refresh();
    if (this.active !== null) this.reveal(this.active);
  }

  /** @param {MouseEvent} event */
  rename(event) {
    if (markOf(event) === null && this.idAt(event) !== null) this.onRename();
  }

  /** @param {MouseEvent} event */
  openMenu(event) {
    event.preventDefault();
    const id = this.idAt(event);
    if (id === null) return;
    if (!this.viewer.model?.selected.has(id)) this.choose(id, { range: false, add: false });
    openMenu(this.viewer, event.clientX, event.clientY);
  }

  // ---- keys ----

  /** @param {KeyboardEvent} event */
  pressInSearch(event) {
    event.stopPropagation();
    if (event.key === "ArrowDown" || event.key === "Enter") {
      event.preventDefault();
      this.focus();
    } else if (event.key === "Escape") {
      event.preventDefault();
      if (this.search.value === "") this.viewer.controls.stage.focus();
      this.search.value = "";
      this.refresh();
    }
  }

  /** @param {KeyboardEvent} event */
  press(event) {
    if (!isListKey(event.key) || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    if (this.head !== null) this.pressOnHead(event.key);
    else if (event.key === "Enter" || event.key === "F2") this.onRename();
    else if (event.key === " ") {
      if (this.active !== null) this.choose(this.active, { range: event.shiftKey, add: true });
    } else this.move(event);
  }

  /** @param {KeyboardEvent} event */
  move(event) {
    const { key } = event;
    const at = this.placeOf(this.active);
    if (key === "ArrowUp" && at <= 0) {
      this.setHead(Math.max(0, this.columns.indexOf(this.order.column)));
      return;
    }
    const page = Math.max(1, Math.floor(this.scroller.clientHeight / this.rowHeight) - 1);
    const place = placeAfter(key, at, this.rows.length, page);
    if (place === null) return;
    const { id } = this.rows[place];
    if (event.ctrlKey || event.metaKey) {
      this.active = id; // to a row without selecting it: Space then puts it in
      this.reveal(id);
      this.draw();
    } else this.choose(id, { range: event.shiftKey, add: false });
  }

  /** @param {number | null} head */
  setHead(head) {
    if (this.head === head) return;
    this.head = head;
    this.showHeads();
    this.nameActive();
  }

  /** @param {string} key */
  pressOnHead(key) {
    const at = this.head ?? 0;
    if (key === "ArrowDown") {
      this.setHead(null);
      this.focus();
    } else if (key === "ArrowLeft" || key === "ArrowRight") {
      const to = at + (key === "ArrowLeft" ? -1 : 1);
      this.setHead(Math.min(Math.max(to, 0), this.columns.length - 1));
    } else if (key === "Enter" || key === " ") this.sortBy(this.columns[at]);
  }
}

/** The action of the button of a row that an event is on. @param {Event} event */
function markOf(event) {
  const button = event.target instanceof Element ? event.target.closest("[data-mark]") : null;
  return button instanceof HTMLElement ? (button.dataset.mark ?? null) : null;
}

function readStored() {
  try {
    return localStorage.getItem(STORED_ORDER);
  } catch {
    return null; // a browser that keeps nothing
  }
}

/** @param {string} text */
function keepStored(text) {
  try {
    localStorage.setItem(STORED_ORDER, text);
  } catch {
    // then it is kept as long as the page is open
  }
}
