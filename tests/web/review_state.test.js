import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import {
  bySoonness,
  countCrowds,
  countStatuses,
  nextUndecided,
} from "../../pages/components/web/review/review_frames.js";
import { ReviewState } from "../../pages/components/web/review/review_state.js";
import { lookOf } from "../../pages/components/web/review/review_look.js";
import { labelText } from "../../pages/components/web/viewer/state.js";

/** @param {string} name */
const read = (name) => JSON.parse(readFileSync(new URL(`../data/review/${name}`, import.meta.url), "utf8"));
const message = (changes = {}) => ({ ...read("message.json"), ...changes });
const CLIENT = read("report.json").client;

/** A state that has the sample message. @param {{seq?: number, pending?: any[]}} saved */
function begin({ seq = 4, pending = [] } = {}) {
  const state = new ReviewState({ client: CLIENT, seq, pending });
  state.accept(message({ refused: [] }));
  return state;
}

/** The sample with the first frames' instance 7 at another status and version. @param {any} values @param {any} changes */
function messageWith(values, changes = {}) {
  const data = message({ refused: [], ...changes });
  for (const frame of data.frames) Object.assign(frame.states[7], values);
  return data;
}

/** Show a place without an operation, in a project where images are approved. @param {ReviewState} state @param {number} at */
function secondLookAt(state, at) {
  state.at = state.shownAt = at;
  state.frame.second_look = { stage: "to-approve", told: "" };
}

/** @param {ReviewState} state @param {number} id */
const stateOf = (state, id) => state.frame.states.get(id);

test("decisions on the sample message give the sample report", () => {
  const state = begin();
  state.call("Ann");
  assert.deepEqual(state.setStatus([7, 3], "accepted"), [7, 3]);
  state.relabel([7], 44);
  state.setStatus([12], "rejected");
  state.finish("reviewed");
  state.go(3);
  state.push({ kind: "undo" }, null);
  state.push({ kind: "redo" }, null);
  state.drawBox([10.5, 20, 64, 48.25]);
  const piece = { counts: "441K", box: /** @type {const} */ ([1, 0, 2, 1]) };
  const [own] = state.edit(
    "cut",
    [{ id: 7, mask: { counts: "041O", box: [0, 0, 1, 4] } }],
    [{ category_id: 44, mask: piece }],
  );
  state.relabel([own], 1);
  state.edit("remove", [{ id: own, mask: null }]);
  state.reshape("threshold", [7], 0.4);
  assert.deepEqual(state.toggleCrowd([12]), { changed: [12], isCrowd: true });
  state.edit("duplicate", [], [{ category_id: 44, mask: piece, is_crowd: true }]);
  const jack = state.newCategory("  pallet \t jack ");
  state.relabel([7], jack);
  state.drawBox([1, 1, 5, 3], 44);
  state.edit("draw outline", [], [{ category_id: jack, mask: piece }]);
  state.comment({ image_id: 80, x: 3.5, y: 1.25 }, "is this one?");
  assert.equal(state.cutOut([0, 0, 4, 0, 4, 3.5], jack), true);
  assert.equal(state.propagate([7, own], 81), true);
  assert.deepEqual(state.setAttribute([7, 3], "occluded", true), [3], "of 7 it is said already");
  state.comment({ image_id: 80, x: 1, y: 1, instance: own }, "of a piece");
  const waiting = [...state.waitingBoxes];
  secondLookAt(state, 2);
  assert.equal(state.approve(), "approved");
  state.returnImage({ image_id: 70, x: 3, y: 2, instance: 7 }, "two cells");
  assert.deepEqual(state.report(), read("report.json"));
  assert.deepEqual(
    waiting.filter(([seq]) => Number(seq) > 18),
    [
      ["21", [1, 1, 5, 3]],
      ["24", [0, 0, 4, 3.5]],
    ],
  );
});

test("the next image is the first place of another one, if its frame is there", () => {
  const state = begin();
  assert.deepEqual(state.nextImage(), { at: 3, image_id: 80 });
  state.go(3);
  assert.equal(state.nextImage(), "loading");
  const last = begin();
  last.message.queue.length = 3;
  assert.equal(last.nextImage(), "end");
});

const PIXEL = { counts: "041O", box: /** @type {const} */ ([0, 0, 1, 4]) };

test("an edit is seen at once, and its undo, and its redo", () => {
  const state = begin();
  const data = message({ refused: [] });
  for (const frame of data.frames) frame.message.instances[0].rle = { size: [4, 6], counts: "441O" };
  state.accept(data);
  const seven = () => state.frame.message.instances.find(({ id }) => id === 7);
  const was = seven();
  state.edit("brush", [{ id: 7, mask: PIXEL }]);
  assert.deepEqual([seven().rle.counts, seven().box], ["041O", [0, 0, 1, 4]]);
  assert.deepEqual([stateOf(state, 7).status, stateOf(state, 7).version], ["accepted", 3]);
  state.undo();
  assert.deepEqual([seven().rle, seven().box], [was.rle, was.box]);
  assert.deepEqual([stateOf(state, 7).status, stateOf(state, 7).version], ["proposed", 4]);
  state.redo();
  assert.deepEqual([seven().rle.counts, stateOf(state, 7).version], ["041O", 5]);
  assert.equal(data.frames[1].message.instances[0].rle.counts, "441O", "Python's message itself stays as it came");
});

test("a crowd is seen at once, with a label that says so, and is one object again when it is taken back", () => {
  const state = begin();
  const label = (/** @type {number} */ id) => {
    const look = lookOf(/** @type {any} */ (state.frame), state.message.categories).find((one) => one.id === id);
    return [look.is_crowd, labelText(look)];
  };
  assert.deepEqual(label(7), [false, "person 0.98"]);
  assert.deepEqual(state.toggleCrowd([7, 3]), { changed: [7, 3], isCrowd: true });
  assert.deepEqual(label(7), [true, "✓ person · crowd 0.98"]);
  assert.deepEqual([stateOf(state, 7).status, stateOf(state, 7).version, countCrowds(state.frame)], ["accepted", 3, 2]);
  assert.deepEqual(state.toggleCrowd([7, 12]), { changed: [12], isCrowd: true }, "of mixed ones all become crowds");
  assert.deepEqual(state.toggleCrowd([7, 12]), { changed: [7, 12], isCrowd: false });
  assert.equal(countCrowds(state.frame), 1);
  for (let n = 0; n < 3; n += 1) state.undo();
  assert.deepEqual([label(7)[0], countCrowds(state.frame), stateOf(state, 7).status], [false, 0, "proposed"]);
  state.redo();
  assert.deepEqual([countCrowds(state.frame), stateOf(state, 7).status], [2, "accepted"]);
  assert.deepEqual(state.toggleCrowd([]), { changed: [], isCrowd: false });
  assert.equal(state.report().ops.filter(({ kind }) => kind === "set_crowd").length, 3);
});

test("what is made here has an id of ours until Python says its own, and what was said of it follows", () => {
  const state = begin();
  state.takeRenamed();
  const [own] = state.edit("draw outline", [], [{ category_id: 44, mask: PIXEL }]);
  assert.ok(own < 0);
  assert.equal(state.frame.message.instances.at(-1).label, "<b>odd</b>");
  state.relabel([own], 1);
  const made = state.seq - 1;
  // The first of the two is taken in.
  const answer = message({ refused: [], ack_seq: made, made: { [made]: [99] } });
  for (const frame of answer.frames) {
    frame.message.instances.push({ ...frame.message.instances[0], id: 99, category_id: 44 });
    frame.states[99] = { status: "accepted", version: 1, category_id: 44, note: "", has_score: false, polygons: null };
  }
  state.accept(answer);
  assert.deepEqual([...state.takeRenamed()], [[own, 99]]);
  assert.equal(state.takeRenamed().size, 0, "told once");
  assert.deepEqual([stateOf(state, 99).category_id, stateOf(state, 99).version], [1, 2]);
  assert.deepEqual(
    state.report().ops.map(({ instances }) => instances),
    [[[[made, 0], 1]]],
  );
});

test("what is removed is gone at once, and only Python can bring it back", () => {
  const state = begin();
  state.edit("remove", [{ id: 7, mask: null }]);
  assert.equal(state.frame.states.has(7), false);
  assert.equal(
    state.frame.message.instances.some(({ id }) => id === 7),
    false,
  );
  assert.equal(state.undo(), "unknown");
  assert.equal(state.canUndo, true);
});

test("what the network is to make again counts its version up, so that the next decision names it", () => {
  const state = begin();
  state.reshape("tighten", [7], 0.5);
  state.setStatus([7], "rejected");
  assert.deepEqual(
    state.pending.map(({ op }) => op.instances),
    [[[7, 2]], [[7, 3]]],
  );
  assert.equal(state.reshape("tighten", [], 0.5), false);
});

test("an edit of what is not there is no operation", () => {
  const state = begin();
  assert.deepEqual(state.edit("brush", [{ id: 9999, mask: PIXEL }]), []);
  assert.equal(state.saved, true);
});

test("what only gives way to another one is not accepted by it", () => {
  const state = begin();
  state.edit("subtract", [
    { id: 7, mask: PIXEL, givesWay: true },
    { id: 3, mask: PIXEL },
  ]);
  assert.deepEqual([stateOf(state, 7).status, stateOf(state, 3).status], ["proposed", "accepted"]);
  assert.deepEqual(
    state.report().ops[0].changes.map(({ status }) => status),
    ["proposed", "accepted"],
  );
});

test("after a reload one redo may follow another before Python has answered, but not a decision", () => {
  const state = begin();
  state.accept(message({ refused: [], can_redo: true }));
  for (let i = 0; i < 3; i += 1) assert.equal(state.redo(), "unknown");
  state.setStatus([7], "accepted");
  assert.equal(state.redo(), null);
});

test("a report of many masks is sent in parts", () => {
  const state = begin();
  const long = { counts: "x".repeat(3_000_000), box: PIXEL.box };
  for (let i = 0; i < 3; i += 1) state.edit("draw outline", [], [{ category_id: 44, mask: long }]);
  assert.equal(state.report().ops.length, 1);
  assert.equal(state.pending.length, 3);
});

test("a drawn box waits for Python, on its own image, and is what an undo takes back", () => {
  const state = begin();
  state.setStatus([7], "accepted");
  assert.equal(state.drawBox([1, 1, 3, 3]), true);
  assert.deepEqual([...state.waitingBoxes.values()], [[1, 1, 3, 3]]);
  assert.equal(stateOf(state, 7).status, "accepted", "what came before stays");
  assert.equal(state.canUndo, true);
  assert.equal(state.undo(), "unknown", "only Python knows what the box became");
  assert.equal(stateOf(state, 7).status, "accepted", "and not the decision before it");
  state.go(3);
  assert.equal(state.waitingBoxes.size, 0, "another image");
  state.go(2);
  state.accept(message({ refused: [], ack_seq: state.seq }));
  assert.equal(state.waitingBoxes.size, 0);
});

test("a decision is seen at once and counts the version up, so the next one names it", () => {
  const state = begin();
  state.setStatus([7], "accepted");
  assert.deepEqual([stateOf(state, 7).status, stateOf(state, 7).version], ["accepted", 3]);
  state.setStatus([7], "rejected");
  assert.deepEqual(
    state.pending.map(({ op }) => op.instances),
    [[[7, 2]], [[7, 3]]],
  );
});

test("what is so already is no operation", () => {
  const state = begin();
  assert.deepEqual(state.setStatus([40], "rejected"), []);
  assert.deepEqual(state.relabel([7], 1), []);
  assert.deepEqual(state.setStatus([7, 40, 99], "rejected"), [7]);
  assert.equal(state.finish("opened"), false);
  assert.equal(state.go(2), "here");
  assert.equal(state.pending.length, 1);
});

test("a message that does not know of operations takes nothing back", () => {
  const state = begin();
  state.setStatus([7], "accepted");
  state.setStatus([12], "rejected");
  state.accept(messageWith({ status: "accepted", version: 3 }, { ack_seq: 5 }));
  assert.equal(state.pending.length, 1);
  assert.deepEqual([stateOf(state, 7).version, stateOf(state, 12).status], [3, "rejected"]);
  assert.equal(stateOf(state, 12).version, 2);
});

test("an acknowledged operation leaves the word to the message", () => {
  const state = begin();
  state.setStatus([7], "accepted");
  const told = state.accept(
    messageWith({ status: "rejected", version: 9 }, { ack_seq: 5, refused: [{ seq: 5, text: "Too late." }] }),
  );
  assert.deepEqual(told, [{ seq: 5, text: "Too late." }]);
  assert.ok(state.saved);
  assert.deepEqual([stateOf(state, 7).status, stateOf(state, 7).version], ["rejected", 9]);
});

test("a refusal is told once, and its decision cannot be undone", () => {
  const state = begin();
  state.setStatus([7], "accepted");
  state.setStatus([12], "accepted");
  const refused = [{ seq: 5, text: "Too late." }];
  assert.deepEqual(state.accept(message({ ack_seq: 5, refused })), [{ seq: 5, text: "Too late." }]);
  assert.deepEqual(state.accept(message({ ack_seq: 5, refused })), []);
  assert.deepEqual(state.undo(), { image_id: 70, instances: [{ id: 12, status: "proposed" }] });
});

test("refusals and acknowledgements of another client are not ours", () => {
  const state = begin();
  state.setStatus([7], "accepted");
  const data = message({ ack_client: "somebody-else", ack_seq: 99 });
  assert.deepEqual(state.accept(data), []);
  assert.equal(state.pending.length, 1);
});

test("an old message does not throw the picture back", () => {
  const state = begin();
  assert.equal(state.go(3), "shown");
  state.accept(message({ refused: [] }));
  assert.deepEqual([state.at, state.shownAt], [3, 3]);
  const window = message({ refused: [] });
  window.frames = window.frames.slice(0, 2); // one that does not even have the place
  state.accept(window);
  assert.deepEqual([state.at, state.frame.image_id], [3, 80]);
  state.accept(message({ ack_seq: 5, queue: { ...message().queue, at: 3 } }));
  assert.deepEqual([state.at, state.saved], [3, true]);
});

test("a frame that is not there is waited for with the present one in sight", () => {
  const state = begin();
  state.go(3);
  assert.equal(state.go(4), "loading");
  assert.deepEqual([state.frame.image_id, state.loading], [80, true]);
  assert.deepEqual(state.setStatus([7], "accepted"), []); // it would hit the wrong image
  const data = message({ ack_seq: 6, queue: { ...message().queue, at: 4 } });
  data.frames = [{ ...data.frames[0], at: 4, image_id: 90 }];
  state.accept(data);
  assert.deepEqual([state.frame.image_id, state.loading], [90, false]);
});

test("with nothing under way Python says where to be", () => {
  const state = begin();
  state.accept(message({ queue: { ...message().queue, at: 1 } }));
  assert.equal(state.frame.image_id, 60);
});

test("another queue begins where Python says, though ways in the old one are under way", () => {
  const state = begin();
  state.go(3);
  state.accept(message({ queue: { token: "queue-2", length: 5, at: 1, unit: "image" } }));
  assert.deepEqual([state.at, state.frame.image_id], [1, 60]);
});

test("the queue ends on both sides", () => {
  const state = begin();
  assert.equal(state.go(-1), "end");
  assert.equal(state.go(120), "end");
  assert.equal(state.pending.length, 0);
});

test("undo and redo are seen at once and go where the decision was made", () => {
  const state = begin();
  state.setStatus([7], "accepted");
  state.finish("reviewed");
  state.go(3);
  state.undo();
  assert.deepEqual([state.at, state.frame.image_status, state.frame.image_version], [2, "opened", 6]);
  state.undo();
  assert.deepEqual([stateOf(state, 7).status, stateOf(state, 7).version], ["proposed", 4]);
  state.redo();
  assert.deepEqual([stateOf(state, 7).status, stateOf(state, 7).version], ["accepted", 5]);
  assert.ok(state.canRedo);
  state.setStatus([12], "accepted");
  assert.ok(!state.canRedo);
  assert.deepEqual(
    state.report().ops.map((op) => op.kind),
    ["set_status", "finish", "go", "undo", "go", "undo", "redo", "set_status"],
  );
});

test("what only Python knows is undone by Python", () => {
  const state = begin();
  assert.ok(state.canUndo && !state.canRedo);
  assert.equal(state.undo(), "unknown");
  assert.equal(state.redo(), "unknown");
  state.accept(message({ refused: [], ack_seq: 6, can_undo: false }));
  assert.equal(state.undo(), null);
});

test("a reload keeps what was not acknowledged, numbers go on, and a second tab takes nothing with it", () => {
  const old = begin();
  old.setStatus([7], "accepted");
  old.go(3);
  const saved = JSON.parse(JSON.stringify(old.toSave()));
  const state = new ReviewState(saved);
  state.accept(message({ ack_client: "", ack_seq: 0, refused: [] }));
  assert.deepEqual([state.at, state.report().ops.length], [3, 2]);
  state.go(2);
  assert.equal(stateOf(state, 7).status, "accepted");
  state.setStatus([12], "rejected");
  state.rename("another-name");
  assert.deepEqual(
    state.report().ops.map((op) => op.seq),
    [7, 8],
  );
  assert.deepEqual([stateOf(state, 7).status, stateOf(state, 12).status], ["proposed", "rejected"]);
});

test("a log that has grown long goes in parts, the oldest first", () => {
  const state = begin();
  for (let i = 0; i < 2500; i += 1) state.push({ kind: "undo" }, null);
  const { ops } = state.report();
  assert.deepEqual([ops.length, ops[0].seq], [2000, 5]);
  state.accept(message({ refused: [], ack_seq: 2004 }));
  assert.deepEqual([state.report().ops.length, state.report().ops[0].seq], [500, 2005]);
});

test("frames of one image share its decisions", () => {
  const data = message({ refused: [] });
  data.frames[2].image_id = 70;
  const state = new ReviewState({ client: CLIENT, seq: 4, pending: [] });
  state.accept(data);
  state.setStatus([7], "accepted");
  state.go(3);
  assert.equal(stateOf(state, 7).status, "accepted");
});

test("an empty queue and a message of another version", () => {
  const state = new ReviewState({ client: CLIENT, seq: 0, pending: [] });
  state.accept(message({ frames: [], queue: { token: "t", length: 0, at: 0, unit: "image" } }));
  assert.deepEqual([state.frame, state.loading, state.go(0)], [null, false, "end"]);
  assert.throws(() => state.accept(message({ version: 9 })), /version 9/);
});

test("counts, and the next undecided one round and round", () => {
  const { frame } = begin();
  assert.deepEqual(countStatuses(frame), { proposed: 3, accepted: 0, rejected: 1 });
  assert.equal(nextUndecided(frame, [3, 7, 40, 12], null), 3);
  assert.equal(nextUndecided(frame, [3, 7, 40, 12], 7), 12);
  assert.equal(nextUndecided(frame, [3, 7, 40, 12], 12), 3);
  assert.equal(nextUndecided(frame, [40], 40), null);
});

test("labels and colours follow status and category", () => {
  const state = begin();
  state.setStatus([7], "accepted");
  state.relabel([3], 44);
  const look = new Map(lookOf(state.frame, message().categories).map((one) => [one.id, one]));
  assert.equal(labelText(look.get(7)), "✓ person 0.98");
  assert.equal(labelText(look.get(3)), "<b>odd</b>"); // no model found it
  assert.deepEqual([look.get(3).category_id, look.get(3).color_category], [44, "#f58231"]);
  assert.equal(labelText(look.get(40)), "✗ <b>odd</b> 0.06");
  assert.deepEqual([look.get(40).color_instance, look.get(40).faint], ["#8a8a8a", true]);
  assert.equal(look.get(40).color_chip, "#f58231");
  assert.equal(look.get(12).faint, false);
});

test("pictures are read in the order in which they may be wanted", () => {
  assert.deepEqual(bySoonness([1, 2, 3, 4, 5, 6, 7], 4), [4, 5, 3, 6, 7, 2, 1]);
});

test("a decision is of whom the tab had as a name when it was made; what is nobody's becomes the next one's", () => {
  const state = begin();
  state.setStatus([7], "accepted");
  assert.equal(state.isNameless, true);
  assert.equal(state.call(""), false);
  assert.equal(state.call("Ann"), true);
  state.setStatus([12], "rejected");
  assert.equal(state.call("Bob"), false);
  state.undo();
  assert.equal(state.isNameless, false);
  assert.deepEqual(
    state
      .report()
      .ops.filter((op) => op.kind !== "go")
      .map((op) => op.who),
    ["Ann", "Ann", "Bob"],
  );
  assert.deepEqual(
    state
      .toSave()
      .pending.map(({ op }) => op.who)
      .slice(0, 2),
    ["Ann", "Ann"],
  );
});

test("what is said of several instances is one operation on those of which it was not said, and can be undone", () => {
  const state = begin();
  assert.deepEqual(state.setAttribute([7, 3], "stage", "late"), [3]);
  assert.deepEqual([stateOf(state, 3).attributes, stateOf(state, 3).version], [{ stage: "late" }, 2]);
  assert.deepEqual(state.setAttribute([7, 3], "stage", null), [7, 3]);
  assert.deepEqual([stateOf(state, 7).attributes, stateOf(state, 3).attributes], [{ occluded: true }, {}]);
  state.undo();
  assert.deepEqual(stateOf(state, 7).attributes, { stage: "late", occluded: true });
  state.undo();
  assert.deepEqual(stateOf(state, 3).attributes, {});
  assert.deepEqual(state.setAttribute([7], "occluded", true), []);
  // A message that knows nothing of it yet takes nothing back.
  state.setAttribute([12], "constructor", "odd");
  state.accept(message({ refused: [] }));
  assert.deepEqual(stateOf(state, 12).attributes, { constructor: "odd" });
});

test("only a finished image is approved, and what is changed after that is to be approved again", () => {
  const state = begin();
  assert.equal(state.approve(), "off");
  secondLookAt(state, 2);
  assert.equal(state.approve(), "not finished");
  state.finish("reviewed");
  const version = state.frame.image_version;
  assert.equal(state.approve(), "approved");
  assert.equal(state.approve(), "approved before");
  assert.deepEqual([state.frame.second_look.stage, state.frame.image_version], ["approved", version + 1]);
  state.setStatus([40], "rejected");
  assert.equal(state.frame.second_look.stage, "approved", "it was so already");
  state.setStatus([7], "accepted");
  assert.equal(state.frame.second_look.stage, "lapsed");
  assert.equal(state.approve(), "approved");
  state.finish("opened");
  assert.equal(state.frame.second_look.stage, "lapsed");
});

test("a returned image is open again", () => {
  const state = begin();
  secondLookAt(state, 2);
  state.finish("reviewed");
  const version = state.frame.image_version;
  state.returnImage({ image_id: 70, x: 1, y: 1 }, "no");
  const { image_status, image_version, second_look } = state.frame;
  assert.deepEqual([image_status, image_version, second_look.stage], ["opened", version + 1, "returned"]);
  assert.ok(state.canUndo, "Python can take it back");
});
