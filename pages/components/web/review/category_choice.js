// Which category is active, which were chosen last, and which keys choose one. Kept with the browser: the active one by
// project in the tab, keys and the last ones by name in all tabs, since the same names come back in other projects.

/** @typedef {import("./review_state.js").Category} Category */

const ACTIVE = "maskdesk-category";
const RECENT = "maskdesk-categories-recent";
const KEYS = "maskdesk-category-keys";
/** So many names are remembered as chosen last. */
const RECENT_KEPT = 12;
/** So many names may have a key: all digits and letters. */
const KEYS_KEPT = 35;
/** A digit, or a letter with Alt: what no action of the table has. */
const HOT_KEY = /^(?:[1-9]|Alt\+[a-z])$/;

/** @typedef {{key: string, code: string, altKey: boolean, ctrlKey: boolean, metaKey: boolean}} Press */

/**
 * The key that may choose a category; null for any other. Letters by their place, as Alt makes other signs of them on a Mac.
 * @param {Press} press
 */
export function hotKeyOf({ key, code, altKey, ctrlKey, metaKey }) {
  if (ctrlKey || metaKey) return null;
  if (!altKey) return /^[1-9]$/.test(key) ? key : null;
  return /^Key[A-Z]$/.test(code) ? `Alt+${code.slice(-1).toLowerCase()}` : null;
}

/**
 * The key that somebody gives a category where they write: a digit or letter, with Alt. Null for any other press.
 * @param {Press} press
 */
export function keyToGive(press) {
  const digit = /^Digit([1-9])$/.exec(press.code);
  if (press.altKey && digit !== null && !press.ctrlKey && !press.metaKey) return digit[1];
  return press.altKey ? hotKeyOf(press) : null;
}

/** @param {Storage | null} storage @param {string} name @returns {unknown} */
function read(storage, name) {
  try {
    return JSON.parse(storage?.getItem(name) ?? "null");
  } catch {
    return null; // damaged, or forbidden
  }
}

/** @param {Storage | null} storage @param {string} name @param {unknown} value */
function write(storage, name, value) {
  try {
    storage?.setItem(name, JSON.stringify(value));
  } catch {
    // then it is kept as long as the page is open
  }
}

/** @param {unknown} value @returns {Record<string, unknown>} */
function record(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : {};
}

export class CategoryChoice {
  /**
   * @param {Storage | null} tab
   * @param {Storage | null} browser
   */
  constructor(tab, browser) {
    this.tab = tab;
    this.browser = browser;
    this.project = 0;
    /** The name of the one that somebody chose; empty for none. */
    this.chosen = "";
    const recent = read(browser, RECENT);
    /** @type {string[]} names, the latest first */
    this.recent = Array.isArray(recent) ? recent.filter((name) => typeof name === "string").slice(0, RECENT_KEPT) : [];
    const keys = Object.entries(record(read(browser, KEYS)));
    /** @type {Map<string, string>} names by key */
    this.keys = new Map(
      keys.flatMap(([key, name]) => (HOT_KEY.test(key) && typeof name === "string" ? [[key, name]] : [])),
    );
  }

  /** @param {number} project whose categories are chosen from now on */
  open(project) {
    if (project === this.project) return;
    this.project = project;
    this.chosen = String(record(read(this.tab, ACTIVE))[project] ?? "");
  }

  /**
   * The category of what is drawn; null where nobody has said it and there is more than one.
   * @param {Category[]} categories
   * @returns {Category | null}
   */
  active(categories) {
    const found = this.explicit(categories);
    return found ?? (categories.length === 1 ? categories[0] : null);
  }

  /** The one that somebody chose. @param {Category[]} categories @returns {Category | null} */
  explicit(categories) {
    return categories.find(({ name }) => name === this.chosen && name !== "") ?? null;
  }

  /** @param {string} name empty to choose none */
  choose(name) {
    this.chosen = name;
    write(this.tab, ACTIVE, { ...record(read(this.tab, ACTIVE)), [this.project]: name });
    if (name === "") return;
    this.recent = [name, ...this.recent.filter((one) => one !== name)].slice(0, RECENT_KEPT);
    write(this.browser, RECENT, this.recent);
  }

  /**
   * Give a category a key, or take away the one that it has.
   * @param {string} name
   * @param {string} key
   */
  assign(name, key) {
    const had = this.keys.get(key) === name;
    for (const [other, owner] of this.keys) if (owner === name) this.keys.delete(other);
    if (had || this.keys.size >= KEYS_KEPT) this.keys.delete(key);
    else this.keys.set(key, name);
    write(this.browser, KEYS, Object.fromEntries(this.keys));
  }

  /**
   * Categories by their keys: those that people gave, and digits for the first ones that have none.
   * @param {Category[]} categories
   * @returns {Map<string, Category>}
   */
  keyed(categories) {
    const byName = new Map(categories.map((category) => [category.name, category]));
    /** @type {Map<string, Category>} */
    const keyed = new Map();
    for (const [key, name] of this.keys) {
      const category = byName.get(name);
      if (category !== undefined) keyed.set(key, category);
    }
    const given = new Set([...keyed.values()].map(({ name }) => name));
    // The n-th category keeps the digit n, whatever keys others have.
    categories.slice(0, 9).forEach((category, n) => {
      const digit = String(n + 1);
      if (!keyed.has(digit) && !given.has(category.name)) keyed.set(digit, category);
    });
    return keyed;
  }
}
