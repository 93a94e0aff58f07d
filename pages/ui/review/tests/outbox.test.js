import assert from "node:assert/strict";
import { test } from "node:test";

import mountOutbox, { askBeforeLeaving, rememberedName, stillToSend } from "../frontend/outbox.js";

// @ts-expect-error: all of the window that the outbox needs
globalThis.window = new EventTarget();

const CLIENT = "0123456789abcdef01234567";

function storageWith(pending) {
  const values = new Map([
    ["maskdesk-review-client", CLIENT],
    [`maskdesk-review-ops-${CLIENT}`, JSON.stringify({ client: CLIENT, seq: 9, pending })],
  ]);
  return {
    getItem: (name) => values.get(name) ?? null,
    setItem: (name, value) => values.set(name, value),
    removeItem: (name) => values.delete(name),
  };
}

const undo = (seq) => ({ op: { seq, kind: "undo" }, patch: null });
const nothing = { is_open: true, ack_client: "", ack_seq: 0, who: "" };

test("what was not acknowledged is sent, and what has arrived is forgotten", () => {
  const storage = storageWith([undo(7), undo(8), undo(9)]);
  assert.deepEqual(stillToSend(nothing, storage).ops.map((op) => op.seq), [7, 8, 9]);
  const acked = { is_open: true, ack_client: CLIENT, ack_seq: 8 };
  assert.deepEqual(stillToSend(acked, storage).ops.map((op) => op.seq), [9]);
  assert.deepEqual(stillToSend(nothing, storage).ops.map((op) => op.seq), [9], "also after a reload");
});

test("an acknowledgement of another tab is none", () => {
  const storage = storageWith([undo(7)]);
  const other = { is_open: true, ack_client: "f".repeat(24), ack_seq: 8 };
  assert.equal(stillToSend(other, storage).ops.length, 1);
});

test("a name that was given once comes back in another session", () => {
  const storage = storageWith([]);
  assert.equal(rememberedName("", () => storage), "");
  assert.equal(rememberedName("Ann", () => storage), "", "the app knows it");
  assert.equal(rememberedName("", () => storage), "Ann");
  const forbidden = () => { throw new Error("no storage here"); };
  assert.equal(rememberedName("Ann", forbidden), "");
});

test("beside a reviewer, and with nothing to say, it says nothing", () => {
  const said = [];
  const setStateValue = (name, value) => said.push([name, value]);
  globalThis.sessionStorage = storageWith([undo(7)]);
  mountOutbox({ data: { ...nothing, is_open: false }, setStateValue });
  assert.deepEqual(said, []);
  mountOutbox({ data: nothing, setStateValue });
  assert.equal(said.length, 1);
  assert.equal(said[0][0], "ops");
  assert.equal(said[0][1].client, CLIENT);
  globalThis.sessionStorage = storageWith([]);
  mountOutbox({ data: nothing, setStateValue });
  assert.equal(said.length, 1);
  globalThis.localStorage = storageWith([]);
  localStorage.setItem("maskdesk-who", "Ann");
  mountOutbox({ data: nothing, setStateValue });
  assert.deepEqual(said[1], ["who", "Ann"]);
  delete globalThis.localStorage;
});

test("the browser asks before leaving as long as something would be lost", () => {
  const tab = new EventTarget();
  const guard = askBeforeLeaving(tab);
  const isAsked = () => !tab.dispatchEvent(new Event("beforeunload", { cancelable: true }));
  assert.equal(isAsked(), false);
  guard(true);
  assert.equal(isAsked(), true);
  guard(false);
  assert.equal(isAsked(), false);
});
