// Finding names by what somebody types: whatever the case, and without marks such as accents.

/**
 * A text as it is compared.
 * @param {string} text
 */
export function fold(text) {
  return text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase().trim();
}

/**
 * Whether a text has each word of a query somewhere.
 * @param {string} text folded
 * @param {string} query folded
 */
export function hasAllWords(text, query) {
  return query.split(/\s+/).every((word) => text.includes(word));
}

/**
 * How well a name answers a query: 0 is the same name, 1 begins so, 2 has a word that does, 3 contains it; null for none.
 * @param {string} name folded
 * @param {string} query folded
 * @returns {0 | 1 | 2 | 3 | null}
 */
export function rankOf(name, query) {
  if (name === query) return 0;
  if (name.startsWith(query)) return 1;
  const at = name.indexOf(query);
  if (at < 0) return hasAllWords(name, query) ? 3 : null;
  const words = name.split(/[^\p{L}\p{N}]+/u);
  return words.some((word) => word.startsWith(query)) ? 2 : 3;
}
