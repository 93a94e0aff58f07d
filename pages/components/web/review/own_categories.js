// Categories that were made here and that Python has not answered yet. They have ids of ours, below zero; operations
// name them by their names, so that nothing has to wait for Python's ids. No screen.

import { ownId } from "./review_frames.js";

/** @typedef {import("./operation_log.js").Pending} Pending */
/** @typedef {import("./review_frames.js").Patch} Patch */
/** @typedef {import("./review_state.js").Category} Category */

/** Of a category whose own colour only Python knows. */
const COLOR = "#7d8597";
/** Characters that a name may have: `MAX_NAME` in the core's bounds. */
const MOST_OF_A_NAME = 1024;
/** Of two that belong together, one alone: no database stores it. */
const HALF_A_CHARACTER = /\p{Surrogate}/u;

/**
 * A name as it is stored: on one line, without blanks around it; empty where it is none.
 * @param {string} text
 */
export function cleanName(text) {
  // \s has what JavaScript trims, and the control characters what Python does besides.
  // eslint-disable-next-line no-control-regex
  const name = text.replace(/[\s\u0000-\u001f\u0085]+/g, " ").trim();
  return name.length > MOST_OF_A_NAME || HALF_A_CHARACTER.test(name) ? "" : name;
}

/**
 * Those that unanswered operations make, each name once.
 * @param {Pending[]} pending
 * @returns {Category[]}
 */
export function madeHere(pending) {
  const made = pending.filter(({ op }) => op.kind === "new_category");
  return made.map(({ op }) => ({ id: ownId(op.seq, 0), name: String(op.name), color: COLOR }));
}

/**
 * All categories that can be chosen now: Python's, and behind them those made here.
 * @param {Category[]} known as Python sent them
 * @param {Category[]} own
 */
export function withOwn(known, own) {
  const names = new Set(known.map(({ name }) => name));
  return [...known, ...own.filter(({ name }) => !names.has(name))];
}

/**
 * Python's ids of categories that were made here, for those that it has now.
 * @param {Category[]} own
 * @param {Category[]} known
 * @returns {Map<number, Category>}
 */
export function answered(own, known) {
  const byName = new Map(known.map((category) => [category.name, category]));
  /** @type {Map<number, Category>} */
  const found = new Map();
  for (const { id, name } of own) {
    const category = byName.get(name);
    if (category !== undefined) found.set(id, category);
  }
  return found;
}

/**
 * Let a patch speak of Python's categories in place of ours.
 * @param {Patch | null} patch
 * @param {Map<number, Category>} fresh by our ids
 */
export function renameCategories(patch, fresh) {
  for (const entry of patch?.instances ?? []) {
    const category = entry.category_id === undefined ? undefined : fresh.get(entry.category_id);
    if (category !== undefined) entry.category_id = category.id;
  }
  for (const { instance, state } of patch?.added ?? []) {
    const category = fresh.get(state.category_id);
    if (category === undefined) continue;
    state.category_id = category.id;
    Object.assign(instance, { category_id: category.id, label: category.name, color_category: category.color });
  }
}
