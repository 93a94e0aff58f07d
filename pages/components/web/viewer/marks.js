// Instances that somebody has hidden, locked or singled out for now, image by image, in the tab. They are a way of looking:
// neither Python nor an export knows of them. No screen.

/**
 * @typedef {object} Marks
 * @property {Set<number>} hidden
 * @property {Set<number>} locked seen, but neither picked nor changed
 * @property {Set<number> | null} solo all but these are hidden; null where none is singled out
 */

const STORED = "maskdesk-marks";
/** So many images' marks are kept, the latest ones. */
export const IMAGES_KEPT = 40;

/** @returns {Marks} */
export function noMarks() {
  return { hidden: new Set(), locked: new Set(), solo: null };
}

/** @param {Marks} marks @param {number} id */
export function isHidden(marks, id) {
  return marks.solo === null ? marks.hidden.has(id) : !marks.solo.has(id);
}

/**
 * Hide instances; where all are hidden, show them again.
 * @param {Marks} marks
 * @param {number[]} ids
 */
export function toggleHidden(marks, ids) {
  if (ids.length > 0 && ids.every((id) => isHidden(marks, id))) reveal(marks, ids);
  else {
    for (const id of ids) {
      marks.hidden.add(id);
      marks.solo?.delete(id);
    }
  }
}

/**
 * Lock instances; where all are locked, unlock them.
 * @param {Marks} marks
 * @param {number[]} ids
 */
export function toggleLocked(marks, ids) {
  const areLocked = ids.every((id) => marks.locked.has(id));
  for (const id of ids) {
    if (areLocked) marks.locked.delete(id);
    else marks.locked.add(id);
  }
}

/**
 * Show only these; where it is just these already, as it was before.
 * @param {Marks} marks
 * @param {number[]} ids
 */
export function toggleSolo(marks, ids) {
  const isSame = marks.solo !== null && marks.solo.size === ids.length && ids.every((id) => marks.solo?.has(id));
  marks.solo = isSame || ids.length === 0 ? null : new Set(ids);
  if (marks.solo !== null) for (const id of ids) marks.hidden.delete(id);
}

/**
 * So that these are seen, whatever else is not.
 * @param {Marks} marks
 * @param {number[]} ids
 */
export function reveal(marks, ids) {
  for (const id of ids) {
    marks.hidden.delete(id);
    marks.solo?.add(id);
  }
}

/** Nothing is hidden or locked any more. @param {Marks} marks */
export function clearMarks(marks) {
  marks.hidden.clear();
  marks.locked.clear();
  marks.solo = null;
}

/**
 * Speak of instances by their new ids.
 * @param {Marks} marks
 * @param {Map<number, number>} renamed
 */
export function renameMarks(marks, renamed) {
  for (const ids of [marks.hidden, marks.locked, marks.solo]) {
    for (const [before, after] of renamed) if (ids?.delete(before)) ids.add(after);
  }
}

/**
 * How many of an image's instances are hidden and locked.
 * @param {Marks} marks
 * @param {{id: number}[]} instances
 */
export function countMarks(marks, instances) {
  let hidden = 0;
  let locked = 0;
  for (const { id } of instances) {
    if (isHidden(marks, id)) hidden += 1;
    if (marks.locked.has(id)) locked += 1;
  }
  return { hidden, locked };
}

/**
 * The counts in words; empty where there are none.
 * @param {{hidden: number, locked: number}} counts
 */
export function marksText({ hidden, locked }) {
  return [hidden > 0 ? `${hidden} hidden` : "", locked > 0 ? `${locked} locked` : ""].filter(Boolean).join(", ");
}

/** What is kept of an image: its key, and the ids. @typedef {[string, number[], number[], number[] | null]} Kept */

/** @param {unknown} value @returns {value is number[]} */
function areIds(value) {
  return Array.isArray(value) && value.every(Number.isSafeInteger);
}

/** The marks of a tab, which survive a reload. */
export class MarkStore {
  /** @param {Storage | null} storage of the tab; null where there is none */
  constructor(storage) {
    this.storage = storage;
  }

  /** @returns {Kept[]} latest last; what does not hold is left out */
  read() {
    /** @type {unknown} */
    let kept = null;
    try {
      kept = JSON.parse(this.storage?.getItem(STORED) ?? "[]");
    } catch {
      // damaged, or somebody else's
    }
    if (!Array.isArray(kept)) return [];
    return kept.filter(
      (row) =>
        Array.isArray(row) &&
        typeof row[0] === "string" &&
        areIds(row[1]) &&
        areIds(row[2]) &&
        (row[3] === null || areIds(row[3])),
    );
  }

  /** @param {string} key of the image @returns {Marks} */
  load(key) {
    const found = this.read().find(([one]) => one === key);
    if (found === undefined) return noMarks();
    const [, hidden, locked, solo] = found;
    return { hidden: new Set(hidden), locked: new Set(locked), solo: solo === null ? null : new Set(solo) };
  }

  /** @param {string} key @param {Marks} marks */
  save(key, { hidden, locked, solo }) {
    const rows = this.read().filter(([one]) => one !== key);
    if (hidden.size > 0 || locked.size > 0 || solo !== null) {
      rows.push([key, [...hidden], [...locked], solo === null ? null : [...solo]]);
    }
    // A storage that is full takes fewer images; one that takes nothing leaves them to this page.
    for (let kept = rows.slice(-IMAGES_KEPT); ; kept = kept.slice(1)) {
      try {
        this.storage?.setItem(STORED, JSON.stringify(kept));
        return;
      } catch {
        if (kept.length === 0) return;
      }
    }
  }
}

/** The tab's own storage; null where the browser allows none. @returns {Storage | null} */
export function tabStorage() {
  try {
    return sessionStorage;
  } catch {
    return null;
  }
}
