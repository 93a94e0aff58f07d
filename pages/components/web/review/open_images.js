// The word under which the server keeps this tab's open images, so that a reload finds them again.
//
// Python makes the word when the first image is opened; the tab's storage holds it, and the browser's holds those of
// all its tabs: what a closed tab left open is offered to the next one. As a duplicated tab gets a copy of the
// storage, a word is held like a reviewer's name (review_session.js): of two tabs one has it.

import { claimClient, isHeldElsewhere } from "./review_session.js";

/** @typedef {{token: string, count: number}} OpenImages what Python knows: its word, and how many images are open */
/** @typedef {{token: string, left: string[]}} KeptImages what the browser has: the tab's word, and closed tabs' */

const TAB_KEY = "maskdesk-images";
const ALL_KEY = "maskdesk-images-of-tabs";
const MOST = 5;
const TOKEN = /^[0-9a-f]{24}$/;

/** @param {() => Storage} ask @param {string} key */
function read(ask, key) {
  try {
    return ask().getItem(key) ?? "";
  } catch {
    return ""; // storage that is forbidden holds nothing
  }
}

/**
 * @param {() => Storage} ask
 * @param {string} key
 * @param {string} value
 * @returns {boolean} whether it is held now
 */
function write(ask, key, value) {
  try {
    if (value === "") ask().removeItem(key);
    else if (ask().getItem(key) !== value) ask().setItem(key, value);
    return true;
  } catch {
    return false;
  }
}

/** The words of the browser's tabs that have images open, the newest first. */
function listed() {
  try {
    const words = JSON.parse(read(() => localStorage, ALL_KEY) || "[]");
    return Array.isArray(words) ? words.filter((word) => typeof word === "string" && TOKEN.test(word)) : [];
  } catch {
    return [];
  }
}

/**
 * Hold the word that Python has, and list it while images are open under it.
 * @param {OpenImages} open
 * @returns {boolean} whether a reload would find the images again
 */
export function hold({ token, count }) {
  if (token === "") return false;
  void claimClient(token);
  const others = listed().filter((word) => word !== token);
  const words = count > 0 ? [token, ...others].slice(0, MOST) : others;
  write(() => localStorage, ALL_KEY, words.length > 0 ? JSON.stringify(words) : "");
  return write(() => sessionStorage, TAB_KEY, token);
}

/**
 * What Python is to be told at the beginning: the word that this tab had before it was loaded anew, unless another
 * tab has it by now, and what tabs that were closed have left open.
 * @returns {Promise<KeptImages | null>} null for nothing
 */
export async function foundImages() {
  let token = read(() => sessionStorage, TAB_KEY);
  if (!TOKEN.test(token) || (await claimClient(token)) !== token) token = "";
  /** @type {string[]} */
  const left = [];
  for (const word of listed()) {
    if (word !== token && !(await isHeldElsewhere(word))) left.push(word);
  }
  return token === "" && left.length === 0 ? null : { token, left };
}
