// What is done at once to the selected instances: one by one, with the network, and between instances.

import { editsOf } from "../lib/actions.js";
import { bitmapOf } from "../lib/bitmap.js";
import { dropSpecks, fillHoles, merge, move, smooth, splitParts, subtract } from "./tools/mask_edits.js";
import { copySelected, pasteCopied } from "./clipboard.js";
import { findDuplicates } from "./duplicates.js";

/** @typedef {import("./editor.js").Editor} Editor */
/** @typedef {import("../viewer/state.js").Instance} Instance */
/** @typedef {import("../lib/bitmap.js").Bitmap} Bitmap */
/** @typedef {import("./review_frames.js").Mask} Mask */

/** A step of the mask threshold, and its ends. */
const THRESHOLD_STEP = 0.1;
const LEAST_THRESHOLD = 0.1;
const MOST_THRESHOLD = 0.9;
const HALF = 0.5;
/** A copy lies this many pixels away from its original, where it can be seen. */
const COPY_SHIFT = 8;

/** Instances that the network looks for at once: as many as Python takes. */
const MOST_PROPAGATED = 200;

/** What the journal calls what is done. */
const [MERGE] = editsOf("merge");
const [SPLIT_PARTS] = editsOf("split-parts");
const [SUBTRACT] = editsOf("subtract");
const [GIVE_UP] = editsOf("give-up");
const [DUPLICATE] = editsOf("duplicate");
const [REMOVE] = editsOf("remove");

/**
 * What is done to each selected mask, by the action's name.
 * @type {Record<string, (bitmap: Bitmap, image: {width: number, height: number}) => Bitmap>}
 */
export const EACH = { "fill-holes": fillHoles, "drop-specks": dropSpecks, smooth };

/** What is done at once, by the action's name. @type {Record<string, (editor: Editor) => void>} */
export const AT_ONCE = {
  grow: (editor) => stepThreshold(editor, -THRESHOLD_STEP),
  shrink: (editor) => stepThreshold(editor, THRESHOLD_STEP),
  tighten: (editor) => runAgain(editor, "tighten", "running the network again"),
  "look-closer": (editor) => runAgain(editor, "closer", "the network looks closer …"),
  merge: mergeSelected,
  "split-parts": splitSelected,
  subtract: takeFromOthers,
  "give-up": giveUpShared,
  duplicate: duplicateSelected,
  copy: copySelected,
  paste: pasteCopied,
  propagate: propagateSelected,
  remove: removeSelected,
  duplicates: selectDuplicates,
};

/**
 * @param {Editor} editor
 * @param {string} what
 * @param {(bitmap: Bitmap, image: {width: number, height: number}) => Bitmap} change
 */
export function changeEach(editor, what, change) {
  const selected = editor.selected();
  if (selected.length === 0) {
    editor.host.say("select an instance first");
    return;
  }
  const changes = selected.map((one) => ({
    id: one.id,
    mask: editor.maskOf(change(bitmapOf(editor.runsOf(one)), editor.image)),
  }));
  // What is too small to be smoothed stays as it is: a key that tidies up removes nothing.
  editor.edit(
    what,
    changes.filter(({ mask }) => mask !== null),
  );
}

/** @param {Editor} editor @param {number} step */
function stepThreshold(editor, step) {
  const ids = editor.selected().map(({ id }) => id);
  if (ids.length === 0) {
    editor.host.say("select an instance first");
    return;
  }
  const wanted = (editor.thresholds.get(ids[0]) ?? HALF) + step;
  const threshold = Math.round(10 * Math.min(Math.max(wanted, LEAST_THRESHOLD), MOST_THRESHOLD)) / 10;
  for (const id of ids) editor.thresholds.set(id, threshold);
  if (!editor.host.state.reshape("threshold", ids, threshold)) return;
  editor.host.changed(true);
  editor.host.say(`mask threshold ${threshold.toFixed(1)}`);
}

/**
 * @param {Editor} editor
 * @param {"tighten" | "closer"} how
 * @param {string} saying meanwhile
 */
function runAgain(editor, how, saying) {
  const ids = editor.selected().map(({ id }) => id);
  if (!editor.host.state.reshape(how, ids, HALF)) {
    editor.host.say("select an instance first");
    return;
  }
  for (const id of ids) editor.thresholds.delete(id);
  editor.host.changed(true);
  editor.host.say(saying);
}

/** @param {Editor} editor */
function mergeSelected(editor) {
  const selected = editor.selected();
  if (selected.length < 2) {
    editor.host.say("select two or more: Shift+click");
    return;
  }
  // The largest stays, with its category.
  const runs = new Map(selected.map((one) => [one.id, editor.runsOf(one)]));
  const areaOf = (/** @type {Instance} */ { id }) => runs.get(id)?.area ?? 0;
  const [first, ...others] = [...selected].sort((a, b) => areaOf(b) - areaOf(a));
  const mask = editor.maskOf(merge(selected.map((one) => bitmapOf(/** @type {any} */ (runs.get(one.id))))));
  editor.edit(MERGE, [{ id: first.id, mask }, ...others.map(({ id }) => ({ id, mask: null }))]);
  editor.viewer.choose(first.id);
}

/** @param {Editor} editor */
function splitSelected(editor) {
  divideSelected(editor, SPLIT_PARTS, (bitmap) => splitParts(bitmap), "it is a single part");
}

/**
 * @param {Editor} editor
 * @param {string} what
 * @param {(bitmap: Bitmap) => Bitmap[]} divide
 * @param {string} otherwise what to say where there is one piece only
 */
export function divideSelected(editor, what, divide, otherwise) {
  const selected = editor.selected();
  /** @type {{id: number, mask: Mask | null}[]} */
  const changes = [];
  /** @type {import("./review_frames.js").Drawn[]} */
  const added = [];
  for (const one of selected) {
    const [first, ...rest] = divide(bitmapOf(editor.runsOf(one)));
    if (first === undefined || rest.length === 0) continue;
    changes.push({ id: one.id, mask: editor.maskOf(first) });
    for (const piece of rest) {
      const mask = editor.maskOf(piece);
      const state = editor.host.state.frame?.states.get(one.id);
      if (mask !== null && state !== undefined) {
        added.push({ category_id: state.category_id, mask, is_crowd: state.is_crowd });
      }
    }
  }
  if (selected.length === 0) editor.host.say("select an instance first");
  else if (added.length === 0) editor.host.say(otherwise);
  else editor.edit(what, changes, added);
}

/** Of these instances those that are not rejected and not selected. @param {Editor} editor @param {number[]} ids */
function othersOf(editor, ids) {
  const { frame } = editor.host.state;
  const selected = new Set(editor.host.selectedIds());
  const shown = new Set(ids);
  const isOther = (/** @type {Instance} */ { id, rle }) =>
    rle !== null && shown.has(id) && !selected.has(id) && frame?.states.get(id)?.status !== "rejected";
  return editor.instances().filter(isOther);
}

/** The selected ones lie in front: no other keeps a pixel of theirs. @param {Editor} editor */
function takeFromOthers(editor) {
  const selected = editor.selected();
  if (selected.length === 0) {
    editor.host.say("first select what is in front");
    return;
  }
  const front = merge(selected.map((one) => bitmapOf(editor.runsOf(one))));
  editor.edit(
    SUBTRACT,
    othersOf(editor, editor.host.shownIds()).map((one) => ({
      id: one.id,
      mask: editor.maskOf(subtract(bitmapOf(editor.runsOf(one)), front)),
      givesWay: true,
    })),
  );
}

/** The selected ones lie behind: they keep no pixel of any other. @param {Editor} editor */
function giveUpShared(editor) {
  const selected = editor.selected();
  // Those that are locked keep their pixels, too.
  const others = othersOf(editor, editor.host.seenIds()).map((one) => bitmapOf(editor.runsOf(one)));
  if (selected.length === 0 || others.length === 0) {
    editor.host.say(selected.length === 0 ? "first select what is behind" : "there is no other instance");
    return;
  }
  const front = merge(others);
  editor.edit(
    GIVE_UP,
    selected.map((one) => ({ id: one.id, mask: editor.maskOf(subtract(bitmapOf(editor.runsOf(one)), front)) })),
  );
}

/** @param {Editor} editor */
function duplicateSelected(editor) {
  const { frame } = editor.host.state;
  const added = editor.selected().flatMap((one) => {
    const bitmap = bitmapOf(editor.runsOf(one));
    const moved = editor.maskOf(move(bitmap, COPY_SHIFT, COPY_SHIFT, editor.image)) ?? editor.maskOf(bitmap);
    const state = frame?.states.get(one.id);
    return moved === null || state === undefined
      ? []
      : [{ category_id: state.category_id, mask: moved, is_crowd: state.is_crowd }];
  });
  if (added.length === 0) editor.host.say("select an instance first");
  else editor.edit(DUPLICATE, [], added);
}

/** On to the next image, where the network looks for them. @param {Editor} editor */
function propagateSelected(editor) {
  const { state } = editor.host;
  const ids = editor.selected().map(({ id }) => id);
  const target = state.nextImage();
  if (ids.length === 0) editor.host.say("select an instance first");
  else if (ids.length > MOST_PROPAGATED) editor.host.say(`select at most ${MOST_PROPAGATED} instances`);
  else if (target === "end") editor.host.say("there is no next image in the queue");
  else if (target === "loading") editor.host.say("the next image is still loading: press again");
  else {
    state.propagate(ids, target.image_id);
    state.go(target.at);
    editor.host.changed(true);
    editor.host.say("the network looks for them here …");
  }
}

/** @param {Editor} editor */
function removeSelected(editor) {
  const changes = editor.host.selectedIds().map((id) => ({ id, mask: null }));
  if (changes.length === 0) editor.host.say("select an instance first");
  else editor.edit(REMOVE, changes);
}

/** The worse of each pair, so that one key rejects them all. @param {Editor} editor */
function selectDuplicates(editor) {
  const { frame } = editor.host.state;
  const { model } = editor.viewer;
  if (frame === null || model === null) return;
  const shown = new Set(editor.host.shownIds());
  const candidates = editor.instances().flatMap((one) => {
    const state = frame.states.get(one.id);
    // What lies within a crowd is no second answer to it.
    if (
      state === undefined ||
      state.status === "rejected" ||
      state.is_crowd ||
      one.rle === null ||
      !shown.has(one.id)
    ) {
      return [];
    }
    const facts = { id: one.id, category: state.category_id, score: state.has_score ? one.score : 1 };
    return [{ ...facts, isAccepted: state.status === "accepted", runs: editor.runsOf(one) }];
  });
  const pairs = findDuplicates(candidates);
  editor.viewer.chooseAll(pairs.map(({ worse }) => worse));
  const number = pairs.length === 1 ? "1 duplicate" : `${pairs.length} duplicates`;
  editor.host.say(pairs.length === 0 ? "no duplicates" : `${number} selected: D rejects them, the better ones stay`);
}
