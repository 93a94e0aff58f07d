// What is written on a key, as pages/components/actions.py has it for what Python writes.

/** @type {Record<string, string>} */
const SIGNS = { ArrowRight: "→", ArrowLeft: "←", "-": "−", PageDown: "Page Down", PageUp: "Page Up" };
/** @type {Record<string, string>} */
const SPOKEN = { ",": "comma", ".": "full stop" };
/** @type {Record<string, string>} */
const SHORT = { Delete: "Del", Escape: "Esc" };

/** The keys held and the key pressed with them. @param {string} key such as Ctrl+Shift+z */
function partsOf(key) {
  return key.length > 1 ? key.split("+") : [key];
}

/** @param {string} last */
function nameOf(last) {
  return SIGNS[last] ?? (last.length === 1 ? last.toUpperCase() : last);
}

/** Such as Shift+S. @param {string} key */
export function keyName(key) {
  const parts = partsOf(key);
  return [...parts.slice(0, -1), nameOf(parts[parts.length - 1])].join("+");
}

/** For buttons, such as ⇧S. @param {string} key */
export function shortKeyName(key) {
  const parts = partsOf(key);
  const name = nameOf(parts[parts.length - 1]);
  return parts.slice(0, -1).join("").replace("Shift", "⇧") + (SHORT[name] ?? name);
}

/** For the list of keys: each key by itself. @param {string} key @returns {string[]} */
export function keyCaps(key) {
  const parts = partsOf(key);
  const names = [...parts.slice(0, -1), nameOf(parts[parts.length - 1])];
  return names.map((name) => SHORT[name] ?? name);
}

/**
 * A button's title with its keys in it.
 * @param {string} title in which {key} and {keys} stand for them
 * @param {string[]} keys
 */
export function titleWith(title, keys) {
  const spoken = keys.map((key) => SPOKEN[key] ?? keyName(key));
  const first = spoken[0] ?? "no key";
  return title.replace("{keys}", spoken.join(" or ") || first).replace("{key}", first);
}
