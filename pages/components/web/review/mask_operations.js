// An edit of masks as an operation for Python, and as the patches that show it and take it back. No screen.

import { boxOfFour, ownId, refOf, stateOfDrawn } from "./review_frames.js";

/** @typedef {import("../viewer/state.js").Instance} Instance */
/** @typedef {import("./review_frames.js").Status} Status */
/** @typedef {import("./review_frames.js").Frame} Frame */
/** @typedef {import("./review_frames.js").Values} Values */
/** @typedef {import("./review_frames.js").Patch} Patch */
/** @typedef {import("./review_frames.js").Change} Change */
/** @typedef {import("./review_frames.js").Drawn} Drawn */
/** @typedef {import("./review_state.js").Category} Category */
/** @typedef {{kind: string, [name: string]: unknown}} Op without its number */

/** What is drawn here lies under this colour until Python says its own. */
const DRAWN_COLOR = "#e6194b";

/**
 * @typedef {object} MaskEdit
 * @property {string} what names the edit in the journal
 * @property {Change[]} changes of instances that are not there any more nothing is said
 * @property {Drawn[]} added
 * @property {number} seq the operation's number
 * @property {Category[]} categories
 */

/**
 * @param {Frame} frame
 * @param {MaskEdit} edit
 * @returns {{op: Op, forward: Patch, back: Patch | null, ids: number[]} | null} `back` is null where only Python can take
 *   it back, which knows the rows that come and go; `ids` are our own for what is added. Null where nothing is done
 */
export function operationOf(frame, { what, changes, added, seq, categories }) {
  const rows = changes.flatMap((change) => rowOf(frame, change) ?? []);
  if (rows.length + added.length === 0) return null;
  const { image_id } = frame;
  const op = {
    kind: "edit",
    what,
    image_id,
    changes: rows.map(({ sent }) => sent),
    added: added.map((drawn) => sentOfDrawn(drawn, categories)),
  };
  const forward = { image_id, instances: rows.map((row) => row.forward) };
  const back = rows.flatMap((row) => row.back ?? []);
  const isPlain = added.length === 0 && back.length === rows.length && back.every(({ mask }) => mask?.counts !== "");
  if (isPlain) return { op, forward, back: { image_id, instances: back }, ids: [] };
  const ids = added.map((_, k) => ownId(seq, k));
  const look = added.map((drawn, k) => ({
    instance: lookOfDrawn(frame, drawn, ids[k], categories),
    state: stateOfDrawn(drawn),
  }));
  return { op, forward: { ...forward, added: look }, back: null, ids };
}

/**
 * What a change says to Python, and the values that it gives and takes back; null where the instance is gone.
 * @param {Frame} frame
 * @param {Change} change
 * @returns {{sent: object, forward: {id: number} & Values, back: ({id: number} & Values) | null} | null}
 */
function rowOf(frame, { id, mask, polygons, givesWay }) {
  const state = frame.states.get(id);
  const instance = frame.message.instances.find((one) => one.id === id);
  if (state === undefined || instance === undefined) return null;
  const row = { id: refOf(id), version: state.version };
  if (mask === null) return { sent: { ...row, gone: true }, forward: { id, gone: true }, back: null };
  const status = /** @type {Status} */ (givesWay ? state.status : "accepted"); // who mends a mask wants it
  const was = { counts: instance.rle?.counts ?? "", box: boxOfFour(instance.box) };
  return {
    sent: { ...row, status, counts: mask.counts, ...(polygons === undefined ? {} : { polygons }) },
    forward: { id, status, mask, polygons: polygons ?? null },
    back: { id, status: state.status, mask: was, polygons: state.polygons },
  };
}

/** @param {Drawn} drawn @param {Category[]} categories */
function sentOfDrawn({ category_id: id, mask, polygons, is_crowd }, categories) {
  // A category that only we know has a name for Python.
  const category_id = id >= 0 ? id : categories.find((one) => one.id === id)?.name;
  return { category_id, counts: mask.counts, polygons: polygons ?? null, ...(is_crowd ? { is_crowd } : {}) };
}

/**
 * @param {Frame} frame
 * @param {Drawn} drawn
 * @param {number} id
 * @param {Category[]} categories
 * @returns {Instance}
 */
function lookOfDrawn(frame, { category_id, mask }, id, categories) {
  const { width, height } = frame.message.image;
  const category = categories.find((one) => one.id === category_id);
  return {
    id,
    category_id,
    label: category?.name ?? "",
    score: 1,
    box: [...mask.box],
    rle: { size: [height, width], counts: mask.counts },
    color_instance: DRAWN_COLOR,
    color_category: category?.color ?? DRAWN_COLOR,
  };
}
