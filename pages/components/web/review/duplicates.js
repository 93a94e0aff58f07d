// Two detections of one object: by how far their masks are the same, over all categories.

import { bitmapOf } from "../lib/bitmap.js";
import { sharedPixels } from "./tools/mask_edits.js";
import { boxesMeet } from "../lib/geometry.js";

/** @typedef {import("../lib/rle.js").Runs} Runs */
/** @typedef {{id: number, category: number, score: number, isAccepted: boolean, runs: Runs}} Candidate */
/** @typedef {{better: number, worse: number, iou: number, containment: number}} Pair */

/** Two masks with this IoU are one object, whatever their categories. */
const SAME = 0.6;
/** A mask with this share of it within another of the same category is a part of that. */
const WITHIN = 0.9;

/**
 * What people have accepted is better than what they have not, a higher score than a lower one, a larger mask than
 * a smaller one.
 * @param {Candidate} a
 * @param {Candidate} b
 */
function isBetter(a, b) {
  if (a.isAccepted !== b.isAccepted) return a.isAccepted;
  if (a.score !== b.score) return a.score > b.score;
  return a.runs.area !== b.runs.area ? a.runs.area > b.runs.area : a.id < b.id;
}

/**
 * Pairs of masks that are one object. One that is the worse of a pair says nothing of others: of three that are the
 * same the best stays.
 * @param {Candidate[]} candidates
 * @returns {Pair[]}
 */
export function findDuplicates(candidates) {
  const sorted = candidates.filter(({ runs }) => runs.area > 0).sort((a, b) => (isBetter(a, b) ? -1 : 1));
  const bitmaps = new Map(sorted.map((one) => [one.id, bitmapOf(one.runs)]));
  /** @type {Set<number>} */
  const worse = new Set();
  /** @type {Pair[]} */
  const pairs = [];
  sorted.forEach((better, i) => {
    if (worse.has(better.id)) return;
    for (const other of sorted.slice(i + 1)) {
      if (worse.has(other.id) || !boxesMeet(better.runs.box, other.runs.box)) continue;
      const [a, b] = [bitmaps.get(better.id), bitmaps.get(other.id)];
      if (a === undefined || b === undefined) continue;
      const shared = sharedPixels(a, b);
      const iou = shared / (better.runs.area + other.runs.area - shared);
      const containment = shared / Math.min(better.runs.area, other.runs.area);
      if (iou < SAME && !(containment >= WITHIN && better.category === other.category)) continue;
      worse.add(other.id);
      pairs.push({ better: better.id, worse: other.id, iou, containment });
    }
  });
  return pairs;
}
