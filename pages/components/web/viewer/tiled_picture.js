// A picture of any size, in square tiles of many levels: only those in view are fetched, of the level that has a pixel
// for each on the screen. Until they are there, what is known of coarser ones is drawn in their place.
//
// It has the same face as `Picture`, in whose place the viewer draws it.

import { setAwaited } from "../lib/awaited.js";
import { serverUrl } from "../lib/serving.js";
import { TonedPicture } from "./toned_picture.js";

/** @typedef {import("../lib/geometry.js").View} View */
/** @typedef {import("../lib/geometry.js").Size} Size */
/** @typedef {{level: number, row: number, column: number}} Place */

/** @typedef {{url: string, size: number, levels: number}} Tiles where they are, their side in pixels, how many levels */

/** From this many screen pixels per image pixel on, pixels are drawn as squares. */
const SQUARE_PIXELS_FROM = 3;
/** A level is fine enough if it has so many pixels for one of the screen. */
const FINE_ENOUGH = 0.85;
/** Tiles that are fetched at the same time: a browser has six lines to a server. */
const AT_ONCE = 6;
/** Tiles that are kept: a megabyte each. */
const KEPT = 160;
/** Until a tile that was not made yet is asked for again (ms). */
const AGAIN = 400;
/** How often a tile that fails is asked for again. */
const TRIES = 3;

/** @param {Place} place */
export function keyOf({ level, row, column }) {
  return `${level}/${column}_${row}`;
}

/**
 * The level to draw: the coarsest that is fine enough.
 * @param {number} density device pixels per image pixel
 * @param {number} levels
 */
export function levelFor(density, levels) {
  const wanted = Math.floor(Math.log2(1 / (density * FINE_ENOUGH)));
  return Math.max(0, Math.min(levels - 1, wanted));
}

/**
 * The tiles of a level that are in view, those in the middle first.
 * @param {number} level
 * @param {number} side of a tile in its own pixels
 * @param {Size} image
 * @param {View} view
 * @param {Size} stage
 * @returns {Place[]}
 */
export function tilesInView(level, side, image, view, stage) {
  const span = side * 2 ** level;
  const first = (/** @type {number} */ offset) => Math.max(0, Math.floor(-offset / view.scale / span));
  const last = (/** @type {number} */ offset, /** @type {number} */ room, /** @type {number} */ length) =>
    Math.min(Math.ceil(length / span), Math.ceil((room - offset) / view.scale / span)) - 1;
  const middle = [
    (stage.width / 2 - view.x) / view.scale / span - 0.5,
    (stage.height / 2 - view.y) / view.scale / span - 0.5,
  ];
  /** @type {Place[]} */
  const places = [];
  const columns = [first(view.x), last(view.x, stage.width, image.width)];
  const rows = [first(view.y), last(view.y, stage.height, image.height)];
  for (let row = rows[0]; row <= rows[1]; row += 1) {
    for (let column = columns[0]; column <= columns[1]; column += 1) places.push({ level, row, column });
  }
  const way = (/** @type {Place} */ one) => (one.column - middle[0]) ** 2 + (one.row - middle[1]) ** 2;
  return places.sort((a, b) => way(a) - way(b));
}

/** The tiles that have been fetched, and those on their way. */
export class TileStore {
  /**
   * @param {Tiles} tiles
   * @param {() => void} onChange called when there is something new to draw
   */
  constructor(tiles, onChange) {
    this.tiles = tiles;
    this.onChange = onChange;
    /** @type {Map<string, ImageBitmap>} the least recently drawn first */
    this.there = new Map();
    /** @type {Map<string, AbortController>} */
    this.coming = new Map();
    /** @type {Map<string, number>} how often each has failed */
    this.failures = new Map();
    /** @type {Place[]} the most wanted first */
    this.wanted = [];
    this.timer = 0;
    this.closed = false;
  }

  /** Whether a tile will not come. @param {Place} place */
  hasFailed(place) {
    return (this.failures.get(keyOf(place)) ?? 0) >= TRIES;
  }

  /** @param {Place} place */
  get(place) {
    const key = keyOf(place);
    const bitmap = this.there.get(key);
    if (bitmap === undefined) return undefined;
    this.there.delete(key); // and to the end: it was drawn last
    this.there.set(key, bitmap);
    return bitmap;
  }

  /** Fetch these and no others. @param {Place[]} places the most wanted first */
  want(places) {
    this.wanted = places.filter((place) => !this.there.has(keyOf(place)) && !this.hasFailed(place));
    const keys = new Set(this.wanted.map(keyOf));
    for (const [key, leave] of this.coming) if (!keys.has(key)) leave.abort();
    this.fetchSome();
  }

  fetchSome() {
    for (const place of this.wanted) {
      if (this.coming.size >= AT_ONCE || this.closed) return;
      if (!this.coming.has(keyOf(place)) && !this.there.has(keyOf(place))) void this.fetch(place);
    }
  }

  /** @param {Place} place */
  async fetch(place) {
    const key = keyOf(place);
    const leave = new AbortController();
    this.coming.set(key, leave);
    try {
      const answer = await fetch(serverUrl(`${this.tiles.url}${key}.jpg`), { signal: leave.signal });
      if (answer.status === 503) {
        this.fetchLater(key);
        return;
      }
      if (!answer.ok) throw new Error(`${answer.status}`);
      const bitmap = await createImageBitmap(await answer.blob());
      if (this.closed) bitmap.close();
      else this.put(key, bitmap);
    } catch {
      if (!leave.signal.aborted) this.failures.set(key, (this.failures.get(key) ?? 0) + 1);
    } finally {
      if (this.coming.get(key) === leave) this.coming.delete(key);
    }
    if (this.closed) return;
    this.wanted = this.wanted.filter((one) => !this.there.has(keyOf(one)) && !this.hasFailed(one));
    this.fetchSome();
    this.onChange();
  }

  /** It is not made yet: others may be. @param {string} key */
  fetchLater(key) {
    this.wanted = this.wanted.filter((place) => keyOf(place) !== key);
    if (this.timer !== 0) return;
    this.timer = window.setTimeout(() => {
      this.timer = 0;
      this.onChange(); // what is in view is wanted anew
    }, AGAIN);
  }

  /** @param {string} key @param {ImageBitmap} bitmap */
  put(key, bitmap) {
    this.there.set(key, bitmap);
    for (const [old, one] of this.there) {
      if (this.there.size <= KEPT) break;
      this.there.delete(old);
      one.close();
    }
  }

  close() {
    this.closed = true;
    clearTimeout(this.timer);
    for (const leave of this.coming.values()) leave.abort();
    for (const bitmap of this.there.values()) bitmap.close();
    this.there.clear();
  }
}

export class TiledPicture {
  /** @param {() => void} onChange called when there is something new to draw */
  constructor(onChange) {
    this.onChange = onChange;
    /** @type {TileStore | null} */
    this.store = null;
    this.size = { width: 1, height: 1 };
    this.toned = new TonedPicture();
    /** @type {unknown[]} another one whenever there are other tiles */
    this.version = [];
    /** Whether all tiles that were last drawn are of the wanted level. */
    this.sharp = false;
  }

  /** The one tile of the coarsest level, which is there all the time. @returns {Place} */
  get whole() {
    return { level: (this.store?.tiles.levels ?? 1) - 1, row: 0, column: 0 };
  }

  /** @returns {"empty" | "loading" | "ready" | "failed"} */
  get status() {
    if (this.store === null) return "empty";
    if (this.store.there.size > 0) return "ready";
    return this.store.hasFailed(this.whole) ? "failed" : "loading";
  }

  /** Whether there is nothing to draw. */
  get isEmpty() {
    return this.store === null || this.store.there.size === 0;
  }

  /** Whether what was drawn last will stay as it is. @param {number} _density */
  isSharp(_density) {
    return this.sharp;
  }

  /**
   * Show another picture.
   * @param {Tiles} tiles
   * @param {Size} size
   */
  load(tiles, size) {
    this.size = size;
    if (this.store?.tiles.url === tiles.url && this.status !== "failed") return;
    this.store?.close();
    this.sharp = false;
    this.version = [];
    this.store = new TileStore(tiles, () => {
      this.version = [];
      setAwaited(this, this.status === "loading");
      this.onChange();
    });
    this.store.want([this.whole]);
    setAwaited(this, true);
  }

  /** Nothing is read ahead: each picture has thousands of tiles. @param {string[]} _urls */
  prefetch(_urls) {}

  clear() {
    this.store?.close();
    this.store = null;
    setAwaited(this, false);
  }

  /**
   * Draw what falls on the stage; `ratio` is device pixels per CSS pixel.
   * @param {CanvasRenderingContext2D} context
   * @param {View} view
   * @param {Size} stage
   * @param {number} ratio
   * @param {Uint8ClampedArray | null} [tones] what becomes of each value of a channel
   */
  draw(context, view, stage, ratio, tones = null) {
    if (this.store === null) return;
    const { tiles } = this.store;
    const level = levelFor(view.scale * ratio, tiles.levels);
    const places = tilesInView(level, tiles.size, this.size, view, stage);
    const missing = places.filter((place) => !this.store?.there.has(keyOf(place)) && !this.store?.hasFailed(place));
    this.sharp = missing.length === 0;
    this.store.want(this.store.there.has(keyOf(this.whole)) ? missing : [this.whole, ...missing]);
    if (this.isEmpty) return;
    const drawPlain = (/** @type {CanvasRenderingContext2D} */ own) => this.drawTiles(own, places, view, ratio);
    if (tones === null) drawPlain(context);
    else this.toned.draw(context, this.version, [view, stage, ratio, tones], drawPlain);
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {Place[]} places
   * @param {View} view
   * @param {number} ratio
   */
  drawTiles(context, places, view, ratio) {
    const { store } = this;
    if (store === null) return;
    store.get(this.whole); // it is kept
    const density = view.scale * ratio;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.imageSmoothingQuality = "low";
    for (const place of places) {
      const found = this.nearest(place);
      if (found === null) continue;
      const { bitmap, at } = found;
      const side = store.tiles.size;
      const step = 2 ** (at.level - place.level);
      // The part of the coarser tile that this one is, in that tile's pixels.
      const sx = ((place.column % step) * side) / step;
      const sy = ((place.row % step) * side) / step;
      const sw = Math.min(side / step, bitmap.width - sx);
      const sh = Math.min(side / step, bitmap.height - sy);
      if (sw <= 0 || sh <= 0) continue;
      // Edges on whole device pixels: between neighbours there is no seam.
      const [x1, y1, x2, y2] = this.edges(place, view, ratio);
      context.imageSmoothingEnabled = density * 2 ** at.level < SQUARE_PIXELS_FROM;
      context.drawImage(bitmap, sx, sy, sw, sh, x1, y1, x2 - x1, y2 - y1);
    }
  }

  /**
   * A tile's edges on the stage in device pixels.
   * @param {Place} place
   * @param {View} view
   * @param {number} ratio
   */
  edges({ level, row, column }, view, ratio) {
    const span = (this.store?.tiles.size ?? 1) * 2 ** level;
    const on = (/** @type {number} */ side, /** @type {number} */ full, /** @type {number} */ offset) =>
      Math.round((Math.min(side, full) * view.scale + offset) * ratio);
    return [
      on(column * span, this.size.width, view.x),
      on(row * span, this.size.height, view.y),
      on((column + 1) * span, this.size.width, view.x),
      on((row + 1) * span, this.size.height, view.y),
    ];
  }

  /**
   * The tile itself, or the finest that is there of those that it is a part of.
   * @param {Place} place
   * @returns {{bitmap: ImageBitmap, at: Place} | null}
   */
  nearest(place) {
    const { store } = this;
    if (store === null) return null;
    for (let level = place.level; level < store.tiles.levels; level += 1) {
      const by = level - place.level;
      const at = { level, row: place.row >> by, column: place.column >> by };
      const bitmap = store.get(at);
      if (bitmap !== undefined) return { bitmap, at };
    }
    return null;
  }
}
