// What the list of instances shows: its rows in order, which of them are in sight, and where keys lead. No screen.

import { fold, hasAllWords } from "../lib/text_search.js";
import { isHidden } from "./marks.js";
import { colorOf, isListed } from "./state.js";

/** @typedef {import("./state.js").Model} Model */
/** @typedef {"category" | "score" | "area" | "status" | "source"} Column */
/** @typedef {{column: Column, isDescending: boolean}} Order */

/**
 * @typedef {object} Row
 * @property {number} id
 * @property {string} category
 * @property {string} color
 * @property {number | null} score null for what no model found
 * @property {number | null} area in pixels; null until its mask is read
 * @property {string} status empty where there is no review
 * @property {string} source
 * @property {boolean} isCrowd
 * @property {boolean} isHidden
 * @property {boolean} isLocked
 * @property {boolean} isSelected
 */

export const COLUMNS = /** @type {const} */ (["category", "score", "area", "status", "source"]);
/** Of numbers people want the largest first. */
const LARGEST_FIRST = new Set(["score", "area"]);
/** @type {Order} */
export const FIRST_ORDER = { column: "score", isDescending: true };
/** Rows beyond those in sight, on each side, so that scrolling finds them there. */
const BEYOND = 8;

/** Keys that the list makes something of itself; all others mean what they mean beside it. */
const OWN_KEYS = /^(?:Arrow(?:Up|Down|Left|Right)|Page(?:Up|Down)|Home|End|Enter| |F2)$/;

/** @param {string} key as an event names it */
export function isListKey(key) {
  return OWN_KEYS.test(key);
}

/**
 * The instances that reach the score in the categories that are shown, in the order of the model.
 * @param {Model} model
 * @param {(id: number) => number | null} areaOf
 * @returns {Row[]}
 */
export function rowsOf(model, areaOf) {
  const listed = model.instances.filter((instance) => isListed(model, instance));
  return listed.map((instance) => ({
    id: instance.id,
    category: instance.label,
    color: colorOf(model, instance),
    score: instance.has_score === false ? null : instance.score,
    area: areaOf(instance.id),
    status: instance.status ?? "",
    source: instance.source ?? model.source,
    isCrowd: instance.is_crowd === true,
    isHidden: isHidden(model.marks, instance.id),
    isLocked: model.marks.locked.has(instance.id),
    isSelected: model.selected.has(instance.id),
  }));
}

/**
 * The rows that have all words of a text in category, source, status or state.
 * @param {Row[]} rows
 * @param {string} text as somebody typed it
 */
export function filterRows(rows, text) {
  const query = fold(text);
  if (query === "") return rows;
  return rows.filter((row) => {
    const states = [row.isHidden ? "hidden" : "", row.isLocked ? "locked" : "", row.isCrowd ? "crowd" : ""];
    return hasAllWords(fold([row.category, row.source, row.status, ...states].join(" ")), query);
  });
}

const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

/**
 * The values of a column as numbers, in the same order; null where it is not known.
 * @param {Row[]} rows
 * @param {Column} column
 * @returns {(number | null)[]}
 */
function ordinals(rows, column) {
  if (column === "score" || column === "area") return rows.map((row) => row[column]);
  // Thousands of rows have few different texts: only those are compared as people would.
  const texts = [...new Set(rows.map((row) => row[column]))].sort(collator.compare);
  const place = new Map();
  texts.forEach((text, n) => {
    const isSame = n > 0 && collator.compare(texts[n - 1], text) === 0;
    place.set(text, isSame ? place.get(texts[n - 1]) : n);
  });
  return rows.map((row) => place.get(row[column]));
}

/**
 * Rows in an order; equal ones stay as they were, and what is not known comes last.
 * @param {Row[]} rows
 * @param {Order} order
 */
export function sortRows(rows, { column, isDescending }) {
  const way = isDescending ? -1 : 1;
  const values = ordinals(rows, column);
  const places = rows.map((_, n) => n);
  places.sort((a, b) => {
    const [x, y] = [values[a], values[b]];
    if (x === null || y === null) return Number(x === null) - Number(y === null) || a - b;
    return way * (x - y) || a - b;
  });
  return places.map((n) => rows[n]);
}

/**
 * The order after a press on a column's head: another column, or the same one the other way round.
 * @param {Order} order
 * @param {Column} column
 * @returns {Order}
 */
export function orderBy(order, column) {
  if (order.column !== column) return { column, isDescending: LARGEST_FIRST.has(column) };
  return { column, isDescending: !order.isDescending };
}

/**
 * An order as the browser kept it; the first one where it kept none.
 * @param {string | null} text
 * @returns {Order}
 */
export function readOrder(text) {
  const [column, way] = (text ?? "").split(" ");
  const known = COLUMNS.find((one) => one === column);
  return known === undefined ? FIRST_ORDER : { column: known, isDescending: way === "down" };
}

/** @param {Order} order */
export function writeOrder({ column, isDescending }) {
  return `${column} ${isDescending ? "down" : "up"}`;
}

/**
 * Which rows have to be there.
 * @param {number} top how far it is scrolled, in CSS pixels
 * @param {number} height of what is seen
 * @param {number} rowHeight
 * @param {number} count of all rows
 * @returns {{from: number, to: number}} places, `to` not among them
 */
export function windowOf(top, height, rowHeight, count) {
  const from = Math.max(0, Math.floor(top / rowHeight) - BEYOND);
  const to = Math.min(count, Math.ceil((top + height) / rowHeight) + BEYOND);
  return { from: Math.min(from, Math.max(0, to - 1)), to };
}

/**
 * How far to scroll so that a row is seen whole.
 * @param {number} place of the row
 * @param {number} top
 * @param {number} height
 * @param {number} rowHeight
 */
export function scrollTo(place, top, height, rowHeight) {
  const [first, last] = [place * rowHeight, (place + 1) * rowHeight - height];
  return Math.max(0, Math.max(last, Math.min(first, top)));
}

/**
 * The place that a key leads to; null for other keys.
 * @param {string} key
 * @param {number} at -1 where none is active
 * @param {number} count
 * @param {number} page rows that are seen at once
 */
export function placeAfter(key, at, count, page) {
  /** @type {Record<string, number>} */
  const places = {
    ArrowDown: at + 1,
    ArrowUp: at < 0 ? count - 1 : at - 1,
    PageDown: at + page,
    PageUp: at - page,
    Home: 0,
    End: count - 1,
  };
  if (!Object.hasOwn(places, key) || count === 0) return null;
  return Math.min(Math.max(places[key], 0), count - 1);
}

/**
 * The ids from one row to another, both among them, in the rows' order.
 * @param {number[]} ids
 * @param {number} from
 * @param {number} to
 */
export function rangeOf(ids, from, to) {
  const [a, b] = [ids.indexOf(from), ids.indexOf(to)];
  if (a < 0 || b < 0) return b < 0 ? [] : [to];
  return ids.slice(Math.min(a, b), Math.max(a, b) + 1);
}
