// What can be done to masks, pixel by pixel. Bitmaps go in and new ones come out; none is changed.

import { boxOf, countPixels, emptyBitmap, jointBox, onBox, tightBox } from "../../lib/bitmap.js";
import { fillPolygon } from "../../lib/raster.js";

/** @typedef {import("../../lib/bitmap.js").Bitmap} Bitmap */
/** @typedef {import("../../lib/bitmap.js").Box} Box */
/** @typedef {import("../../lib/bitmap.js").Size} Size */
/** @typedef {import("../../lib/raster.js").Ring} Ring */

/** A part smaller than this share of the largest one is a speck. */
const SPECK = 0.05;
/** How far smoothing looks around each pixel, in each direction. */
const AROUND = 2;

/** @param {Bitmap} bitmap */
function trim(bitmap) {
  return onBox(bitmap, tightBox(bitmap));
}

/**
 * All pixels of several masks.
 * @param {Bitmap[]} bitmaps one at least
 * @returns {Bitmap}
 */
export function merge(bitmaps) {
  const result = emptyBitmap(bitmaps.map(boxOf).reduce(jointBox));
  for (const { left, top, width, height, bits } of bitmaps) {
    for (let x = 0; x < width; x += 1) {
      const to = (left + x - result.left) * result.height + top - result.top;
      for (let y = 0; y < height; y += 1) result.bits[to + y] |= bits[x * height + y];
    }
  }
  return trim(result);
}

/**
 * The pixels of one mask that another one does not have.
 * @param {Bitmap} from
 * @param {Bitmap} taken
 * @returns {Bitmap}
 */
export function subtract(from, taken) {
  const result = onBox(from, boxOf(from));
  const gone = onBox(taken, boxOf(from));
  for (let i = 0; i < gone.bits.length; i += 1) if (gone.bits[i] === 1) result.bits[i] = 0;
  return trim(result);
}

/** Number of pixels that two masks share. @param {Bitmap} a @param {Bitmap} b */
export function sharedPixels(a, b) {
  const other = onBox(b, boxOf(a));
  let count = 0;
  for (let i = 0; i < other.bits.length; i += 1) count += other.bits[i] & a.bits[i];
  return count;
}

/**
 * The mask moved by whole pixels; what leaves the image is lost.
 * @param {Bitmap} bitmap
 * @param {number} dx
 * @param {number} dy
 * @param {Size} image
 * @returns {Bitmap}
 */
export function move(bitmap, dx, dy, image) {
  const moved = { ...bitmap, left: bitmap.left + dx, top: bitmap.top + dy };
  const [x1, y1, x2, y2] = boxOf(moved);
  const clip = (/** @type {number} */ value, /** @type {number} */ most) => Math.min(Math.max(value, 0), most);
  const { width, height } = image;
  return trim(onBox(moved, [clip(x1, width), clip(y1, height), clip(x2, width), clip(y2, height)]));
}

/**
 * Number the parts of what is 1 that hang together; a pixel hangs together with the four beside it.
 * @param {Bitmap} bitmap
 * @returns {{of: Int32Array, sizes: number[]}} each pixel's part, from 1 on, 0 for none; and their sizes, from 1 on
 */
function numberParts({ width, height, bits }) {
  const of = new Int32Array(bits.length);
  const sizes = [0];
  /** @type {number[]} */
  const open = [];
  for (let start = 0; start < bits.length; start += 1) {
    if (bits[start] === 0 || of[start] !== 0) continue;
    const number = sizes.length;
    let size = 0;
    of[start] = number;
    open.push(start);
    while (open.length > 0) {
      const at = /** @type {number} */ (open.pop());
      size += 1;
      for (const next of beside(at, width, height)) {
        if (bits[next] === 1 && of[next] === 0) {
          of[next] = number;
          open.push(next);
        }
      }
    }
    sizes.push(size);
  }
  return { of, sizes };
}

/**
 * @param {number} at
 * @param {number} width
 * @param {number} height
 */
function beside(at, width, height) {
  const y = at % height;
  const found = [];
  if (y > 0) found.push(at - 1);
  if (y < height - 1) found.push(at + 1);
  if (at >= height) found.push(at - height);
  if (at < (width - 1) * height) found.push(at + height);
  return found;
}

/**
 * @param {Bitmap} bitmap
 * @param {(at: number) => boolean} isKept
 * @returns {Bitmap}
 */
function only(bitmap, isKept) {
  const { left, top, width, height } = bitmap;
  return trim({ left, top, width, height, bits: bitmap.bits.map((bit, at) => (bit === 1 && isKept(at) ? 1 : 0)) });
}

/**
 * A mask's parts, the largest first.
 * @param {Bitmap} bitmap
 * @returns {Bitmap[]}
 */
export function splitParts(bitmap) {
  const { of, sizes } = numberParts(bitmap);
  const numbers = sizes.map((_, number) => number).slice(1);
  numbers.sort((a, b) => sizes[b] - sizes[a] || a - b);
  return numbers.map((number) => only(bitmap, (at) => of[at] === number));
}

/**
 * Cut along a line. No pixel is lost: those under the line go to the piece beside them. Of each part of the mask that
 * the line cuts through the largest piece stays.
 * @param {Bitmap} bitmap
 * @param {readonly (readonly [number, number])[]} line points in pixel corners
 * @returns {Bitmap[]} what stays, then what was cut off, the largest first; one alone where the line cuts nothing off
 */
export function cut(bitmap, line) {
  const { width, height, bits } = bitmap;
  const before = numberParts(bitmap);
  const rest = { ...bitmap, bits: bits.slice() };
  for (const at of lineOf(bitmap, line)) rest.bits[at] = 0;
  const { of, sizes } = numberParts(rest);
  /** @type {Map<number, number>} by part before, its largest piece */
  const largest = new Map();
  /** @type {number[]} */
  const partOf = [];
  for (let at = 0; at < of.length; at += 1) {
    if (of[at] === 0 || partOf[of[at]] !== undefined) continue;
    const part = before.of[at];
    partOf[of[at]] = part;
    const best = largest.get(part);
    if (best === undefined || sizes[of[at]] > sizes[best]) largest.set(part, of[at]);
  }
  // The pixels under the line go to whatever is beside them, ring by ring.
  let open = [...of.keys()].filter((at) => of[at] !== 0);
  while (open.length > 0) {
    /** @type {number[]} */
    const next = [];
    for (const at of open) {
      for (const other of beside(at, width, height)) {
        if (bits[other] === 0 || of[other] !== 0) continue;
        of[other] = of[at];
        next.push(other);
      }
    }
    open = next;
  }
  const isCutOff = (/** @type {number} */ piece) => piece > 0 && largest.get(partOf[piece]) !== piece;
  const pieces = [...sizes.keys()].filter(isCutOff).sort((a, b) => sizes[b] - sizes[a] || a - b);
  return [only(bitmap, (at) => !isCutOff(of[at])), ...pieces.map((piece) => only(bitmap, (at) => of[at] === piece))];
}

/**
 * The pixels that a line runs through, each touching the next at least at a corner: no path from pixel to pixel
 * beside it crosses such a line.
 * @param {Bitmap} bitmap
 * @param {readonly (readonly [number, number])[]} points
 */
function lineOf({ left, top, width, height }, points) {
  /** @type {Set<number>} */
  const found = new Set();
  for (let i = 0; i + 1 < points.length; i += 1) {
    let [x, y] = points[i].map(Math.floor);
    const [toX, toY] = points[i + 1].map(Math.floor);
    const [wide, high] = [Math.abs(toX - x), Math.abs(toY - y)];
    let error = wide - high;
    for (;;) {
      if (x >= left && x < left + width && y >= top && y < top + height) found.add((x - left) * height + y - top);
      if (x === toX && y === toY) break;
      const twice = 2 * error;
      if (twice > -high) {
        error -= high;
        x += Math.sign(toX - x);
      }
      if (twice < wide) {
        error += wide;
        y += Math.sign(toY - y);
      }
    }
  }
  return found;
}

/**
 * Fill what the mask encloses. Background hangs together over corners, too, as the foreground does not.
 * @param {Bitmap} bitmap
 * @returns {Bitmap}
 */
export function fillHoles(bitmap) {
  const [x1, y1, x2, y2] = boxOf(bitmap);
  const padded = onBox(bitmap, [x1 - 1, y1 - 1, x2 + 1, y2 + 1]);
  const { width, height, bits } = padded;
  const outside = new Uint8Array(bits.length);
  outside[0] = 1;
  const open = [0];
  while (open.length > 0) {
    const at = /** @type {number} */ (open.pop());
    const x = Math.floor(at / height);
    const y = at % height;
    for (let nx = Math.max(0, x - 1); nx <= Math.min(width - 1, x + 1); nx += 1) {
      for (let ny = Math.max(0, y - 1); ny <= Math.min(height - 1, y + 1); ny += 1) {
        const next = nx * height + ny;
        if (bits[next] === 1 || outside[next] === 1) continue;
        outside[next] = 1;
        open.push(next);
      }
    }
  }
  return trim({ ...padded, bits: outside.map((bit) => 1 - bit) });
}

/**
 * Without the parts that are small beside the largest one.
 * @param {Bitmap} bitmap
 * @returns {Bitmap}
 */
export function dropSpecks(bitmap) {
  const { of, sizes } = numberParts(bitmap);
  const least = SPECK * Math.max(...sizes);
  return only(bitmap, (at) => sizes[of[at]] >= least);
}

/**
 * Each pixel as most of those around it (5 x 5; beyond the image as at its border).
 * @param {Bitmap} bitmap
 * @param {Size} image
 * @returns {Bitmap}
 */
export function smooth(bitmap, image) {
  const { left, top, width, height, bits } = bitmap;
  const result = { left, top, width, height, bits: new Uint8Array(bits.length) };
  const isOn = (/** @type {number} */ x, /** @type {number} */ y) => {
    const column = Math.min(Math.max(x, 0), image.width - 1) - left;
    const row = Math.min(Math.max(y, 0), image.height - 1) - top;
    return column >= 0 && column < width && row >= 0 && row < height ? bits[column * height + row] : 0;
  };
  const most = (2 * AROUND + 1) ** 2 / 2;
  for (let y = 0; y < height; y += 1) {
    /** @type {number[]} of each column of pixels around, as far as the window is high */
    const sums = [];
    const sumAt = (/** @type {number} */ x) => {
      let sum = 0;
      for (let dy = -AROUND; dy <= AROUND; dy += 1) sum += isOn(x, top + y + dy);
      return sum;
    };
    for (let x = left - AROUND; x < left + width + AROUND; x += 1) sums.push(sumAt(x));
    for (let x = 0; x < width; x += 1) {
      let total = 0;
      for (let dx = 0; dx <= 2 * AROUND; dx += 1) total += sums[x + dx];
      result.bits[x * height + y] = total > most ? 1 : 0;
    }
  }
  return trim(result);
}

/**
 * The mask after one of its rings was changed: exactly the pixels between the old line and the new one change, however
 * much coarser than the mask the ring is.
 * @param {Bitmap} bitmap
 * @param {Ring} before
 * @param {Ring} after
 * @param {boolean} isHole whether the ring goes around background
 * @param {Size} image
 * @returns {Bitmap}
 */
export function changeRing(bitmap, before, after, isHole, image) {
  const was = fillPolygon(before, image);
  const is = fillPolygon(after, image);
  const [gained, lost] = [subtract(is, was), subtract(was, is)];
  const [added, removed] = isHole ? [lost, gained] : [gained, lost];
  return subtract(merge([bitmap, added]), removed);
}

/** @param {Bitmap} bitmap */
export function isEmpty(bitmap) {
  return countPixels(bitmap) === 0;
}
