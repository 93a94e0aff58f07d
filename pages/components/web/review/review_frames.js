// Frames as Python sends them, and patches: the values that decisions give to their rows. No screen.

/** @typedef {import("../viewer/state.js").Message} ViewerMessage */
/** @typedef {import("../viewer/state.js").Instance} Instance */
/** @typedef {"proposed" | "accepted" | "rejected"} Status */
/** @typedef {"new" | "opened" | "reviewed"} ImageStatus */

/**
 * @typedef {object} InstanceState
 * @property {Status} status
 * @property {number} version
 * @property {number} category_id
 * @property {string} note
 * @property {boolean} has_score
 * @property {boolean} is_crowd a region of many objects
 * @property {string} [source] a model's key, `person` or `file`
 * @property {number[][] | null} polygons as a person drew them, where they fill the very pixels of the mask
 * @property {Said} [attributes] what is said of it
 */

/** Values by the attributes' names; null takes a value away. @typedef {Record<string, boolean | number | string | null>} Said */

/**
 * What somebody has said of an image after it was annotated; an empty stage is that of an image nobody has finished.
 * @typedef {{stage: "" | "to-approve" | "approved" | "returned" | "lapsed", told: string}} SecondLook
 */

/**
 * @typedef {object} SentFrame
 * @property {number} at
 * @property {ViewerMessage} message
 * @property {number} image_id
 * @property {number} image_version
 * @property {ImageStatus} image_status
 * @property {Record<string, InstanceState>} states
 * @property {number | null} focus
 * @property {import("./comments.js").Pin[]} [pins] open comments
 * @property {SecondLook | null} [second_look] null where nobody is to approve images
 */

/** @typedef {Omit<SentFrame, "states"> & {states: Map<number, InstanceState>}} Frame */

/**
 * A mask as it is stored, with its tight box.
 * @typedef {{counts: string, box: readonly [number, number, number, number]}} Mask
 */
/**
 * @typedef {object} Values
 * @property {Status} [status]
 * @property {number} [category_id]
 * @property {boolean} [is_crowd]
 * @property {Said} [said] of attributes
 * @property {Mask} [mask]
 * @property {number[][] | null} [polygons] with a mask
 * @property {boolean} [gone]
 * @property {boolean} [touched] Python changes it, in a way that only it knows
 */

/**
 * Values given to rows of one image.
 * @typedef {object} Patch
 * @property {number} image_id
 * @property {({id: number} & Values)[]} instances
 * @property {{instance: Instance, state: InstanceState}[]} [added] under ids of our own, until Python has said theirs
 * @property {ImageStatus} [image_status]
 * @property {boolean} [touched] something beside the image's row changes, and its version with it
 * @property {SecondLook} [second_look]
 */

/**
 * What becomes of an instance: null takes it away. What is mended is accepted, but for what only gives way.
 * @typedef {{id: number, mask: Mask | null, polygons?: number[][], givesWay?: boolean}} Change
 */
/** An instance to be made. @typedef {{category_id: number, mask: Mask, polygons?: number[][], is_crowd?: boolean}} Drawn */

/** An id of our own for the k-th thing that an operation makes: -(1000 * seq + k). */
const MADE_AT_ONCE = 1000;

/**
 * @param {SentFrame} sent
 * @returns {Frame}
 */
export function readFrame(sent) {
  const states = new Map(Object.entries(sent.states).map(([id, state]) => [Number(id), { ...state }]));
  return { ...sent, message: { ...sent.message, instances: [...sent.message.instances] }, states };
}

/** Our own id for something that an operation makes. @param {number} seq @param {number} k */
export function ownId(seq, k) {
  return -(MADE_AT_ONCE * seq + k);
}

/** How Python is told of an instance: by its id, or by the operation that makes it. @param {number} id */
export function refOf(id) {
  return id >= 0 ? id : [Math.floor(-id / MADE_AT_ONCE), -id % MADE_AT_ONCE];
}

/** @param {readonly number[]} box @returns {[number, number, number, number]} */
export function boxOfFour([x1, y1, x2, y2]) {
  return [x1, y1, x2, y2];
}

/** @param {Drawn} drawn @returns {InstanceState} */
export function stateOfDrawn({ category_id, polygons, is_crowd = false }) {
  return {
    status: "accepted",
    version: 1,
    category_id,
    note: "",
    has_score: false,
    is_crowd,
    source: "person",
    polygons: polygons ?? null,
  };
}

/**
 * @param {Frame} frame
 * @param {Patch} patch
 */
export function applyPatch(frame, patch) {
  const { message, states } = frame;
  let hasChanged = false;
  for (const { id, mask, polygons, gone, touched, said, ...values } of patch.instances) {
    const state = states.get(id);
    if (state === undefined) continue;
    const at = message.instances.findIndex((instance) => instance.id === id);
    if (gone) {
      hasChanged = true;
      states.delete(id);
      message.instances.splice(at, 1);
      continue;
    }
    const instance = message.instances[at];
    const sameMask = mask === undefined || instance.rle?.counts === mask.counts;
    if (isSo(state, values) && isSaid(state, said) && sameMask && !touched) continue;
    hasChanged = true;
    Object.assign(state, values);
    if (said !== undefined) state.attributes = withSaid(state.attributes ?? {}, said);
    state.version += 1;
    if (sameMask) continue;
    state.polygons = polygons ?? null;
    const size = /** @type {[number, number]} */ ([message.image.height, message.image.width]);
    message.instances[at] = { ...instance, box: [...mask.box], rle: { size, counts: mask.counts } };
  }
  for (const { instance, state } of patch.added ?? []) {
    if (states.has(instance.id)) continue;
    hasChanged = true;
    message.instances.push(instance);
    states.set(instance.id, { ...state });
  }
  if (patch.touched) frame.image_version += 1; // something beside the row has changed
  if (patch.second_look !== undefined) frame.second_look = patch.second_look;
  else if (hasChanged || (patch.image_status ?? "reviewed") !== "reviewed") lapse(frame);
  if (patch.image_status === undefined || patch.image_status === frame.image_status) return;
  frame.image_status = patch.image_status;
  frame.image_version += 1;
}

/** Whoever changes what was approved is told so at once; Python says whose approval it was. @param {Frame} frame */
function lapse(frame) {
  if (frame.second_look?.stage !== "approved") return;
  frame.second_look = { stage: "lapsed", told: `approval lapsed: was ${frame.second_look.told}` };
}

/** @param {InstanceState} state @param {Said} [said] */
function isSaid({ attributes = {} }, said = {}) {
  return Object.entries(said).every(([name, value]) => valueOf(attributes, name) === value);
}

/** What is said of an attribute; null for nothing. @param {Said} said @param {string} name */
export function valueOf(said, name) {
  return Object.hasOwn(said, name) ? said[name] : null;
}

/** @param {Said} before @param {Said} said */
function withSaid(before, said) {
  return Object.fromEntries(Object.entries({ ...before, ...said }).filter(([, value]) => value !== null));
}

/**
 * @param {InstanceState} state
 * @param {{status?: Status, category_id?: number, is_crowd?: boolean}} values
 */
function isSo(state, values) {
  const { status = state.status, category_id: category = state.category_id, is_crowd: crowd = state.is_crowd } = values;
  return state.status === status && state.category_id === category && state.is_crowd === crowd;
}

/**
 * How many of a frame's instances have which status.
 * @param {Frame} frame
 */
export function countStatuses(frame) {
  const counts = { proposed: 0, accepted: 0, rejected: 0 };
  for (const { status } of frame.states.values()) counts[status] += 1;
  return counts;
}

/** How many of a frame's instances are crowds. @param {Frame} frame */
export function countCrowds(frame) {
  return [...frame.states.values()].filter((state) => state.is_crowd).length;
}

/**
 * The next undecided instance after one, round and round; the first for null.
 * @param {Frame} frame
 * @param {number[]} shown ids in the order in which they are gone through
 * @param {number | null} after
 * @returns {number | null}
 */
export function nextUndecided(frame, shown, after) {
  const from = after === null ? 0 : shown.indexOf(after) + 1;
  const round = [...shown.slice(from), ...shown.slice(0, from)];
  return round.find((id) => frame.states.get(id)?.status === "proposed") ?? null;
}

/**
 * The frames' places by how soon they may be wanted: the next ones first, but the one before as well.
 * @param {Iterable<number>} places
 * @param {number} at
 * @returns {number[]}
 */
export function bySoonness(places, at) {
  const distance = (/** @type {number} */ place) => (place >= at ? place - at : 2 * (at - place) - 0.5);
  return [...places].sort((a, b) => distance(a) - distance(b));
}
