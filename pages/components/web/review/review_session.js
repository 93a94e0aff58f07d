// The tab's name and what it has not yet seen acknowledged, kept in the tab's storage: a reload loses neither.
//
// A duplicated tab gets a copy of the storage and with it the name, and two tabs that number their operations
// under one name would lose some. So a name is held by a lock while the page lives; who does not get it takes
// another. On a reload the old page may need a moment to let go of it.
//
// Whose decisions they are the tab knows by itself, too: the server may be another one by the time they arrive.

/** @typedef {import("./review_state.js").Saved} Saved */

const CLIENT_KEY = "maskdesk-review-client";
const OPS_KEY = "maskdesk-review-ops-";
const REFUSALS_KEY = "maskdesk-review-refusals-";
const LOCK_PREFIX = "maskdesk-review-";
const CHANNEL = "maskdesk-review-names";
/** The person's name: in the tab's storage its own, in the browser's the last one that was given in any tab. */
const WHO_KEY = "maskdesk-who";
const WHO = Symbol.for("maskdesk.who");
const TRIES = 12;
const TRY_AGAIN = 120;
/** How long another tab has to answer where there are no locks (ms). */
const ANSWER_TIME = 400;
/** A page keeps its name when the reviewer leaves it and comes back. */
const NAMES = Symbol.for("maskdesk.review.names");

/** Under it the outbox, which is beside every page, keeps what has the whole page drawn. */
export const WAKE = Symbol.for("maskdesk.wake");

/** Have the whole page drawn. @returns {boolean} whether it was asked for */
export function wake() {
  const ask = /** @type {any} */ (globalThis)[WAKE];
  if (typeof ask !== "function") return false;
  ask();
  return true;
}

/** What Streamlit says of its connection to the server; connected where it says nothing. */
export function connection() {
  const app = document.querySelector("[data-testid=stApp]");
  return (app instanceof HTMLElement && app.dataset.testConnectionState) || "CONNECTED";
}

/** The name that the person gave in this tab, or else last in this browser; empty where there is none. */
export function heldName() {
  for (const ask of [() => sessionStorage, () => localStorage]) {
    try {
      const name = ask().getItem(WHO_KEY);
      if (name) return name;
    } catch {
      // storage that is forbidden remembers nothing
    }
  }
  return String(/** @type {any} */ (globalThis)[WHO] ?? "");
}

/** @param {string} name as the app has it from the person in this tab */
export function holdName(name) {
  /** @type {any} */ (globalThis)[WHO] = name;
  for (const ask of [() => sessionStorage, () => localStorage]) {
    try {
      if (ask().getItem(WHO_KEY) !== name) ask().setItem(WHO_KEY, name);
    } catch {
      // then this page alone remembers it
    }
  }
}

export function makeClient() {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * @param {Storage} storage
 * @returns {Saved}
 */
export function loadSaved(storage) {
  try {
    const client = storage.getItem(CLIENT_KEY) ?? "";
    const saved = JSON.parse(storage.getItem(OPS_KEY + client) ?? "null");
    if (/^[0-9a-f]{24}$/.test(client)) {
      if (saved === null) return { client, seq: 0, pending: [] };
      if (Number.isSafeInteger(saved.seq) && Array.isArray(saved.pending)) return { ...saved, client };
    }
  } catch {
    // storage that is forbidden or unreadable is storage that is empty
  }
  return { client: makeClient(), seq: 0, pending: [] };
}

/**
 * @param {Storage} storage
 * @param {Saved} saved
 */
export function save(storage, saved) {
  try {
    const before = storage.getItem(CLIENT_KEY);
    if (before !== null && before !== saved.client) storage.removeItem(OPS_KEY + before);
    storage.setItem(CLIENT_KEY, saved.client);
    storage.setItem(OPS_KEY + saved.client, JSON.stringify(saved));
  } catch {
    // forbidden or full: then only a reload loses what is under way
  }
}

/**
 * What the tab was told of refusals, in whatever form it was saved; null where there is nothing.
 * @param {Storage} storage
 * @param {string} client
 * @returns {any}
 */
export function loadRefusals(storage, client) {
  try {
    return JSON.parse(storage.getItem(REFUSALS_KEY + client) ?? "null");
  } catch {
    return null;
  }
}

/**
 * @param {Storage} storage
 * @param {string} client
 * @param {object} refusals
 */
export function saveRefusals(storage, client, refusals) {
  try {
    storage.setItem(REFUSALS_KEY + client, JSON.stringify(refusals));
  } catch {
    // forbidden or full: then a reload forgets them
  }
}

/**
 * Make sure that no other tab has this name.
 * @param {string} client
 * @returns {Promise<string>} the name, or a fresh one where it is taken
 */
export async function claimClient(client) {
  const names = /** @type {Map<string, Promise<boolean>>} */ (/** @type {any} */ (globalThis)[NAMES] ??= new Map());
  const known = names.get(client);
  const claim = known ?? (navigator.locks === undefined ? askOthers(client) : holdLock(client));
  names.set(client, claim);
  if (await claim) return client;
  names.delete(client);
  return claimClient(makeClient());
}

/**
 * Whether another page has this name now; where a page without HTTPS has no locks nobody knows.
 * @param {string} client
 */
export async function isHeldElsewhere(client) {
  const held = (await navigator.locks?.query())?.held ?? [];
  return held.some(({ name }) => name === LOCK_PREFIX + client);
}

/**
 * @param {string} client
 * @returns {Promise<boolean>}
 */
async function holdLock(client) {
  for (let i = 0; i < TRIES; i += 1) {
    const held = await new Promise((resolve) => {
      const hold = (/** @type {Lock | null} */ lock) => {
        resolve(lock !== null);
        return lock === null ? undefined : new Promise(() => {}); // until the page is gone
      };
      navigator.locks.request(LOCK_PREFIX + client, { ifAvailable: true }, hold).catch(() => resolve(false));
    });
    if (held) return true;
    await new Promise((resolve) => setTimeout(resolve, TRY_AGAIN));
  }
  return false;
}

/**
 * The same where a page without HTTPS has no locks: whoever holds the name says so.
 * @param {string} client
 * @returns {Promise<boolean>}
 */
async function askOthers(client) {
  if (typeof BroadcastChannel === "undefined") return true;
  const channel = new BroadcastChannel(CHANNEL);
  const self = makeClient();
  let isTaken = false;
  let isMine = false;
  channel.onmessage = ({ data }) => {
    if (data?.client !== client || data.from === self) return;
    if (data.kind === "taken") isTaken ||= !isMine;
    // Of two that ask at once the smaller word gets it.
    else if (data.kind === "ask" && (isMine || self < data.from)) {
      channel.postMessage({ kind: "taken", client, from: self });
    }
  };
  channel.postMessage({ kind: "ask", client, from: self });
  await new Promise((resolve) => setTimeout(resolve, ANSWER_TIME));
  isMine = !isTaken;
  if (isTaken) channel.close();
  return isMine;
}
