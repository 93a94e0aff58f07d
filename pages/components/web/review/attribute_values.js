// What can be said of the selected instances, and what is said of them. No screen.

import { valueOf } from "./review_frames.js";

/** @typedef {import("./heard_state.js").Attribute} Attribute */
/** @typedef {import("./heard_state.js").Category} Category */
/** @typedef {import("./review_frames.js").InstanceState} InstanceState */
/** @typedef {boolean | number | string | null} Value */

/** Numbers from here on are none that a project takes. */
const FAR = 1e15;
export const CROWD = "crowd";

/**
 * The attributes that all of some categories have, in the order of the first.
 * @param {Category[]} categories
 * @returns {Attribute[]}
 */
export function commonAttributes(categories) {
  const [first, ...others] = categories.map(({ attributes = [] }) => attributes);
  const isAlike = (/** @type {Attribute} */ one, /** @type {Attribute} */ other) =>
    JSON.stringify([one.name, one.kind, one.options]) === JSON.stringify([other.name, other.kind, other.options]);
  return (first ?? []).filter((one) => others.every((other) => other.some((there) => isAlike(one, there))));
}

/**
 * What is said of all of some instances, null for nothing; "mixed" where that differs.
 * @param {InstanceState[]} states
 * @param {string} name
 * @returns {{isMixed: boolean, value: Value}}
 */
export function commonValue(states, name) {
  const values = states.map((state) => (name === CROWD ? state.is_crowd : valueOf(state.attributes ?? {}, name)));
  const isMixed = new Set(values).size > 1;
  return { isMixed, value: isMixed ? null : (values[0] ?? null) };
}

/**
 * What a person wrote or chose, as a value; undefined where it is none of the attribute.
 * @param {Attribute} attribute
 * @param {string} text empty for nothing
 * @returns {Value | undefined}
 */
export function readValue({ kind, options = [] }, text) {
  const written = text.trim();
  if (written === "") return null;
  if (kind === "yes-no") return written === "yes" ? true : written === "no" ? false : undefined;
  if (kind === "choice") return options.includes(text) ? text : undefined;
  if (kind === "text") return written;
  const number = Number(written);
  return Number.isFinite(number) && Math.abs(number) < FAR ? number : undefined;
}

/** A value as `readValue` takes it. @param {Value} value */
export function writtenValue(value) {
  if (value === null) return "";
  return typeof value === "boolean" ? (value ? "yes" : "no") : String(value);
}

/**
 * What is said of instances that none of these attributes is about, as a file brought it.
 * @param {InstanceState[]} states
 * @param {Attribute[]} attributes
 */
export function otherValues(states, attributes) {
  const known = new Set(attributes.map(({ name }) => name));
  const names = new Set(states.flatMap(({ attributes: said = {} }) => Object.keys(said)));
  return [...names]
    .filter((name) => !known.has(name))
    .map((name) => {
      const { isMixed, value } = commonValue(states, name);
      return `${name}: ${isMixed ? "mixed" : writtenValue(value)}`;
    });
}
