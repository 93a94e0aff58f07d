// The scale bar: a length in micrometres that is as long on the screen as it says.

const SHARE = 0.25; // of the stage's width, at most
const LONGEST = 180; // CSS pixels
const STEPS = [5, 2, 1];

/**
 * @typedef {object} Bar
 * @property {number} length CSS pixels
 * @property {string} text
 */

/**
 * The longest round length that has room.
 * @param {number | null | undefined} micrometres that a pixel of the image is wide
 * @param {number} scale CSS pixels to a pixel of the image
 * @param {number} width of the stage in CSS pixels
 * @returns {Bar | null} null where the size of a pixel is unknown
 */
export function scaleBar(micrometres, scale, width) {
  if (!micrometres || scale <= 0 || width <= 0) return null;
  const each = micrometres / scale; // micrometres to a CSS pixel
  const room = each * Math.min(LONGEST, SHARE * width);
  const power = Math.floor(Math.log10(room));
  const step = STEPS.find((one) => one * 10 ** power <= room) ?? 1;
  const length = step * 10 ** power;
  return { length: length / each, text: lengthText(step, power) };
}

/**
 * @param {number} step
 * @param {number} power of ten, in micrometres
 */
function lengthText(step, power) {
  if (power >= 3) return `${step * 10 ** (power - 3)} mm`;
  if (power >= 0) return `${step * 10 ** power} µm`;
  return power >= -3 ? `${step * 10 ** (power + 3)} nm` : `${step * 10 ** (power + 6)} pm`;
}

/**
 * Show it, or hide it.
 * @param {HTMLElement} element
 * @param {Bar | null} bar
 */
export function showScaleBar(element, bar) {
  element.hidden = bar === null;
  if (bar === null) return;
  element.style.width = `${bar.length}px`;
  if (element.textContent !== bar.text) element.textContent = bar.text;
}
