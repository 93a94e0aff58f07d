// Images from the clipboard go where dropped files go: into the uploader that stands before this component.

import { give } from "./handing_in.js";

const INPUT = '[data-testid="stFileUploader"] input[type=file]';
const EDITED = "input, textarea, select, [contenteditable]";

/**
 * A name for a pasted image: browsers call all of them `image.png`, and another name is what the person gave a file.
 * @param {string} name
 * @param {Date} now
 * @param {number} number of the image among those that were pasted together
 */
export function nameOf(name, now, number) {
  const [, ending] = /^image\.(\w+)$/.exec(name) ?? [];
  if (ending === undefined) return name;
  const two = (/** @type {number} */ value) => String(value).padStart(2, "0");
  const day = [now.getFullYear(), two(now.getMonth() + 1), two(now.getDate())].join("-");
  const time = [now.getHours(), now.getMinutes(), now.getSeconds()].map(two).join(".");
  return `pasted ${day} ${time}${number > 0 ? ` (${number + 1})` : ""}.${ending}`;
}

/**
 * The files of a paste that are for the uploader; none where somebody pastes into a field.
 * @param {ClipboardEvent} event
 * @returns {File[]}
 */
function pastedFiles(event) {
  const [target] = event.composedPath();
  if (target instanceof Element && target.closest(EDITED) !== null) return [];
  return [...(event.clipboardData?.files ?? [])];
}

/**
 * @param {AbortSignal} signal that ends it
 */
export function listenForPastes(signal) {
  const take = (/** @type {ClipboardEvent} */ event) => {
    const files = pastedFiles(event);
    const input = document.querySelector(INPUT);
    if (files.length === 0 || !(input instanceof HTMLInputElement)) return;
    event.preventDefault();
    const now = new Date();
    const named = files.map((file, number) => new File([file], nameOf(file.name, now, number), { type: file.type }));
    give(input, named);
  };
  document.addEventListener("paste", take, { signal });
}
