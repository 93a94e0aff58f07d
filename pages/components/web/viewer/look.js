// How the picture is looked at: brighter, with more contrast, inverted, turned, with a grid or cross lines over it. It is
// the view that changes, and never the file: what is drawn, stored and exported knows nothing of it. No screen.

/**
 * @typedef {object} Look
 * @property {number} brightness added, as a share of the whole range, from -1 to 1
 * @property {number} contrast about the middle of the range, from 0.2 to 5
 * @property {number} gamma from 0.2 to 5; above 1 the dark parts become brighter
 * @property {boolean} invert
 * @property {boolean} grid
 * @property {boolean} crosshair
 * @property {0 | 1 | 2 | 3} turns quarter turns, clockwise
 */

/** @type {Look} */
export const PLAIN = { brightness: 0, contrast: 1, gamma: 1, invert: false, grid: false, crosshair: false, turns: 0 };

/** Least and most. @type {Record<"brightness" | "contrast" | "gamma", [number, number]>} */
export const RANGES = { brightness: [-1, 1], contrast: [0.2, 5], gamma: [0.2, 5] };

/**
 * A look as the browser kept it; what does not hold is plain.
 * @param {string | null} text
 * @returns {Look}
 */
export function readLook(text) {
  /** @type {any} */
  let kept = null;
  try {
    kept = JSON.parse(text ?? "null");
  } catch {
    // somebody else's, or damaged
  }
  const look = { ...PLAIN };
  for (const name of /** @type {const} */ (["brightness", "contrast", "gamma"])) {
    const [least, most] = RANGES[name];
    const value = kept?.[name];
    if (typeof value === "number" && value >= least && value <= most) look[name] = value;
  }
  for (const name of /** @type {const} */ (["invert", "grid", "crosshair"])) {
    if (typeof kept?.[name] === "boolean") look[name] = kept[name];
  }
  if ([0, 1, 2, 3].includes(kept?.turns)) look.turns = kept.turns;
  return look;
}

/**
 * What becomes of each value of a channel; null where all stay as they are.
 * @param {Look} look
 * @returns {Uint8ClampedArray | null} 256 values
 */
export function toneTable({ brightness, contrast, gamma, invert }) {
  if (brightness === 0 && contrast === 1 && gamma === 1 && !invert) return null;
  const table = new Uint8ClampedArray(256);
  for (let value = 0; value < 256; value += 1) {
    const bent = (value / 255) ** (1 / gamma);
    const seen = Math.min(1, Math.max(0, (bent - 0.5) * contrast + 0.5 + brightness));
    table[value] = Math.round(255 * (invert ? 1 - seen : seen));
  }
  return table;
}

/** Whether red, which comes first in memory, is a pixel's lowest byte; browsers run on hardly any other machine. */
const IS_LITTLE = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1;

/** A byte at a time. @param {Uint8ClampedArray} data @param {Uint8ClampedArray} table */
function applyToBytes(data, table) {
  for (let at = 0; at < data.length; at += 1) if (at % 4 < 3) data[at] = table[data[at]];
}

/**
 * Change colours in place; how far a pixel covers what is behind it stays.
 * @param {Uint8ClampedArray} data red, green, blue and alpha of each pixel
 * @param {Uint8ClampedArray} table
 */
export function applyTones(data, table) {
  if (!IS_LITTLE) {
    applyToBytes(data, table);
    return;
  }
  // While the view moves, this is done for every frame: a whole pixel at a time takes half the time.
  const pixels = new Int32Array(data.buffer, data.byteOffset, data.length / 4);
  const [low, middle, high] = [0, 8, 16].map((shift) => Int32Array.from(table, (value) => value << shift));
  for (let at = 0; at < pixels.length; at += 1) {
    const pixel = pixels[at];
    pixels[at] = (pixel & 0xff000000) | low[pixel & 255] | middle[(pixel >> 8) & 255] | high[(pixel >> 16) & 255];
  }
}

/** Lines of a grid are at least so far apart (CSS pixels). */
const GRID_APART = 32;

/**
 * How many pixels of the image lie between two lines of the grid: 1, 2 or 5 times a power of ten.
 * @param {number} scale CSS pixels for each pixel of the image
 */
export function gridStep(scale) {
  let step = 1;
  for (let turn = 0; step * scale < GRID_APART; turn += 1) step *= turn % 3 === 1 ? 2.5 : 2;
  return step;
}

/**
 * A point of the stage as the turned picture has it, which is drawn as if it were upright.
 * @param {readonly [number, number]} point in CSS pixels of the stage
 * @param {number} turns quarter turns, clockwise
 * @param {{width: number, height: number}} stage
 * @returns {[number, number]}
 */
export function unturned([x, y], turns, { width, height }) {
  if (turns === 1) return [y, width - x];
  if (turns === 2) return [width - x, height - y];
  if (turns === 3) return [height - y, x];
  return [x, y];
}

/**
 * The way back: where a point of the upright drawing is on the stage.
 * @param {readonly [number, number]} point
 * @param {number} turns
 * @param {{width: number, height: number}} stage
 * @returns {[number, number]}
 */
export function turned([x, y], turns, { width, height }) {
  if (turns === 1) return [width - y, x];
  if (turns === 2) return [width - x, height - y];
  if (turns === 3) return [y, height - x];
  return [x, y];
}

/**
 * A way on the stage as the turned picture has it.
 * @param {readonly [number, number]} way
 * @param {number} turns
 * @returns {[number, number]}
 */
export function unturnedWay([dx, dy], turns) {
  const [x, y] = unturned([dx, dy], turns, { width: 0, height: 0 });
  return [x + 0, y + 0]; // no negative zero
}

/**
 * How a layer is put on the stage so that its upright drawing is seen turned.
 * @param {number} turns
 * @param {{width: number, height: number}} stage
 */
export function turningStyle(turns, { width, height }) {
  if (turns === 1) return `translate(${width}px, 0px) rotate(90deg)`;
  if (turns === 2) return `translate(${width}px, ${height}px) rotate(180deg)`;
  if (turns === 3) return `translate(0px, ${height}px) rotate(270deg)`;
  return "none";
}
