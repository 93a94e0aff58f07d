// Copied instances: in the browser's storage, so that they can be pasted on another image, in another tab and after a
// reload; and, where the browser allows it, as a text in the system's clipboard. Who pastes trusts them like any file.

import { bitmapOf, clipBox, countsOf, tightBox } from "../lib/bitmap.js";
import { editsOf } from "../lib/actions.js";
import { decodeRle } from "../lib/rle.js";

/** @typedef {import("./editor.js").Editor} Editor */
/** @typedef {import("./review_frames.js").Drawn} Drawn */
/** @typedef {import("./review_state.js").Category} Category */
/** @typedef {import("../lib/rle.js").CocoRle} CocoRle */
/** An instance as it was copied. @typedef {{rle: CocoRle, category_id: number, category: string, is_crowd: boolean}} Copied */
/** @typedef {{version: 1, project_id: number, instances: Copied[]}} Clipboard */

const KEY = "maskdesk-copied";
/** What one edit may make; see MAX_EDITED in Python. */
const MOST_COPIED = 1000;
/** Characters in the storage, of which a browser gives some five million. */
const MOST_TEXT = 4_000_000;

/**
 * What is in the storage; null where there is nothing, or nothing of ours.
 * @param {string | null} text
 * @returns {Clipboard | null}
 */
export function readCopied(text) {
  if (text === null || text.length > MOST_TEXT) return null;
  try {
    const { version, project_id, instances } = JSON.parse(text);
    const isOurs = version === 1 && Number.isSafeInteger(project_id) && Array.isArray(instances);
    if (!isOurs || instances.length > MOST_COPIED || !instances.every(isCopied)) return null;
    return { version, project_id, instances };
  } catch {
    return null;
  }
}

/** @param {any} one */
function isCopied(one) {
  const size = one?.rle?.size;
  return (
    Array.isArray(size) &&
    size.length === 2 &&
    size.every((side) => Number.isSafeInteger(side) && side > 0) &&
    size[0] * size[1] < 2 ** 31 &&
    typeof one.rle.counts === "string" &&
    Number.isSafeInteger(one.category_id) &&
    typeof one.category === "string" &&
    typeof one.is_crowd === "boolean"
  );
}

/**
 * What is to be drawn of copied instances: at the same place, clipped to the image.
 * @param {Clipboard} copied
 * @param {{width: number, height: number}} image
 * @param {number} projectId where they are pasted
 * @param {Category[]} categories there
 * @returns {{drawn: Drawn[], outside: number, unknown: string[]}} how many lie outside, and which categories are not there
 */
export function drawnOf({ project_id, instances }, image, projectId, categories) {
  /** @type {Drawn[]} */
  const drawn = [];
  /** @type {Set<string>} */
  const unknown = new Set();
  let outside = 0;
  for (const one of instances) {
    const sameName = (/** @type {Category} */ { name }) => name.toLowerCase() === one.category.toLowerCase();
    const known = project_id === projectId ? categories.find(({ id }) => id === one.category_id) : undefined;
    const category = known ?? categories.find(sameName);
    if (category === undefined) {
      unknown.add(one.category);
      continue;
    }
    const runs = decodeRle(one.rle);
    const bitmap = bitmapOf(runs, clipBox(runs.box, image));
    const box = tightBox(bitmap);
    if (box[2] === 0) outside += 1;
    else {
      const mask = { counts: countsOf(bitmap, image), box };
      drawn.push({ category_id: category.id, mask, is_crowd: one.is_crowd });
    }
  }
  return { drawn, outside, unknown: [...unknown] };
}

/** @param {Editor} editor */
export function copySelected(editor) {
  const { frame, message, categories } = editor.host.state;
  const selected = editor.selected();
  if (frame === null || selected.length === 0) {
    editor.host.say("select an instance first");
    return;
  }
  if (selected.length > MOST_COPIED) {
    editor.host.say(`select at most ${MOST_COPIED} instances`);
    return;
  }
  const names = new Map(categories.map(({ id, name }) => [id, name]));
  const instances = selected.flatMap(({ id, rle }) => {
    const state = frame.states.get(id);
    if (state === undefined || rle === null) return [];
    const { category_id, is_crowd } = state;
    return [{ rle, category_id, category: names.get(category_id) ?? "", is_crowd }];
  });
  const text = JSON.stringify({ version: 1, project_id: message?.project_id ?? 0, instances });
  try {
    if (text.length > MOST_TEXT) throw new RangeError("too long");
    localStorage.setItem(KEY, text);
  } catch {
    editor.host.say("too much to copy: select fewer instances");
    return;
  }
  // Allowed on HTTPS and this machine only; nothing depends on it.
  navigator.clipboard?.writeText(text).catch(() => {});
  editor.host.say(`${instances.length} copied`);
}

/** @param {Editor} editor */
export function pasteCopied(editor) {
  const { message, categories } = editor.host.state;
  const copied = readCopied(fromStorage());
  if (copied === null || copied.instances.length === 0) {
    editor.host.say("nothing is copied yet");
    return;
  }
  /** @type {ReturnType<typeof drawnOf>} */
  let made;
  try {
    made = drawnOf(copied, editor.image, message?.project_id ?? 0, categories);
  } catch {
    editor.host.say("what was copied cannot be read: copy it again");
    return;
  }
  const { drawn, outside, unknown } = made;
  const left = [
    ...(outside > 0 ? [`${outside} outside the image`] : []),
    ...unknown.map((name) => `no category “${name}” here`),
  ];
  if (drawn.length > 0) editor.viewer.chooseAll(editor.edit(editsOf("paste")[0], [], drawn));
  editor.host.say([`${drawn.length} pasted`, ...left].join("; "));
}

function fromStorage() {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
}
