// What the browser does beside every page: it sends what a reviewer left, and asks before open images are lost.
//
// What a reviewer had still to send when a person turned to another page, or when the connection was lost: it
// is in the tab's storage, and goes to Python from whatever page is open.

import { ReviewState } from "./review_state.js";
import { loadSaved, save } from "./review_session.js";

/** @typedef {{is_open: boolean, ack_client: string, ack_seq: number, who: string, is_unkept: boolean}} OutboxMessage */

const WHO_KEY = "maskdesk-who";

/**
 * The name that a person gave in this browser before, where the app does not know it; keeps the one it knows.
 * @param {string} who empty where nobody has said it in this session
 * @param {() => Storage} ask
 */
export function rememberedName(who, ask) {
  try {
    const storage = ask();
    if (who === "") return storage.getItem(WHO_KEY) ?? "";
    storage.setItem(WHO_KEY, who);
  } catch {
    // storage that is forbidden remembers nothing
  }
  return "";
}

/**
 * What is still to be sent after an acknowledgement; forgets what has arrived.
 * @param {OutboxMessage} data
 * @param {Storage} storage
 */
export function stillToSend(data, storage) {
  const state = new ReviewState(loadSaved(storage));
  const before = state.pending.length;
  if (data.ack_client === state.client) {
    state.pending = state.pending.filter(({ op }) => op.seq > data.ack_seq);
  }
  if (state.pending.length < before) save(storage, state.toSave());
  return state.report();
}

/**
 * Has the browser ask before the tab is closed or reloaded, as long as something would be lost with it.
 * @param {{addEventListener: (name: "beforeunload", handle: (event: Event) => void) => void}} target
 * @returns {(isUnkept: boolean) => void} says whether it would
 */
export function askBeforeLeaving(target) {
  let asks = false;
  target.addEventListener("beforeunload", (event) => {
    if (asks) event.preventDefault();
  });
  return (isUnkept) => {
    asks = isUnkept;
  };
}

/** @type {ReturnType<typeof askBeforeLeaving> | null} one for the tab, whatever page is on it */
let guard = null;

/**
 * @param {{data: OutboxMessage, setStateValue: (name: string, value: unknown) => void}} component
 */
export default function mountOutbox(component) {
  const { data, setStateValue } = component;
  guard ??= askBeforeLeaving(window);
  guard(data.is_unkept);
  const who = rememberedName(data.who, () => localStorage);
  if (who !== "") setStateValue("who", who);
  if (!data.is_open) return; // the reviewer itself is there
  const report = stillToSend(data, sessionStorage);
  if (report.ops.length > 0) setStateValue("ops", report);
}
