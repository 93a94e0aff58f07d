// Arithmetic of boxes: areas, intersection over union, and what a drag does to one. Boxes are x1, y1, x2, y2.

/** @typedef {[number, number, number, number]} Box */
/** @typedef {{first: number, second: number, both: number, either: number, iou: number}} Overlap */
/** @typedef {"move" | "x1y1" | "x2y1" | "x1y2" | "x2y2"} Grip */

const CORNERS = /** @type {const} */ ([
  ["x1y1", 0, 1],
  ["x2y1", 2, 1],
  ["x1y2", 0, 3],
  ["x2y2", 2, 3],
]);

/**
 * The box with its first corner above and left of the second.
 * @param {readonly number[]} box
 * @returns {Box}
 */
export function inOrder([x1, y1, x2, y2]) {
  return [Math.min(x1, x2), Math.min(y1, y2), Math.max(x1, x2), Math.max(y1, y2)];
}

/** @param {readonly number[]} box */
export function boxArea([x1, y1, x2, y2]) {
  return Math.max(x2 - x1, 0) * Math.max(y2 - y1, 0);
}

/**
 * The areas of two boxes, of what they share and what they cover together, and the ratio of these two.
 * @param {readonly number[]} a
 * @param {readonly number[]} b
 * @returns {Overlap}
 */
export function boxOverlap(a, b) {
  const shared = [Math.max(a[0], b[0]), Math.max(a[1], b[1]), Math.min(a[2], b[2]), Math.min(a[3], b[3])];
  const first = boxArea(a);
  const second = boxArea(b);
  const both = boxArea(shared);
  const either = first + second - both;
  return { first, second, both, either, iou: either > 0 ? both / either : 0 };
}

/**
 * What of which box a pointer grips: a corner within reach, or the inside of the smallest box; null for nothing.
 * @param {readonly Box[]} boxes
 * @param {number} x
 * @param {number} y
 * @param {number} reach
 * @returns {{index: number, grip: Grip} | null}
 */
export function gripAt(boxes, x, y, reach) {
  let nearest = reach;
  /** @type {{index: number, grip: Grip} | null} */
  let found = null;
  boxes.forEach((box, index) => {
    for (const [grip, atX, atY] of CORNERS) {
      const distance = Math.hypot(box[atX] - x, box[atY] - y);
      if (distance <= nearest) {
        nearest = distance;
        found = { index, grip };
      }
    }
  });
  if (found !== null) return found;
  let least = Infinity;
  boxes.forEach((box, index) => {
    const inside = x >= box[0] && x <= box[2] && y >= box[1] && y <= box[3];
    if (inside && boxArea(box) < least) {
      least = boxArea(box);
      found = { index, grip: "move" };
    }
  });
  return found;
}

/**
 * The box after a drag by this much; it stays within the picture and keeps a pixel of width and height.
 * @param {Box} box
 * @param {Grip} grip
 * @param {number} dx
 * @param {number} dy
 * @param {{width: number, height: number}} size
 * @returns {Box}
 */
export function draggedBox(box, grip, dx, dy, size) {
  if (grip === "move") {
    const x = Math.min(Math.max(dx, -box[0]), size.width - box[2]);
    const y = Math.min(Math.max(dy, -box[1]), size.height - box[3]);
    return [box[0] + x, box[1] + y, box[2] + x, box[3] + y];
  }
  /** @type {Box} */
  const moved = [...box];
  const corner = CORNERS.find(([name]) => name === grip);
  if (corner === undefined) return moved;
  const [, atX, atY] = corner;
  const within = (/** @type {number} */ value, /** @type {number} */ least, /** @type {number} */ most) =>
    Math.min(Math.max(value, least), most);
  moved[atX] = atX === 0 ? within(box[0] + dx, 0, box[2] - 1) : within(box[2] + dx, box[0] + 1, size.width);
  moved[atY] = atY === 1 ? within(box[1] + dy, 0, box[3] - 1) : within(box[3] + dy, box[1] + 1, size.height);
  return moved;
}
