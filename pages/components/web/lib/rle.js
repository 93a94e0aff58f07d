// COCO's compressed run-length masks, read into foreground runs.
//
// A mask is flattened column by column; `counts` holds the lengths of alternating runs of background
// and foreground, each as 5-bit groups in printable characters (48 + group, bit 5 = more follows, bit 4
// of the last group = sign), from the third count on as the difference to the count two places before.
// This is the form of pycocotools' `encode`; a Python test compares the two on shared samples.

/**
 * @typedef {object} CocoRle
 * @property {[number, number]} size height and width in pixels
 * @property {string} counts
 */

/**
 * Foreground of one mask as half-open ranges of column-major pixel positions, sorted, never touching.
 * @typedef {object} Runs
 * @property {number} height
 * @property {number} width
 * @property {Int32Array} starts
 * @property {Int32Array} ends
 * @property {number} area foreground pixels
 * @property {[number, number, number, number]} box tight x1, y1, x2, y2 (ends exclusive); zeros if empty
 */

/**
 * The run lengths behind a `counts` string.
 * @param {string} text
 * @returns {number[]}
 */
export function decodeCounts(text) {
  /** @type {number[]} */
  const counts = [];
  let at = 0;
  while (at < text.length) {
    let value = 0;
    let group = 0;
    let more = true;
    while (more) {
      const code = text.charCodeAt(at) - 48;
      if (!(code >= 0 && code < 64)) throw new RangeError(`counts: unexpected end or character at ${at}`);
      if (group > 5) throw new RangeError(`counts: number too long at ${at}`);
      value |= (code & 31) << (5 * group);
      more = (code & 32) !== 0;
      at += 1;
      group += 1;
      if (!more && code & 16) value |= -1 << (5 * group);
    }
    if (counts.length > 2) value += counts[counts.length - 2];
    if (value < 0) throw new RangeError(`counts: negative run before ${at}`);
    counts.push(value);
  }
  return counts;
}

/**
 * Decode a mask, joining runs that touch (an encoder may write empty runs between them).
 * @param {CocoRle} rle
 * @returns {Runs}
 */
export function decodeRle(rle) {
  const [height, width] = rle.size;
  const counts = decodeCounts(rle.counts);
  const starts = new Int32Array(counts.length >> 1);
  const ends = new Int32Array(counts.length >> 1);
  let used = 0;
  let at = 0;
  let area = 0;
  for (let i = 0; i < counts.length; i += 1) {
    const end = at + counts[i];
    if (i % 2 === 1 && end > at) {
      area += counts[i];
      if (used > 0 && ends[used - 1] === at) ends[used - 1] = end;
      else {
        starts[used] = at;
        ends[used] = end;
        used += 1;
      }
    }
    at = end;
  }
  if (at !== height * width) throw new RangeError(`counts: cover ${at} pixels, expected ${height * width}`);
  const runs = { height, width, starts: starts.slice(0, used), ends: ends.slice(0, used), area };
  return { ...runs, box: runsBox(runs.starts, runs.ends, height) };
}

/**
 * @param {Int32Array} starts
 * @param {Int32Array} ends
 * @param {number} height
 * @returns {[number, number, number, number]}
 */
function runsBox(starts, ends, height) {
  if (starts.length === 0) return [0, 0, 0, 0];
  let top = height;
  let bottom = 0;
  for (let i = 0; i < starts.length; i += 1) {
    const first = starts[i] % height;
    const last = first + ends[i] - starts[i];
    const wraps = last > height; // goes on in the next column
    top = wraps ? 0 : Math.min(top, first);
    bottom = wraps ? height : Math.max(bottom, last);
  }
  const left = Math.floor(starts[0] / height);
  const right = Math.floor((ends[ends.length - 1] - 1) / height) + 1;
  return [left, top, right, bottom];
}

/**
 * Whether the pixel in column x and row y is foreground; false outside the image.
 * @param {Runs} runs
 * @param {number} x
 * @param {number} y
 */
export function containsPixel(runs, x, y) {
  if (x < 0 || y < 0 || x >= runs.width || y >= runs.height) return false;
  const position = x * runs.height + y;
  let low = 0;
  let high = runs.starts.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (runs.starts[middle] <= position) low = middle + 1;
    else high = middle;
  }
  return low > 0 && position < runs.ends[low - 1];
}
