// Which instances are in a part of the picture, of tens of thousands, without a look at each.

import { boxesMeet } from "../lib/geometry.js";

/** @typedef {import("./layer.js").Item} Item */

/** Cells along the longer side. */
const CELLS = 64;
/** With fewer, looking at each is as fast. */
const WORTH_IT = 512;

/** @type {WeakMap<Item[], ItemIndex>} */
const indexes = new WeakMap();

/** The index of items that stay as they are. @param {Item[]} items */
export function indexOf(items) {
  const known = indexes.get(items);
  if (known !== undefined) return known;
  const index = new ItemIndex(items);
  indexes.set(items, index);
  return index;
}

/** A grid over the instances' extents; it keeps their order. */
export class ItemIndex {
  /** @param {Item[]} items */
  constructor(items) {
    this.items = items;
    /** @type {Map<number, number[]> | null} places in `items`, by cell */
    this.cells = null;
    this.side = 1;
    this.left = 0;
    this.top = 0;
    /** @type {number[]} places of those that reach over many cells */
    this.large = [];
    if (items.length >= WORTH_IT) this.build();
  }

  build() {
    let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
    for (const { shape } of this.items) {
      const [x1, y1, x2, y2] = shape.extent;
      left = Math.min(left, x1);
      top = Math.min(top, y1);
      right = Math.max(right, x2);
      bottom = Math.max(bottom, y2);
    }
    this.side = Math.max(1, Math.max(right - left, bottom - top) / CELLS);
    Object.assign(this, { left, top, cells: new Map() });
    this.items.forEach(({ shape }, place) => {
      const [x1, y1, x2, y2] = this.cellsOf(shape.extent);
      if ((x2 - x1 + 1) * (y2 - y1 + 1) > CELLS) this.large.push(place);
      else this.each([x1, y1, x2, y2], (cell) => this.put(cell, place));
    });
  }

  /** @param {number} cell @param {number} place */
  put(cell, place) {
    const there = this.cells?.get(cell);
    if (there === undefined) this.cells?.set(cell, [place]);
    else there.push(place);
  }

  /** The first and last column and row of the cells that a box touches. @param {readonly number[]} box */
  cellsOf([x1, y1, x2, y2]) {
    const on = (/** @type {number} */ value, /** @type {number} */ from) =>
      Math.max(0, Math.min(CELLS, Math.floor((value - from) / this.side)));
    return [on(x1, this.left), on(y1, this.top), on(x2, this.left), on(y2, this.top)];
  }

  /** @param {number[]} cells @param {(cell: number) => void} visit */
  each([x1, y1, x2, y2], visit) {
    for (let y = y1; y <= y2; y += 1) for (let x = x1; x <= x2; x += 1) visit(y * (CELLS + 1) + x);
  }

  /**
   * Those whose extent meets a box, in their order.
   * @param {readonly number[]} box in pixels of the image
   * @returns {Item[]}
   */
  within(box) {
    const { cells, items } = this;
    if (cells === null) return items.filter(({ shape }) => boxesMeet(shape.extent, box));
    const range = this.cellsOf(box);
    if ((range[2] - range[0] + 1) * (range[3] - range[1] + 1) > (CELLS * CELLS) / 2) {
      return items.filter(({ shape }) => boxesMeet(shape.extent, box));
    }
    /** @type {Set<number>} */
    const places = new Set(this.large);
    this.each(range, (cell) => cells.get(cell)?.forEach((place) => places.add(place)));
    return [...places]
      .filter((place) => boxesMeet(items[place].shape.extent, box))
      .sort((a, b) => a - b)
      .map((place) => items[place]);
  }
}
