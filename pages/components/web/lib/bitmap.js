// A mask's pixels beside their box, for changing them, and the way to and from COCO's run lengths.
//
// Column by column, as the run lengths are: pixel (x, y) of the image is `bits[(x - left) * height + y - top]`.

/** @typedef {import("./rle.js").Runs} Runs */

/**
 * @typedef {object} Bitmap
 * @property {number} left
 * @property {number} top
 * @property {number} width
 * @property {number} height
 * @property {Uint8Array} bits 1 for foreground
 */

/** @typedef {{width: number, height: number}} Size of an image in pixels */
/** @typedef {readonly [number, number, number, number]} Box x1, y1, x2, y2; whole pixels, ends exclusive */

/**
 * @param {Box} box
 * @returns {Bitmap} of background
 */
export function emptyBitmap([x1, y1, x2, y2]) {
  const width = Math.max(0, x2 - x1);
  const height = Math.max(0, y2 - y1);
  return { left: x1, top: y1, width, height, bits: new Uint8Array(width * height) };
}

/**
 * @param {Runs} runs
 * @param {Box} [box] of the bitmap; what lies outside of it is left out
 * @returns {Bitmap}
 */
export function bitmapOf(runs, box = runs.box) {
  const bitmap = emptyBitmap(box);
  const { left, top, width, height, bits } = bitmap;
  for (let i = 0; i < runs.starts.length; i += 1) {
    let from = runs.starts[i];
    while (from < runs.ends[i]) {
      const x = Math.floor(from / runs.height);
      const columnEnd = Math.min(runs.ends[i], (x + 1) * runs.height);
      if (x >= left && x < left + width) {
        const first = Math.max(from - x * runs.height, top);
        const last = Math.min(columnEnd - x * runs.height, top + height);
        if (first < last) bits.fill(1, (x - left) * height + first - top, (x - left) * height + last - top);
      }
      from = columnEnd;
    }
  }
  return bitmap;
}

/** @param {Bitmap} bitmap @returns {Box} */
export function boxOf({ left, top, width, height }) {
  return [left, top, left + width, top + height];
}

/** @param {Box} a @param {Box} b @returns {Box} */
export function jointBox(a, b) {
  return [Math.min(a[0], b[0]), Math.min(a[1], b[1]), Math.max(a[2], b[2]), Math.max(a[3], b[3])];
}

/** @param {Box} box @param {Size} image @returns {Box} */
export function clipBox([x1, y1, x2, y2], { width, height }) {
  const clip = (/** @type {number} */ value, /** @type {number} */ most) => Math.min(Math.max(value, 0), most);
  return [clip(x1, width), clip(y1, height), clip(x2, width), clip(y2, height)];
}

/**
 * The same pixels on another box; those outside of it are lost.
 * @param {Bitmap} bitmap
 * @param {Box} box
 * @returns {Bitmap} a copy
 */
export function onBox(bitmap, box) {
  const result = emptyBitmap(box);
  const x1 = Math.max(bitmap.left, result.left);
  const x2 = Math.min(bitmap.left + bitmap.width, result.left + result.width);
  const y1 = Math.max(bitmap.top, result.top);
  const y2 = Math.min(bitmap.top + bitmap.height, result.top + result.height);
  if (y1 >= y2) return result;
  for (let x = x1; x < x2; x += 1) {
    const from = (x - bitmap.left) * bitmap.height - bitmap.top;
    result.bits.set(bitmap.bits.subarray(from + y1, from + y2), (x - result.left) * result.height + y1 - result.top);
  }
  return result;
}

/** Number of foreground pixels. @param {Bitmap} bitmap */
export function countPixels({ bits }) {
  let count = 0;
  for (let i = 0; i < bits.length; i += 1) count += bits[i];
  return count;
}

/**
 * The box of the foreground; without an area where there is none.
 * @param {Bitmap} bitmap
 * @returns {Box}
 */
export function tightBox({ left, top, width, height, bits }) {
  let [x1, y1, x2, y2] = [width, height, 0, 0];
  for (let x = 0; x < width; x += 1) {
    const column = bits.subarray(x * height, (x + 1) * height);
    const first = column.indexOf(1);
    if (first < 0) continue;
    x1 = Math.min(x1, x);
    x2 = x + 1;
    y1 = Math.min(y1, first);
    y2 = Math.max(y2, column.lastIndexOf(1) + 1);
  }
  return x2 === 0 ? [0, 0, 0, 0] : [left + x1, top + y1, left + x2, top + y2];
}

/**
 * COCO's compressed run lengths, as pycocotools writes them.
 * @param {Bitmap} bitmap within the image
 * @param {Size} image
 * @returns {string}
 */
export function countsOf({ left, top, width, height, bits }, image) {
  /** @type {number[]} lengths of runs of background and foreground in turn */
  const runs = [];
  let value = 0;
  let from = 0; // where the present run begins
  const turnAt = (/** @type {number} */ position) => {
    runs.push(position - from);
    from = position;
    value = 1 - value;
  };
  for (let x = 0; x < width; x += 1) {
    const column = (left + x) * image.height + top;
    const offset = x * height;
    // A run of foreground goes on from the foot of a column to the head of the next one, where both are in the bitmap.
    if (value === 1 && (top > 0 || bits[offset] === 0)) turnAt(column - top);
    for (let y = 0; y < height; y += 1) if (bits[offset + y] !== value) turnAt(column + y);
    if (value === 1 && top + height < image.height) turnAt(column + height);
  }
  if (value === 1) turnAt((left + width) * image.height);
  const end = image.width * image.height;
  if (from < end || runs.length === 0) runs.push(end - from);
  return compressRuns(runs);
}

/**
 * Each length, from the fourth on its difference to the one two before, in groups of five bits: 48 + group, bit 5
 * for "more follows".
 * @param {number[]} runs
 */
function compressRuns(runs) {
  let text = "";
  for (let i = 0; i < runs.length; i += 1) {
    let value = i > 2 ? runs[i] - runs[i - 2] : runs[i];
    let more = true;
    while (more) {
      const group = value & 31;
      value >>= 5; // keeps the sign
      more = group & 16 ? value !== -1 : value !== 0;
      text += String.fromCharCode(48 + (more ? group | 32 : group));
    }
  }
  return text;
}
