// The view: how image pixels land on the stage, in CSS pixels. screen = image * scale + offset.

/** @typedef {{scale: number, x: number, y: number}} View */
/** @typedef {{width: number, height: number}} Size */

const FIT_MARGIN = 10;
const MAX_SCALE = 40;
/** Nothing is magnified more than so to look at a small box. */
const MAX_FOCUS_SCALE = 6;
/** This many CSS pixels of the image always stay on the stage. */
const KEEP_VISIBLE = 56;

/**
 * The largest view that shows the whole image, centred.
 * @param {Size} image
 * @param {Size} stage
 * @returns {View}
 */
export function fitView(image, stage) {
  const wide = Math.max(1, stage.width - 2 * FIT_MARGIN) / image.width;
  const high = Math.max(1, stage.height - 2 * FIT_MARGIN) / image.height;
  const scale = Math.min(wide, high, MAX_SCALE);
  return { scale, x: (stage.width - image.width * scale) / 2, y: (stage.height - image.height * scale) / 2 };
}

/**
 * The least and greatest scale allowed: from half of "fit" (never above 1:1) up to 40 screen pixels each.
 * @param {Size} image
 * @param {Size} stage
 */
export function scaleLimits(image, stage) {
  const fit = fitView(image, stage).scale;
  return { least: Math.min(fit / 2, 1), most: MAX_SCALE };
}

/**
 * The view with another scale that keeps the image point under (x, y) where it is.
 * @param {View} view
 * @param {number} scale
 * @param {number} x
 * @param {number} y
 * @returns {View}
 */
export function zoomAt(view, scale, x, y) {
  const ratio = scale / view.scale;
  return { scale, x: x - (x - view.x) * ratio, y: y - (y - view.y) * ratio };
}

/**
 * The view moved back as far as needed to keep a part of the image on the stage.
 * @param {View} view
 * @param {Size} image
 * @param {Size} stage
 * @returns {View}
 */
export function clampView(view, image, stage) {
  const limit = (/** @type {number} */ offset, /** @type {number} */ length, /** @type {number} */ room) => {
    const keep = Math.min(KEEP_VISIBLE, length, room);
    return Math.min(room - keep, Math.max(keep - length, offset));
  };
  return {
    scale: view.scale,
    x: limit(view.x, image.width * view.scale, stage.width),
    y: limit(view.y, image.height * view.scale, stage.height),
  };
}

/**
 * @param {View} view
 * @param {number} x
 * @param {number} y
 * @returns {[number, number]}
 */
export function screenToImage(view, x, y) {
  return [(x - view.x) / view.scale, (y - view.y) / view.scale];
}

/**
 * A box of the image on the stage, as x1, y1, x2, y2.
 * @param {View} view
 * @param {readonly number[]} box
 * @returns {[number, number, number, number]}
 */
export function boxToScreen(view, box) {
  const { scale, x, y } = view;
  return [box[0] * scale + x, box[1] * scale + y, box[2] * scale + x, box[3] * scale + y];
}

/**
 * The view moved so that the box is on the stage, or the same view if enough of it is there already.
 * A box larger than the stage is centred.
 * @param {View} view
 * @param {readonly number[]} box
 * @param {Size} stage
 * @returns {View}
 */
export function panIntoView(view, box, stage) {
  const [x1, y1, x2, y2] = boxToScreen(view, box);
  const shift = (/** @type {number} */ from, /** @type {number} */ to, /** @type {number} */ room) => {
    const margin = Math.min(32, room / 8);
    if (to - from > room - 2 * margin) {
      return to < room / 3 || from > (2 * room) / 3 ? room / 2 - (from + to) / 2 : 0;
    }
    if (from < margin) return margin - from;
    return to > room - margin ? room - margin - to : 0;
  };
  const dx = shift(x1, x2, stage.width);
  const dy = shift(y1, y2, stage.height);
  return dx === 0 && dy === 0 ? view : { scale: view.scale, x: view.x + dx, y: view.y + dy };
}

/**
 * A box in the middle of the stage with its surroundings: on each side as much again as the box, and more
 * around small ones. Never smaller than the whole image.
 * @param {Size} image
 * @param {Size} stage
 * @param {readonly number[]} box
 * @returns {View}
 */
export function focusView(image, stage, box) {
  const whole = fitView(image, stage).scale;
  const wide = Math.max(1, box[2] - box[0]) * 3;
  const high = Math.max(1, box[3] - box[1]) * 3;
  const scale = Math.max(whole, Math.min(stage.width / wide, stage.height / high, Math.max(whole, MAX_FOCUS_SCALE)));
  const x = stage.width / 2 - ((box[0] + box[2]) / 2) * scale;
  const y = stage.height / 2 - ((box[1] + box[3]) / 2) * scale;
  return clampView({ scale, x, y }, image, stage);
}

/**
 * @param {readonly number[]} a x1, y1, x2, y2
 * @param {readonly number[]} b
 */
export function boxesMeet(a, b) {
  return a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3];
}

/**
 * Join rectangles that meet until none do.
 * @param {number[][]} boxes
 * @returns {number[][]}
 */
export function mergeBoxes(boxes) {
  /** @type {number[][]} */
  const merged = [];
  for (const box of boxes) {
    let grown = box;
    for (let i = 0; i < merged.length;) {
      const other = merged[i];
      if (boxesMeet(grown, other)) {
        grown = [
          Math.min(grown[0], other[0]),
          Math.min(grown[1], other[1]),
          Math.max(grown[2], other[2]),
          Math.max(grown[3], other[3]),
        ];
        merged.splice(i, 1);
        i = 0;
      } else i += 1;
    }
    merged.push(grown);
  }
  return merged;
}

/**
 * The part two rectangles share; it has no area where they do not meet.
 * @param {readonly number[]} a
 * @param {readonly number[]} b
 */
export function overlapOf(a, b) {
  return [Math.max(a[0], b[0]), Math.max(a[1], b[1]), Math.min(a[2], b[2]), Math.min(a[3], b[3])];
}

/**
 * Width times height, 0 for a rectangle that ends before it begins.
 * @param {readonly number[]} box
 */
export function areaOf(box) {
  return Math.max(0, box[2] - box[0]) * Math.max(0, box[3] - box[1]);
}

/**
 * Whether the inner rectangle lies wholly in the outer one.
 * @param {readonly number[]} outer
 * @param {readonly number[]} inner
 */
export function holds(outer, inner) {
  return outer[0] <= inner[0] && outer[1] <= inner[1] && outer[2] >= inner[2] && outer[3] >= inner[3];
}

/**
 * What a rectangle has beyond a part of it, as rectangles that do not meet.
 * @param {number[]} part lies in the whole, or has no area
 * @param {number[]} whole
 * @returns {number[][]}
 */
export function partsOutside(part, whole) {
  if (areaOf(part) === 0) return [whole];
  const [x1, y1, x2, y2] = part;
  return [
    [whole[0], whole[1], whole[2], y1],
    [whole[0], y2, whole[2], whole[3]],
    [whole[0], y1, x1, y2],
    [x2, y1, whole[2], y2],
  ].filter((rest) => areaOf(rest) > 0);
}
