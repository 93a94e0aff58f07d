// The drawable form of each instance: runs, rings and paths, made once and kept while its mask stays.

import { decodeRle, containsPixel } from "../lib/rle.js";
import { simplifyRing, traceRings } from "../lib/contours.js";

/** @typedef {import("../lib/rle.js").Runs} Runs */
/** @typedef {import("./state.js").Instance} Instance */

/** From this many screen pixels per image pixel on, outlines follow the pixels' edges. */
const EXACT_FROM = 1.5;
const FINE_FROM = 0.35;
const FINE_TOLERANCE = 0.75;
const COARSE_TOLERANCE = 1.5;

/** One instance's mask, or its box where there is no mask. */
export class Shape {
  /** @param {Instance} instance */
  constructor(instance) {
    this.counts = instance.rle?.counts ?? null;
    this.instanceBox = instance.box;
    this.runs = readRuns(instance);
    /** @type {Int32Array[] | null} */
    this.traced = null;
    /** @type {(Path2D | null)[]} exact, fine, coarse */
    this.paths = [null, null, null];
    const [x1, y1, x2, y2] = instance.box;
    this.area = this.runs?.area ?? Math.max(0, x2 - x1) * Math.max(0, y2 - y1);
    /** Everything that is drawn lies within: mask and box may differ. */
    this.extent = this.runs === null || this.runs.area === 0 ? instance.box : unionBox(instance.box, this.runs.box);
  }

  /** The mask's outlines; traced when they are first asked for: far away nothing is drawn of them. */
  get rings() {
    return (this.traced ??= this.runs === null ? [] : traceRings(this.runs));
  }

  /**
   * The outline for a number of screen pixels per image pixel.
   * @param {number} scale
   * @returns {Path2D}
   */
  path(scale) {
    const level = scale >= EXACT_FROM ? 0 : scale >= FINE_FROM ? 1 : 2;
    return (this.paths[level] ??= makePath(this.rings, [0, FINE_TOLERANCE, COARSE_TOLERANCE][level]));
  }

  /**
   * Whether the image point lies on the instance.
   * @param {number} x
   * @param {number} y
   */
  contains(x, y) {
    if (this.runs !== null) return containsPixel(this.runs, Math.floor(x), Math.floor(y));
    const [x1, y1, x2, y2] = this.instanceBox;
    return x >= x1 && x < x2 && y >= y1 && y < y2;
  }

  /** @param {Instance} instance */
  fits(instance) {
    return this.counts === (instance.rle?.counts ?? null) && this.instanceBox.every((v, i) => v === instance.box[i]);
  }
}

/**
 * The mask's runs; null where there is none, or (said in the console) none that can be read.
 * @param {Instance} instance
 * @returns {Runs | null}
 */
function readRuns(instance) {
  if (instance.rle === null) return null;
  try {
    return decodeRle(instance.rle);
  } catch (error) {
    console.warn(`instance ${instance.id}: only its box is shown:`, error);
    return null;
  }
}

/**
 * @param {Int32Array[]} rings
 * @param {number} tolerance
 */
function makePath(rings, tolerance) {
  const path = new Path2D();
  for (const ring of rings) {
    const points = tolerance > 0 ? simplifyRing(ring, tolerance) : ring;
    path.moveTo(points[0], points[1]);
    for (let i = 2; i < points.length; i += 2) path.lineTo(points[i], points[i + 1]);
    path.closePath();
  }
  return path;
}

/**
 * @param {readonly number[]} a
 * @param {readonly number[]} b
 */
function unionBox(a, b) {
  return [Math.min(a[0], b[0]), Math.min(a[1], b[1]), Math.max(a[2], b[2]), Math.max(a[3], b[3])];
}

/** The shapes of one image by instance id. */
export class ShapeCache {
  constructor() {
    /** @type {Map<number, Shape>} */
    this.shapes = new Map();
    this.imageKey = "";
    /** @type {Instance[]} still to be read */
    this.waiting = [];
    /** @type {Map<string, Map<number, Shape>>} of other images that may be shown soon, by their keys */
    this.ahead = new Map();
  }

  /**
   * Of all images other than the present one, keep the shapes of these only.
   * @param {Set<string>} imageKeys
   */
  keep(imageKeys) {
    for (const key of this.ahead.keys()) if (!imageKeys.has(key)) this.ahead.delete(key);
    for (const key of imageKeys) if (!this.ahead.has(key)) this.ahead.set(key, new Map());
  }

  /**
   * Read instances of an image that is to be kept, for at most this many milliseconds.
   * @param {string} imageKey
   * @param {Instance[]} instances
   * @param {number} budget
   * @param {number} density screen pixels per image pixel at which they will be drawn
   * @returns {boolean} whether all are read
   */
  prepare(imageKey, instances, budget, density) {
    const shapes = this.ahead.get(imageKey);
    if (shapes === undefined || imageKey === this.imageKey) return true;
    const end = performance.now() + budget;
    for (const instance of instances) {
      if (shapes.get(instance.id)?.fits(instance)) continue;
      if (performance.now() >= end) return false;
      const shape = new Shape(instance);
      shape.path(density);
      shapes.set(instance.id, shape);
    }
    return true;
  }

  /**
   * Keep the shapes that still hold, forget the others, and line up the new ones.
   * @param {string} imageKey
   * @param {Instance[]} instances
   */
  expect(imageKey, instances) {
    if (this.imageKey !== imageKey && this.ahead.has(this.imageKey)) this.ahead.set(this.imageKey, this.shapes);
    const old = this.imageKey === imageKey ? this.shapes : (this.ahead.get(imageKey) ?? new Map());
    this.imageKey = imageKey;
    this.shapes = new Map();
    this.waiting = [];
    for (const instance of instances) {
      const shape = old.get(instance.id);
      if (shape?.fits(instance)) this.shapes.set(instance.id, shape);
      else this.waiting.push(instance);
    }
  }

  /**
   * Read waiting instances for at most this many milliseconds.
   * @param {number} budget
   * @returns {boolean} whether anything was read
   */
  readSome(budget) {
    const end = performance.now() + budget;
    let at = 0;
    while (at < this.waiting.length && (at === 0 || performance.now() < end)) {
      this.shapes.set(this.waiting[at].id, new Shape(this.waiting[at]));
      at += 1;
    }
    this.waiting.splice(0, at);
    return at > 0;
  }

  /** @param {number} id */
  get(id) {
    return this.shapes.get(id);
  }

  /**
   * The smallest of the given instances at an image point.
   * @param {Instance[]} instances
   * @param {number} x
   * @param {number} y
   * @returns {Instance | null}
   */
  topmostAt(instances, x, y) {
    /** @type {Instance | null} */
    let best = null;
    let least = Infinity;
    for (const instance of instances) {
      const shape = this.shapes.get(instance.id);
      if (shape !== undefined && shape.area < least && shape.contains(x, y)) {
        best = instance;
        least = shape.area;
      }
    }
    return best;
  }
}
