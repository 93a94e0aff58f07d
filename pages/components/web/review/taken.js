// Images that others have open: who goes on passes over them, and who opens one on purpose is told.

/** @typedef {import("./review_state.js").ReviewState} ReviewState */

/**
 * Where a step leads: to the next place whose image nobody else has open.
 * @param {ReviewState} state
 * @param {1 | -1} step
 * @returns {{at: number, passed: string[]}} a place outside the queue where there is none; and who has those between
 */
export function nextFree(state, step) {
  const taken = state.message?.taken ?? {};
  /** @type {Set<string>} */
  const passed = new Set();
  let at = state.at + step;
  while (at >= 0 && at < state.length && Object.hasOwn(taken, at)) {
    passed.add(taken[at]);
    at += step;
  }
  return { at, passed: [...passed] };
}

/** What is said of those who are at images that were passed over. @param {string[]} names */
export function tellPassed(names) {
  return names.length === 0 ? "" : `passed over what ${listed(names)} ${names.length === 1 ? "has" : "have"} open`;
}

/** What is said of those who have the same image open. @param {string[]} names */
export function tellHere(names) {
  return names.length === 0 ? "" : `${listed(names)} ${names.length === 1 ? "is" : "are"} here`;
}

/** @param {string[]} names */
function listed(names) {
  if (names.length < 2) return names.join("");
  return `${names.slice(0, -1).join(", ")} and ${names[names.length - 1]}`;
}
