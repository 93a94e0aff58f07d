// What a person decides in the review, by the names of the table's actions: on the state, in the viewer, and in words.

import { revealInstances } from "../viewer/marking.js";
import { isHidden } from "../viewer/marks.js";
import { nextUndecided } from "./review_frames.js";
import { approve, askToReturn } from "./second_look.js";
import { nextFree, tellPassed } from "./taken.js";

/** @typedef {import("./reviewer.js").Reviewer} Reviewer */
/** @typedef {import("./review_frames.js").Status} Status */
/** @typedef {import("./review_frames.js").Patch} Patch */

/**
 * By the action's name; with a digit its number.
 * @type {Record<string, (reviewer: Reviewer, number: number) => void>}
 */
export const DECISIONS = {
  accept: (reviewer) => decide(reviewer, "accepted"),
  reject: (reviewer) => decide(reviewer, "rejected"),
  "accept-all": (reviewer) => decideAll(reviewer, "accepted"),
  "reject-all": (reviewer) => decideAll(reviewer, "rejected"),
  relabel: (reviewer, number) => relabelByNumber(reviewer, number),
  "choose-category": ({ categories }) => categories.pick(),
  crowd: (reviewer) => toggleCrowd(reviewer),
  next: (reviewer) => step(reviewer, 1),
  previous: (reviewer) => step(reviewer, -1),
  first: (reviewer) => go(reviewer, 0),
  last: (reviewer) => go(reviewer, reviewer.state.length - 1),
  comment: ({ comments }) => comments.open("comment"),
  attributes: ({ attributes }) => attributes.focus(),
  approve: (reviewer) => approve(reviewer, () => step(reviewer, 1)),
  return: (reviewer) => askToReturn(reviewer),
  done: (reviewer) => finish(reviewer),
  reopen: (reviewer) => reviewer.changed(reviewer.state.finish("opened")),
  undo: (reviewer) => reviewer.categories.undo() || turnBack(reviewer, reviewer.state.undo(), "nothing to undo"),
  redo: (reviewer) => reviewer.categories.redo() || turnBack(reviewer, reviewer.state.redo(), "nothing to redo"),
  save: (reviewer) => saveNow(reviewer),
  "show-refusals": ({ refusals }) => refusals.reveal(),
  dismiss: ({ refusals }) => refusals.dismiss(null),
};

/** @param {Reviewer} reviewer @param {Status} status */
function decide(reviewer, status) {
  const { state } = reviewer;
  const { frame } = state;
  if (frame === null || state.loading) return;
  const selected = reviewer.selectedIds();
  const first = reviewer.firstUndecided();
  const ids = selected.length > 0 ? selected : first === null ? [] : [first];
  if (ids.length === 0) {
    reviewer.bar.say("nothing to decide");
    return;
  }
  if (!reviewer.shownIds().includes(ids[0])) {
    const { model } = reviewer.viewer;
    const isMarked = model !== null && (model.marks.locked.has(ids[0]) || isHidden(model.marks, ids[0]));
    reviewer.bar.say(isMarked ? "hidden or locked: see the list" : "hidden by its score or category");
    return;
  }
  const changed = state.setStatus(ids, status).length > 0;
  if (frame.focus === null) {
    reviewer.changed(changed);
    goToUndecided(reviewer, ids[ids.length - 1]);
  } else if (!ids.includes(frame.focus)) {
    reviewer.changed(changed);
    reviewer.viewer.choose(frame.focus);
    reviewer.viewer.lookAt(frame.focus);
  } else {
    if (changed) reviewer.sending.keep();
    step(reviewer, 1);
  }
}

/** @param {Reviewer} reviewer @param {Status} status */
function decideAll(reviewer, status) {
  const { frame } = reviewer.state;
  if (frame === null || reviewer.state.loading) return;
  const ids = reviewer.shownIds().filter((id) => frame.states.get(id)?.status === "proposed");
  if (ids.length === 0) reviewer.bar.say("nothing to decide");
  reviewer.changed(reviewer.state.setStatus(ids, status).length > 0);
  if (ids.length > 0) reviewer.bar.say(`${ids.length} ${status}`);
}

/** @param {Reviewer} reviewer @param {number} id that was decided */
function goToUndecided(reviewer, id) {
  const { frame } = reviewer.state;
  const next = frame === null ? null : nextUndecided(frame, reviewer.shownIds(), id);
  // With none left nothing stays selected: one key too many would overturn the last decision.
  reviewer.viewer.choose(next);
  if (next !== null) reviewer.viewer.lookAt(next);
}

/** @param {Reviewer} reviewer @param {number} number from 1 */
function relabelByNumber(reviewer, number) {
  if (!reviewer.categories.chooseByKey(String(number))) reviewer.bar.say(`no category ${number}`);
}

/** @param {Reviewer} reviewer */
function toggleCrowd(reviewer) {
  const { changed, isCrowd } = reviewer.state.toggleCrowd(reviewer.selectedIds());
  if (changed.length === 0) {
    reviewer.bar.say("select an instance first");
    return;
  }
  reviewer.changed(true);
  const what = changed.length === 1 ? (isCrowd ? "a crowd" : "one object") : isCrowd ? "crowds" : "one object each";
  reviewer.bar.say(`${changed.length} marked as ${what}`);
}

/**
 * @param {Reviewer} reviewer
 * @param {[number, number, number, number]} box
 * @param {number | null} categoryId null leaves it to the network
 */
export function drawBox(reviewer, box, categoryId) {
  if (reviewer.state.drawBox(box, categoryId)) awaitDrawn(reviewer, categoryId, "running the network on the box …");
}

/** @param {Reviewer} reviewer @param {number[]} ring of a lasso @param {number} categoryId */
export function cutOut(reviewer, ring, categoryId) {
  if (reviewer.state.cutOut(ring, categoryId)) awaitDrawn(reviewer, categoryId, "looking for its edges …");
}

/**
 * @param {Reviewer} reviewer
 * @param {number | null} categoryId that was chosen
 * @param {string} meanwhile what is said until the answer comes
 */
function awaitDrawn(reviewer, categoryId, meanwhile) {
  const chosen = reviewer.state.categories.find(({ id }) => id === categoryId)?.name ?? "";
  reviewer.drawnBoxes.set(reviewer.state.seq, chosen);
  reviewer.bar.say(meanwhile);
  reviewer.changed(true);
}

/** What a box became is selected, so that a digit corrects its category. @param {Reviewer} reviewer */
export function chooseDrawn(reviewer) {
  const { frame, made, pending } = reviewer.state;
  const answered = [...reviewer.drawnBoxes.keys()].filter((seq) => !pending.some(({ op }) => op.seq === seq));
  if (answered.length === 0) return;
  const chosen = answered.map((seq) => reviewer.drawnBoxes.get(seq) ?? "").pop();
  for (const seq of answered) reviewer.drawnBoxes.delete(seq);
  const id = answered.flatMap((seq) => made.get(seq) ?? []).pop();
  const state = id === undefined ? undefined : frame?.states.get(id);
  if (id === undefined || state === undefined) return;
  reviewer.viewer.showCategory(state.category_id);
  revealInstances(reviewer.viewer, [id]);
  reviewer.viewer.choose(id);
  const name = reviewer.state.categories.find((one) => one.id === state.category_id)?.name ?? "";
  const why = chosen === "" ? "the network’s guess" : "the active category";
  reviewer.bar.say(`added: ${name}, ${why}${state.note === "" ? "" : `; ${state.note}`}`);
}

/** @param {Reviewer} reviewer */
function finish(reviewer) {
  const { state } = reviewer;
  const { frame } = state;
  if (frame === null || state.loading) return;
  // A place of one instance says nothing of the image's others.
  const isWhole =
    state.message?.queue.unit === "image" || [...frame.states.values()].every((one) => one.status !== "proposed");
  const undecided = [...frame.states.values()].filter((one) => one.status === "proposed").length;
  const changed = isWhole && state.finish("reviewed");
  if (changed) reviewer.sending.keep();
  step(reviewer, 1);
  if (changed && undecided > 0) reviewer.bar.say(`finished with ${undecided} undecided`);
}

/** Go on, over what others have open. @param {Reviewer} reviewer @param {1 | -1} by */
function step(reviewer, by) {
  const { at, passed } = nextFree(reviewer.state, by);
  go(reviewer, at);
  if (passed.length > 0) reviewer.bar.say(tellPassed(passed));
}

/** @param {Reviewer} reviewer @param {number} at */
function go(reviewer, at) {
  const outcome = reviewer.state.go(at);
  if (outcome === "end") {
    reviewer.changed(false);
    reviewer.bar.say("end of the queue");
  } else reviewer.changed(outcome !== "here");
}

/** Whatever is decided is saved by itself; who asks for it is told. @param {Reviewer} reviewer */
function saveNow(reviewer) {
  reviewer.viewer.report(0);
  reviewer.sending.flush(true);
  reviewer.bar.saySaved();
}

/**
 * @param {Reviewer} reviewer
 * @param {Patch | "unknown" | null} patch
 * @param {string} nothing what to say if there was none
 */
function turnBack(reviewer, patch, nothing) {
  if (patch === null) {
    reviewer.bar.say(nothing);
    return;
  }
  reviewer.changed(true);
  const { frame } = reviewer.state;
  if (patch === "unknown" || frame === null || frame.image_id !== patch.image_id || reviewer.state.loading) return;
  const id = patch.instances.length === 1 ? patch.instances[0].id : null;
  if (id === null || !reviewer.shownIds().includes(id)) return;
  reviewer.viewer.choose(id);
  reviewer.viewer.lookAt(id);
}
