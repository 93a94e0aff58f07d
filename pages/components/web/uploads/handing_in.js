// Files that were given to an uploader and went nowhere are given to it once more.
//
// Streamlit asks the server for an address for each file. It throws the answer away if the page is drawn anew before
// that has left the server; the uploader then waits for it forever, and shows nothing.

const UPLOADER = '[data-testid="stFileUploader"]';
const INPUT = `${UPLOADER} input[type=file]`;
/** Of each file that the uploader has taken: the button that takes it away again. */
const ROW = 'button[aria-label^="Remove "]';
/** After this time the answer is taken for lost (ms). If it is only late, the same file comes twice, which does no harm. */
const PATIENCE = 3000;
const MOST_TIMES = 4;

/** When the last upload began, by the browser's clock (ms). */
let uploaded = -1;
/** Which time files are given that are being given just now; other files are given for the first time. */
let time = 1;
/** @type {WeakSet<Event>} */
const seen = new WeakSet();
/** Inputs whose files are cared for. @type {WeakSet<HTMLInputElement>} */
const cared = new WeakSet();

/** What was handed in before this has got its address. @param {number} startTime of an upload */
export function noteUpload(startTime) {
  uploaded = Math.max(uploaded, startTime);
}

/** @param {AbortSignal} signal that ends the listening; what was handed in before is still cared for */
export function listenForFiles(signal) {
  const once = (/** @type {(event: any) => void} */ take) => (/** @type {Event} */ event) => {
    if (seen.has(event)) return; // by another component of the same page
    seen.add(event);
    take(event);
  };
  const options = { capture: true, signal };
  document.addEventListener("change", once(noteChange), options);
  document.addEventListener("drop", once(noteDrop), options);
  for (const input of inputs()) {
    if (rowsOf(input).length === 0 && !cared.has(input)) watch(input, [...(input.files ?? [])]); // chosen before anybody listened
  }
}

/** @param {Event} event */
function noteChange({ target }) {
  if (target instanceof HTMLInputElement && target.matches(INPUT)) watch(target, [...(target.files ?? [])]);
}

/** @param {DragEvent} event */
function noteDrop({ target, dataTransfer }) {
  const input = target instanceof Element ? target.closest(UPLOADER)?.querySelector("input[type=file]") : null;
  const items = [...(dataTransfer?.items ?? [])];
  // What is in a folder comes one by one, with its path, and can't be dropped again from here.
  if (items.some((item) => item.webkitGetAsEntry()?.isDirectory === true)) return;
  if (input instanceof HTMLInputElement) watch(input, [...(dataTransfer?.files ?? [])]);
}

/**
 * @param {HTMLInputElement} input
 * @param {File[]} files
 */
function watch(input, files) {
  if (files.length === 0 || time >= MOST_TIMES) return;
  cared.add(input);
  const [at, rows, label, next] = [performance.now(), rowsOf(input), labelOf(input), time + 1];
  setTimeout(() => {
    const now = sameInput(input, label);
    // A file in another one's place has a row of its own, which is there while it is still on its way.
    if (now === null || uploaded >= at || !isSame(rowsOf(now), rows)) return;
    time = next;
    give(now, files);
    time = 1;
  }, PATIENCE);
}

/**
 * @param {HTMLInputElement} input
 * @param {File[]} files
 */
export function give(input, files) {
  // Those of a folder would lose their paths on the way; where they still are, they keep them.
  if ([...(input.files ?? [])].some((file) => !files.includes(file)) || input.files?.length !== files.length) {
    const carried = new DataTransfer();
    for (const file of files) carried.items.add(file);
    input.files = carried.files;
  }
  input.dispatchEvent(new Event("change", { bubbles: true }));
}

/**
 * The input that stands where another one stood: a page that is drawn anew may have replaced it.
 * @param {HTMLInputElement} input
 * @param {string} label
 * @returns {HTMLInputElement | null}
 */
function sameInput(input, label) {
  if (input.isConnected) return input;
  return inputs().find((one) => labelOf(one) === label) ?? null;
}

function inputs() {
  return [.../** @type {NodeListOf<HTMLInputElement>} */ (document.querySelectorAll(INPUT))];
}

/** @param {Element} input */
function labelOf(input) {
  return input.closest(UPLOADER)?.querySelector("label")?.textContent ?? "";
}

/** @param {Element} input */
function rowsOf(input) {
  return [...(input.closest(UPLOADER)?.querySelectorAll(ROW) ?? [])];
}

/** @param {Element[]} rows @param {Element[]} others */
function isSame(rows, others) {
  return rows.length === others.length && rows.every((row, n) => row === others[n]);
}
