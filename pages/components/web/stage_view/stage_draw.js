// Draws a stage's picture and its layers on a canvas.

import { boxToScreen } from "../lib/geometry.js";
import { boxOverlap } from "./boxes.js";

/** @typedef {import("../lib/geometry.js").View} View */
/** @typedef {import("./stage_state.js").Layer} Layer */
/** @typedef {import("./stage_state.js").StageState} StageState */

const PASSES = "#2ca02c";
const FAILS = "#d62728";
const PALE = 0.4;
const DRAGGED = ["#1f77b4", "#ff7f0e"];
const HANDLE = 4;
const HALO = "rgba(0, 0, 0, 0.55)";
const ARROW = 7;
const LABEL = 17;
const FONT = "600 12px system-ui, sans-serif";

/**
 * @param {CanvasRenderingContext2D} context in CSS pixels
 * @param {StageState} state
 * @param {View} view
 * @param {(url: string) => CanvasImageSource | null} pictureOf
 */
export function drawStage(context, state, view, pictureOf) {
  const { message } = state;
  if (message === null) return;
  const whole = boxToScreen(view, [0, 0, message.width, message.height]);
  const sides = [Math.max(whole[0], 0), Math.min(whole[2], context.canvas.clientWidth)];
  drawPicture(context, pictureOf(message.url), whole, message.smooth, 1);
  for (const layer of message.layers) drawLayer(context, state, view, layer, pictureOf, sides);
  state.boxes.forEach((box, index) => {
    const at = boxToScreen(view, box);
    drawBox(context, at, DRAGGED[index % 2], 3, false);
    for (const x of [at[0], at[2]]) for (const y of [at[1], at[3]]) drawHandle(context, x, y, DRAGGED[index % 2]);
    // the second one's below it, as the two often overlap
    const y = index === 0 ? at[1] : at[3] + LABEL;
    drawLabel(context, labelPlace(context, at[0], y, message.boxNames[index] ?? "", sides), DRAGGED[index % 2]);
  });
  if (state.drawn !== null) drawBox(context, boxToScreen(view, state.drawn), "#ffd700", 3, true);
  if (state.point !== null) {
    const [x, y] = boxToScreen(view, [state.point[0], state.point[1], state.point[0], state.point[1]]);
    drawHandle(context, x, y, "#ffd700");
  }
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {StageState} state
 * @param {View} view
 * @param {Layer} layer
 * @param {(url: string) => CanvasImageSource | null} pictureOf
 * @param {number[]} sides of the picture on the screen, left and right: what is drawn beyond them is not seen
 */
function drawLayer(context, state, view, layer, pictureOf, sides) {
  if (layer.kind === "picture") {
    const at = boxToScreen(view, layer.box ?? [0, 0, 0, 0]);
    const opacity = layer.faded ? state.value : (layer.opacity ?? 1);
    drawPicture(context, pictureOf(layer.url ?? ""), at, layer.smooth ?? false, opacity);
    return;
  }
  const items = layer.items ?? [];
  const colors = layer.colors ?? ["#ffffff"];
  const passes = layer.judged ? state.passes(layer) : null;
  const width = layer.width ?? 2;
  // from the last to the first, so that the best is on top; what does not pass, pale below all that does
  const order = Array.from({ length: state.shown(layer) }, (_, index) => index).reverse();
  if (passes !== null) order.sort((a, b) => Number(passes[a]) - Number(passes[b]));
  for (const index of order) {
    const color = passes === null ? colors[index % colors.length] : passes[index] ? PASSES : FAILS;
    context.globalAlpha = passes !== null && !passes[index] ? PALE : 1;
    const item = items[index];
    if (layer.kind === "points") {
      const [x, y] = boxToScreen(view, [item[0], item[1], item[0], item[1]]);
      context.fillStyle = color;
      context.beginPath();
      context.arc(x, y, width, 0, 2 * Math.PI);
      context.fill();
      continue;
    }
    const at = boxToScreen(view, item);
    if (layer.kind === "boxes") drawBox(context, at, color, passes?.[index] ? width + 1 : width, layer.dashed ?? false);
    else drawLine(context, at, color, width, layer.kind === "arrows", layer.dashed ?? false);
  }
  context.globalAlpha = 1;
  drawLabels(context, layer, view, colors, sides);
}

/**
 * The labels of a layer, the best first; one that would lie over another is left out.
 * @param {CanvasRenderingContext2D} context
 * @param {Layer} layer
 * @param {View} view
 * @param {string[]} colors
 * @param {number[]} sides
 */
function drawLabels(context, layer, view, colors, sides) {
  /** @type {Place[]} */
  const taken = [];
  (layer.labels ?? []).forEach((label, index) => {
    const item = layer.items?.[index];
    if (!label || item === undefined) return;
    const at = boxToScreen(view, item);
    const place = labelPlace(context, at[0], at[1], label, sides);
    if (taken.some((other) => boxOverlap(other.at, place.at).both > 0)) return;
    taken.push(place);
    drawLabel(context, place, colors[index % colors.length]);
  });
}

/**
 * Where a label lies: x1, y1, x2, y2 on the screen.
 * @typedef {{ text: string, at: number[] }} Place
 */

/**
 * A label's place at a corner, within the picture.
 * @param {CanvasRenderingContext2D} context
 * @param {number} x
 * @param {number} y
 * @param {string} text
 * @param {number[]} sides of the picture, left and right
 * @returns {Place}
 */
export function labelPlace(context, x, y, text, sides) {
  context.font = FONT;
  const width = context.measureText(text).width + 8;
  const left = Math.max(Math.min(x, sides[1] - width), sides[0]);
  const top = y > LABEL ? y - LABEL : y;
  return { text, at: [left, top, left + width, top + LABEL] };
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {CanvasImageSource | null} picture
 * @param {readonly number[]} at
 * @param {boolean} smooth
 * @param {number} opacity
 */
function drawPicture(context, picture, at, smooth, opacity) {
  if (picture === null) return;
  context.globalAlpha = opacity;
  context.imageSmoothingEnabled = smooth;
  context.imageSmoothingQuality = "high";
  context.drawImage(picture, at[0], at[1], at[2] - at[0], at[3] - at[1]);
  context.globalAlpha = 1;
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {readonly number[]} at
 * @param {string} color
 * @param {number} width
 * @param {boolean} dashed
 */
function drawBox(context, at, color, width, dashed) {
  context.setLineDash(dashed ? [6, 4] : []);
  if (width >= 2) {
    context.lineWidth = width + 2;
    context.strokeStyle = HALO;
    context.strokeRect(at[0], at[1], at[2] - at[0], at[3] - at[1]);
  }
  context.lineWidth = width;
  context.strokeStyle = color;
  context.strokeRect(at[0], at[1], at[2] - at[0], at[3] - at[1]);
  context.setLineDash([]);
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {readonly number[]} at
 * @param {string} color
 * @param {number} width
 * @param {boolean} isArrow
 * @param {boolean} dashed
 */
function drawLine(context, [x1, y1, x2, y2], color, width, isArrow, dashed) {
  context.setLineDash(dashed ? [6, 4] : []);
  context.strokeStyle = color;
  context.lineWidth = width;
  context.beginPath();
  context.moveTo(x1, y1);
  context.lineTo(x2, y2);
  if (isArrow && Math.hypot(x2 - x1, y2 - y1) > 1) {
    const angle = Math.atan2(y2 - y1, x2 - x1);
    for (const turn of [2.6, -2.6]) {
      context.moveTo(x2, y2);
      context.lineTo(x2 + ARROW * Math.cos(angle + turn), y2 + ARROW * Math.sin(angle + turn));
    }
  }
  context.stroke();
  context.setLineDash([]);
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {number} x
 * @param {number} y
 * @param {string} color
 */
function drawHandle(context, x, y, color) {
  context.fillStyle = color;
  context.strokeStyle = "#000000";
  context.lineWidth = 1;
  context.beginPath();
  context.arc(x, y, HANDLE, 0, 2 * Math.PI);
  context.fill();
  context.stroke();
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Place} place
 * @param {string} color
 */
function drawLabel(context, { text, at: [left, top, right] }, color) {
  if (text === "") return;
  context.fillStyle = "rgba(0, 0, 0, 0.75)";
  context.fillRect(left, top, right - left, LABEL);
  context.fillStyle = color;
  context.fillRect(left, top, 3, LABEL);
  context.fillStyle = "#ffffff";
  context.textBaseline = "middle";
  context.fillText(text, left + 6, top + LABEL / 2);
}
