// What the viewer shows and what it tells Python: plain data and pure functions, no screen.
//
// Python sends a message (`Message`), the viewer answers with a `ViewReport`. Reports are numbered by
// `seq`; Python returns the last number it has taken in as `ack`. Until then the viewer's own choices
// stand, so that an echo of an older state never undoes a newer click.

import { isHidden, noMarks } from "./marks.js";

/** @typedef {import("../lib/rle.js").CocoRle} CocoRle */
/** @typedef {import("./marks.js").Marks} Marks */

/**
 * @typedef {object} Instance
 * @property {number} id
 * @property {string} label
 * @property {number} category_id
 * @property {number} score
 * @property {[number, number, number, number]} box
 * @property {CocoRle | null} rle null where only the box is known
 * @property {string} color_instance
 * @property {string} color_category
 * @property {string} [color_chip] of its category's chip, where the instance itself is drawn in another one
 * @property {string} [prefix] before its name in the label
 * @property {boolean} [has_score] false for what no model found: its score is not shown
 * @property {boolean} [faint] drawn so that others stand out
 * @property {boolean} [is_crowd] a region of many objects: dashed, and its label says so
 * @property {string} [source] which model or who it is of, where it is not of the message's
 * @property {string} [status] in review
 */

/**
 * @typedef {object} Display
 * @property {number} opacity
 * @property {boolean} masks
 * @property {boolean} contours
 * @property {boolean} boxes
 * @property {boolean} labels
 * @property {"instance" | "category"} color_by
 * @property {boolean} splash the picture is grey outside the instances, which then have no fill
 */

/**
 * @typedef {object} ImageFacts
 * @property {string} key
 * @property {string} url
 * @property {number} width
 * @property {number} height
 * @property {string} name
 * @property {string} small_url
 * @property {import("./tiled_picture.js").Tiles | null} [tiles] of a picture that is too large for one file
 * @property {number} [micrometres] that a pixel is wide, where that is known
 */

/**
 * @typedef {object} Message
 * @property {number} version
 * @property {ImageFacts} image
 * @property {Instance[]} instances
 * @property {string} [instances_url] where they are, if they are too many for a message
 * @property {number} score_threshold
 * @property {number} min_score
 * @property {number | null} [own_threshold] of the model, offered where the present one is another
 * @property {number[]} selected
 * @property {number[]} hidden_categories
 * @property {Display} display
 * @property {number} ack
 * @property {string} [message] said when there are no instances
 * @property {string} [source] what found the instances, where they do not say it themselves
 * @property {string} [title] below the picture, in one line
 */

/**
 * @typedef {object} ViewReport
 * @property {number} version
 * @property {number} seq
 * @property {string} image
 * @property {number} score_threshold
 * @property {number[]} selected
 * @property {number[]} hidden_categories
 * @property {Display} display
 * @property {number} [measured] the length last measured in this image, in pixels
 */

/**
 * @typedef {object} Model
 * @property {ImageFacts} image
 * @property {Instance[]} instances by descending score
 * @property {Map<number, Instance>} byId
 * @property {number} threshold
 * @property {number} minScore
 * @property {number | null} ownThreshold
 * @property {Set<number>} selected
 * @property {Set<number>} hidden categories that are not shown
 * @property {Marks} marks instances that are hidden or locked one by one
 * @property {string} source what found the instances, where they do not say it themselves
 * @property {Display} display
 * @property {number} seq number of the last report made
 * @property {number} unanswered number of the last report for this image that Python may not know, or 0
 * @property {boolean} touched changed here, not yet reported
 * @property {string} message
 * @property {string} title
 * @property {number | null} measured the length last measured in this image, in pixels
 */

export const MESSAGE_VERSION = 1;

/** Half a step of the score slider. */
const SAME_SCORE = 0.005;

/**
 * The model after a message. What was changed here and is not yet acknowledged stays.
 * @param {Model | null} model
 * @param {Message} data
 * @returns {Model}
 */
export function acceptMessage(model, data) {
  if (data.version !== MESSAGE_VERSION) {
    throw new RangeError(`message version ${data.version}, this viewer reads ${MESSAGE_VERSION}`);
  }
  const instances = [...data.instances].sort((a, b) => b.score - a.score || a.id - b.id);
  const byId = new Map(instances.map((instance) => [instance.id, instance]));
  const sameImage = model !== null && model.image.key === data.image.key;
  const keep = sameImage && (model.touched || model.unanswered > data.ack);
  const wanted = keep ? model.selected : data.selected;
  const selected = new Set([...wanted].filter((id) => byId.has(id)));
  // A report that names an instance which has gone is refused, so it has to be made again.
  const lost = keep && selected.size < model.selected.size;
  return {
    image: data.image,
    instances,
    byId,
    minScore: data.min_score,
    ownThreshold: data.own_threshold ?? null,
    message: data.message ?? "",
    title: data.title ?? "",
    source: data.source ?? "",
    marks: sameImage ? model.marks : noMarks(),
    threshold: keep ? model.threshold : data.score_threshold,
    selected,
    hidden: new Set(keep ? model.hidden : data.hidden_categories),
    display: { ...(keep ? model.display : data.display) },
    seq: Math.max(model?.seq ?? 0, data.ack),
    unanswered: keep ? model.unanswered : 0,
    touched: keep ? model.touched || lost : false,
    measured: sameImage ? model.measured : null,
  };
}

/**
 * The model's own threshold, where somebody has moved the present one away from it.
 * @param {Model} model
 * @returns {number | null}
 */
export function leftThreshold(model) {
  const own = model.ownThreshold;
  return own === null || Math.abs(own - model.threshold) < SAME_SCORE ? null : own;
}

/**
 * What a viewer was left with, for the one that takes its place: what Python has not taken in is reported again.
 * @param {Model} model
 * @param {number} ack
 * @returns {Model}
 */
export function comeBack(model, ack) {
  return { ...model, touched: model.touched || model.unanswered > ack };
}

/**
 * The report to send now. What cannot be seen is not selected: hidden instances leave the selection.
 * Changes the model's numbers and selection.
 * @param {Model} model
 * @returns {ViewReport}
 */
export function makeReport(model) {
  model.seq += 1;
  model.unanswered = model.seq;
  model.touched = false;
  model.selected = new Set([...model.selected].filter((id) => isPickable(model, instanceOf(model, id))));
  return {
    version: MESSAGE_VERSION,
    seq: model.seq,
    image: model.image.key,
    score_threshold: model.threshold,
    selected: [...model.selected].sort((a, b) => a - b),
    hidden_categories: [...model.hidden].sort((a, b) => a - b),
    display: { ...model.display },
    ...(model.measured === null ? {} : { measured: model.measured }),
  };
}

/**
 * @param {Model} model
 * @param {number} id
 * @returns {Instance}
 */
export function instanceOf(model, id) {
  const instance = model.byId.get(id);
  if (instance === undefined) throw new RangeError(`no instance ${id}`);
  return instance;
}

/**
 * As Python decides: scores are float32, greater than the threshold rounded likewise.
 * @param {Model} model
 * @param {number} score
 */
function isAbove(model, score) {
  return score > Math.fround(model.threshold);
}

/**
 * Whether an instance reaches the score in a category that is shown: then the list has it.
 * @param {Model} model
 * @param {Instance} instance
 */
export function isListed(model, instance) {
  return isAbove(model, instance.score) && !model.hidden.has(instance.category_id);
}

/**
 * @param {Model} model
 * @param {Instance} instance
 */
export function isShown(model, instance) {
  return isListed(model, instance) && !isHidden(model.marks, instance.id);
}

/**
 * Whether it can be selected, and so be changed: it is seen, and nobody has locked it.
 * @param {Model} model
 * @param {Instance} instance
 */
export function isPickable(model, instance) {
  return isShown(model, instance) && !model.marks.locked.has(instance.id);
}

/**
 * By descending score.
 * @param {Model} model
 */
export function shownInstances(model) {
  return model.instances.filter((instance) => isShown(model, instance));
}

/**
 * Those that can be selected, by descending score.
 * @param {Model} model
 */
export function pickableInstances(model) {
  return model.instances.filter((instance) => isPickable(model, instance));
}

/**
 * One row per category, the most frequent first: how many instances reach the score, out of how many.
 * @param {Model} model
 */
export function categoryCounts(model) {
  /** @type {Map<number, {id: number, label: string, color: string, above: number, total: number}>} */
  const rows = new Map();
  for (const { category_id: id, label, color_category, color_chip: color = color_category, score } of model.instances) {
    const row = rows.get(id) ?? { id, label, color, above: 0, total: 0 };
    row.total += 1;
    if (isAbove(model, score)) row.above += 1;
    rows.set(id, row);
  }
  return [...rows.values()].sort((a, b) => b.total - a.total || a.id - b.id);
}

/**
 * Select one instance (or none, for null); with `add`, put it in or take it out and leave the others.
 * @param {Model} model
 * @param {number | null} id
 * @param {boolean} add
 * @returns {boolean} whether anything changed
 */
export function selectInstance(model, id, add) {
  if (id === null) return selectOnly(model, add ? model.selected : []);
  if (!add) return selectOnly(model, [id]);
  const wanted = new Set(model.selected);
  if (!wanted.delete(id)) wanted.add(id);
  return selectOnly(model, wanted);
}

/**
 * Select all instances that are shown and not locked.
 * @param {Model} model
 * @returns {boolean} whether anything changed
 */
export function selectShown(model) {
  return selectOnly(model, model.byId.keys());
}

/**
 * Those of these that can be selected.
 * @param {Model} model
 * @param {Iterable<number>} ids
 */
export function pickableOf(model, ids) {
  return [...ids].filter((id) => model.byId.has(id) && isPickable(model, instanceOf(model, id)));
}

/**
 * Select these, as far as they can be.
 * @param {Model} model
 * @param {Iterable<number>} ids
 * @returns {boolean} whether anything changed
 */
export function selectOnly(model, ids) {
  const before = model.selected;
  model.selected = new Set(pickableOf(model, ids));
  const changed = before.size !== model.selected.size || [...before].some((old) => !model.selected.has(old));
  model.touched ||= changed;
  return changed;
}

/**
 * The shown instance after (step 1) or before (step -1) the selected one, by score, round and round.
 * @param {Model} model
 * @param {1 | -1} step
 * @returns {number | null}
 */
export function stepInstance(model, step) {
  const ids = pickableInstances(model).map((instance) => instance.id);
  if (ids.length === 0) return null;
  const at = ids.findIndex((id) => model.selected.has(id));
  if (at < 0) return step > 0 ? ids[0] : ids[ids.length - 1];
  return ids[(at + step + ids.length) % ids.length];
}

/**
 * @param {Model} model
 * @param {number} categoryId
 */
export function toggleCategory(model, categoryId) {
  if (!model.hidden.delete(categoryId)) model.hidden.add(categoryId);
  model.touched = true;
}

/**
 * @param {Model} model
 * @param {Instance} instance
 */
export function colorOf(model, instance) {
  return model.display.color_by === "category" ? instance.color_category : instance.color_instance;
}

/**
 * Whether masks are filled: in a colour splash objects keep their own colours.
 * @param {Display} display
 */
export function fillsMasks(display) {
  return display.masks && !display.splash;
}

/**
 * What a press on one of the display's buttons or keys changes. Fills and colour splash are two ways of showing
 * masks: who asks for fills in a splash gets them in its place, and who leaves the splash has what there was before.
 * @param {Display} display
 * @param {import("./controls.js").Toggle} name
 * @returns {Partial<Display>}
 */
export function toggled(display, name) {
  return name === "masks" && display.splash ? { masks: true, splash: false } : { [name]: !display[name] };
}

/**
 * @param {Model} model
 * @param {number} shown
 */
export function countText(model, shown) {
  return `${shown} of ${model.instances.length} shown`;
}

/**
 * @param {Instance} instance
 */
export function labelText(instance) {
  const name = instance.label.length > 28 ? `${instance.label.slice(0, 27)}…` : instance.label;
  const score = instance.has_score === false ? "" : ` ${instance.score.toFixed(2)}`;
  return `${instance.prefix ?? ""}${name}${instance.is_crowd ? " · crowd" : ""}${score}`;
}
