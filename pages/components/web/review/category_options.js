// What the category picker offers for what somebody has typed. No screen.

import { fold, rankOf } from "../lib/text_search.js";
import { cleanName } from "./own_categories.js";

/** @typedef {import("./review_state.js").Category} Category */
/** @typedef {{kind: "category", category: Category} | {kind: "new", name: string} | {kind: "none"}} Option */

/** So many categories are offered at once: who has more types another letter. */
export const MOST_OPTIONS = 100;

/**
 * @param {object} facts
 * @param {string} facts.query as typed
 * @param {Category[]} facts.categories in the project's order
 * @param {string[]} facts.recent names, the latest first
 * @param {boolean} facts.canClear whether none may be chosen, too
 * @returns {{options: Option[], more: number}} and how many categories there would be besides
 */
export function optionsFor({ query, categories, recent, canClear }) {
  const wanted = fold(query);
  const place = new Map(recent.map((name, n) => [name, n]));
  const recency = (/** @type {Category} */ { name }) => place.get(name) ?? recent.length;
  const found = categories.flatMap((category) => {
    const rank = wanted === "" ? 0 : rankOf(fold(category.name), wanted);
    return rank === null ? [] : [{ category, rank }];
  });
  // Equal ones stay in the project's order.
  found.sort((a, b) => a.rank - b.rank || recency(a.category) - recency(b.category));
  /** @type {Option[]} */
  const options = found.slice(0, MOST_OPTIONS).map(({ category }) => ({ kind: "category", category }));
  const name = cleanName(query);
  if (name !== "" && !categories.some((one) => one.name === name)) options.push({ kind: "new", name });
  if (canClear && wanted === "") options.push({ kind: "none" });
  return { options, more: Math.max(0, found.length - MOST_OPTIONS) };
}
