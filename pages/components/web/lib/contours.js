// From foreground runs to the outline of a mask.
//
// The rings follow the pixels' edges exactly, so that filling them by the even-odd rule gives the mask
// back bit by bit. They are found in one sweep over the columns' run ends, without ever making a bitmap:
// the cost follows the number of runs, not the size of the image. Foreground is 4-connected: at a corner
// where two pixels touch diagonally the outline stays with the pixel it came along.

/** @typedef {import("./rle.js").Runs} Runs */

/**
 * The edges of a mask as closed rings of pixel corners: flat x, y pairs, the last point joined to the
 * first. Foreground lies to the right of the direction of travel: outer rings turn clockwise on screen,
 * holes the other way.
 * @param {Runs} runs
 * @returns {Int32Array[]}
 */
export function traceRings(runs) {
  if (runs.starts.length === 0) return [];
  const columns = splitColumns(runs);
  const capacity = 2 * columns.total;
  const xs = new Int32Array(capacity);
  const ys = new Int32Array(capacity);
  const next = new Int32Array(capacity).fill(-1);
  let corners = 0;
  /** Upper corner of the vertical edge being followed down the boundary, or -1. */
  let open = -1;
  let openGoesDown = false;
  let boundary = 0;

  const addCorner = (/** @type {number} */ y) => {
    xs[corners] = boundary;
    ys[corners] = y;
    return corners++;
  };
  // With foreground on the right, an edge runs down where the foreground is west of it.
  const joinVertical = (/** @type {number} */ corner, /** @type {boolean} */ leftInside) => {
    if (open < 0) {
      open = corner;
      openGoesDown = leftInside;
      return;
    }
    if (openGoesDown) next[open] = corner;
    else next[corner] = open;
    open = -1;
  };
  // A top edge runs to the right, a bottom edge to the left.
  const joinLeft = (/** @type {number} */ corner, /** @type {number} */ from, /** @type {boolean} */ isTop) => {
    if (isTop) next[from] = corner;
    else next[corner] = from;
  };

  /** Corner at which the horizontal edge of each run end of the last column began. */
  let origins = new Int32Array(0);
  let left = new Int32Array(0);
  for (let x = columns.first; x <= columns.last; x += 1) {
    boundary = x;
    const right = columns.ends(x);
    const rightOrigins = new Int32Array(right.length);
    let i = 0;
    let j = 0;
    while (i < left.length || j < right.length) {
      const leftY = i < left.length ? left[i] : Infinity;
      const rightY = j < right.length ? right[j] : Infinity;
      if (leftY < rightY) {
        const corner = addCorner(leftY);
        joinLeft(corner, origins[i], i % 2 === 0);
        i += 1;
        joinVertical(corner, i % 2 === 1);
      } else if (rightY < leftY) {
        const corner = addCorner(rightY);
        rightOrigins[j] = corner;
        j += 1;
        joinVertical(corner, i % 2 === 1);
      } else if (i % 2 === j % 2) {
        rightOrigins[j] = origins[i]; // the edge goes straight on
        i += 1;
        j += 1;
      } else {
        const leftIsTop = i % 2 === 0;
        const upper = addCorner(leftY);
        const lower = addCorner(leftY);
        joinLeft(leftIsTop ? lower : upper, origins[i], leftIsTop);
        rightOrigins[j] = leftIsTop ? upper : lower;
        i += 1;
        j += 1;
        joinVertical(upper, false);
        joinVertical(lower, i % 2 === 1);
      }
    }
    left = right;
    origins = rightOrigins;
  }
  return followRings(xs, ys, next, corners);
}

/**
 * Run ends per column: even places are tops, odd places bottoms.
 * @param {Runs} runs
 */
function splitColumns(runs) {
  const { starts, ends, height, box } = runs;
  const first = box[0];
  const last = box[2];
  let total = 0;
  for (let i = 0; i < starts.length; i += 1) {
    total += 2 * (Math.floor((ends[i] - 1) / height) - Math.floor(starts[i] / height) + 1);
  }
  let run = 0;
  /** @type {number[]} */
  let found = [];
  /** Must be asked for columns in rising order. @param {number} x */
  const endsOf = (x) => {
    found = [];
    const from = x * height;
    const to = from + height;
    while (run < starts.length && starts[run] < to) {
      found.push(Math.max(starts[run], from) - from, Math.min(ends[run], to) - from);
      if (ends[run] > to) break; // goes on in the next column
      run += 1;
    }
    return Int32Array.from(found);
  };
  return { first, last, total, ends: endsOf };
}

/**
 * @param {Int32Array} xs
 * @param {Int32Array} ys
 * @param {Int32Array} next
 * @param {number} corners
 */
function followRings(xs, ys, next, corners) {
  const seen = new Uint8Array(corners);
  /** @type {Int32Array[]} */
  const rings = [];
  for (let start = 0; start < corners; start += 1) {
    if (seen[start]) continue;
    /** @type {number[]} */
    const ring = [];
    for (let at = start; !seen[at]; at = next[at]) {
      seen[at] = 1;
      ring.push(xs[at], ys[at]);
    }
    rings.push(Int32Array.from(ring));
  }
  return rings;
}

/**
 * Douglas and Peucker (1973) on a closed ring: no dropped point lies further than `tolerance` pixels from
 * the line that replaces it. Gives the ring itself back when fewer than three points would remain.
 * @param {Int32Array} ring
 * @param {number} tolerance
 * @returns {Int32Array}
 */
export function simplifyRing(ring, tolerance) {
  const count = ring.length / 2;
  if (count <= 4) return ring;
  const keep = new Uint8Array(count);
  let far = 0;
  let farthest = -1;
  for (let i = 1; i < count; i += 1) {
    const distance = (ring[2 * i] - ring[0]) ** 2 + (ring[2 * i + 1] - ring[1]) ** 2;
    if (distance > farthest) {
      farthest = distance;
      far = i;
    }
  }
  keep[0] = 1;
  keep[far] = 1;
  let kept = 2;
  const stack = [0, far, far, count];
  while (stack.length > 0) {
    const to = /** @type {number} */ (stack.pop());
    const from = /** @type {number} */ (stack.pop());
    const split = farthestFromLine(ring, from, to, tolerance);
    if (split < 0) continue;
    keep[split] = 1;
    kept += 1;
    stack.push(from, split, split, to);
  }
  if (kept < 3) return ring;
  const result = new Int32Array(2 * kept);
  let at = 0;
  for (let i = 0; i < count; i += 1) {
    if (!keep[i]) continue;
    result[at] = ring[2 * i];
    result[at + 1] = ring[2 * i + 1];
    at += 2;
  }
  return result;
}

/**
 * Index of the point strictly between `from` and `to` that is furthest from their segment, or -1 if all
 * lie within the tolerance. `to` may be the point count, which stands for the ring's first point.
 * @param {Int32Array} ring
 * @param {number} from
 * @param {number} to
 * @param {number} tolerance
 */
function farthestFromLine(ring, from, to, tolerance) {
  const last = (2 * to) % ring.length;
  const ax = ring[2 * from];
  const ay = ring[2 * from + 1];
  const dx = ring[last] - ax;
  const dy = ring[last + 1] - ay;
  const squared = dx * dx + dy * dy;
  let worst = tolerance * tolerance;
  let index = -1;
  for (let i = from + 1; i < to; i += 1) {
    const px = ring[2 * i] - ax;
    const py = ring[2 * i + 1] - ay;
    const along = squared > 0 ? Math.min(1, Math.max(0, (px * dx + py * dy) / squared)) : 0;
    const distance = (px - along * dx) ** 2 + (py - along * dy) ** 2;
    if (distance > worst) {
      worst = distance;
      index = i;
    }
  }
  return index;
}
