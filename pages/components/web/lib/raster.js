// From lines to pixels: polygons as COCO's own library fills them, and strokes of a brush.

import { clipBox, emptyBitmap } from "./bitmap.js";

/** @typedef {import("./bitmap.js").Bitmap} Bitmap */
/** @typedef {import("./bitmap.js").Size} Size */
/** @typedef {ArrayLike<number>} Ring flat x, y pairs in pixel corners; the last point is joined to the first */

/** COCO's library fills polygons on a grid that is this much finer than the pixels. */
const FINER = 5;

/**
 * The pixels of a polygon, the very same that pycocotools' `frPyObjects` gives (the arithmetic of *maskApi.c*,
 * `rleFrPoly`): edges are walked on the finer grid, each crossing of a pixel column's middle turns the colour there,
 * and what is left of the crossings of a column goes on into the next one.
 * @param {Ring} ring
 * @param {Size} image
 * @returns {Bitmap}
 */
export function fillPolygon(ring, image) {
  const { width, height } = image;
  const crossings = findCrossings(ring, width, height).sort((a, b) => a - b);
  // Of equal positions two cancel each other out.
  /** @type {number[]} */
  const turns = [];
  for (const position of crossings) {
    if (turns.length > 0 && turns[turns.length - 1] === position) turns.pop();
    else turns.push(position);
  }
  if (turns.length % 2 === 1) turns.push(width * height);
  const first = turns.length === 0 ? 0 : Math.floor(turns[0] / height);
  const last = turns.length === 0 ? 0 : Math.ceil(turns[turns.length - 1] / height);
  const bitmap = emptyBitmap([first, 0, last, height]);
  for (let i = 0; i < turns.length; i += 2) {
    bitmap.bits.fill(1, turns[i] - first * height, turns[i + 1] - first * height);
  }
  return bitmap;
}

/**
 * Positions, down the columns, at which an edge crosses the middle of a column.
 * @param {Ring} ring
 * @param {number} width
 * @param {number} height
 */
function findCrossings(ring, width, height) {
  const onGrid = (/** @type {number} */ value) => Math.trunc(FINER * value + 0.5);
  /** @type {number[]} */
  const found = [];
  const count = ring.length / 2;
  let lastU = 0;
  let lastV = 0;
  let isFirst = true;
  const step = (/** @type {number} */ u, /** @type {number} */ v) => {
    if (!isFirst && u !== lastU) {
      const x = ((u < lastU ? u : u - 1) + 0.5) / FINER - 0.5;
      if (Number.isInteger(x) && x >= 0 && x <= width - 1) {
        const y = Math.ceil(Math.min(Math.max(((v < lastV ? v : lastV) + 0.5) / FINER - 0.5, 0), height));
        found.push(x * height + y);
      }
    }
    isFirst = false;
    lastU = u;
    lastV = v;
  };
  for (let i = 0; i < count; i += 1) {
    const j = (i + 1) % count;
    const from = [onGrid(ring[2 * i]), onGrid(ring[2 * i + 1])];
    const to = [onGrid(ring[2 * j]), onGrid(ring[2 * j + 1])];
    walkEdge(from, to, step);
  }
  return found;
}

/**
 * The points of an edge on the grid, one for each step of its longer side; the shorter side is worked out from the
 * end with the smaller coordinate, so that an edge is the same in both directions.
 * @param {number[]} from
 * @param {number[]} to
 * @param {(u: number, v: number) => void} step
 */
function walkEdge(from, to, step) {
  const wide = Math.abs(to[0] - from[0]);
  const high = Math.abs(to[1] - from[1]);
  const isWide = wide >= high;
  const isTurned = isWide ? from[0] > to[0] : from[1] > to[1];
  const [[x1, y1], [x2, y2]] = isTurned ? [to, from] : [from, to];
  const steps = isWide ? wide : high;
  const slope = steps === 0 ? 0 : isWide ? (y2 - y1) / wide : (x2 - x1) / high;
  for (let i = 0; i <= steps; i += 1) {
    const at = isTurned ? steps - i : i;
    if (isWide) step(x1 + at, Math.trunc(y1 + slope * at + 0.5));
    else step(Math.trunc(x1 + slope * at + 0.5), y1 + at);
  }
}

/**
 * The box of all pixels that a stroke can touch.
 * @param {readonly (readonly [number, number])[]} points
 * @param {number} size diameter in pixels
 * @param {Size} image
 */
export function strokeBox(points, size, image) {
  const xs = points.map(([x]) => x);
  const ys = points.map(([, y]) => y);
  const reach = size / 2 + 1;
  return clipBox(
    [
      Math.floor(Math.min(...xs) - reach),
      Math.floor(Math.min(...ys) - reach),
      Math.ceil(Math.max(...xs) + reach),
      Math.ceil(Math.max(...ys) + reach),
    ],
    image,
  );
}

/**
 * Draw a line with a round brush: all pixels whose middle lies within half the brush's size of the line, and those in
 * which it begins and ends, so that the smallest brush touches the pixel under it and no other.
 * @param {Bitmap} bitmap changed in place; what lies outside of it is left out
 * @param {readonly [number, number]} from in pixel corners
 * @param {readonly [number, number]} to
 * @param {number} size diameter in pixels
 * @param {0 | 1} value
 */
export function drawStroke(bitmap, from, to, size, value) {
  const { left, top, width, height, bits } = bitmap;
  const reach = size / 2;
  const x1 = Math.max(left, Math.floor(Math.min(from[0], to[0]) - reach));
  const x2 = Math.min(left + width, Math.ceil(Math.max(from[0], to[0]) + reach));
  const y1 = Math.max(top, Math.floor(Math.min(from[1], to[1]) - reach));
  const y2 = Math.min(top + height, Math.ceil(Math.max(from[1], to[1]) + reach));
  const [dx, dy] = [to[0] - from[0], to[1] - from[1]];
  const length = dx * dx + dy * dy;
  for (let x = x1; x < x2; x += 1) {
    for (let y = y1; y < y2; y += 1) {
      const px = x + 0.5 - from[0];
      const py = y + 0.5 - from[1];
      const along = length > 0 ? Math.min(1, Math.max(0, (px * dx + py * dy) / length)) : 0;
      const distance = (px - along * dx) ** 2 + (py - along * dy) ** 2;
      if (distance <= reach * reach) bits[(x - left) * height + y - top] = value;
    }
  }
  for (const [x, y] of [from, to]) {
    const column = Math.floor(x) - left;
    const row = Math.floor(y) - top;
    if (column >= 0 && column < width && row >= 0 && row < height) bits[column * height + row] = value;
  }
}
