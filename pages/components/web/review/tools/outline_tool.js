// Outlines: the corners of a mask's edge, moved, added and taken away; and new ones, drawn corner by corner or in one
// go. The mask changes by exactly the pixels between the old line and the new one.

import { unturnedWay } from "../../viewer/look.js";
import { simplifyRing, traceRings } from "../../lib/contours.js";
import { Tool, snapToBorder } from "./stage_tools.js";

/** @typedef {import("../../viewer/viewer.js").Viewer} Viewer */
/** @typedef {import("../../lib/rle.js").Runs} Runs */
/** @typedef {import("../../viewer/state.js").Model} Model */
/** @typedef {import("./stage_tools.js").Place} Place */
/** @typedef {import("./stage_tools.js").Point} Point */
/** @typedef {{id: number, counts: string, runs: Runs, polygons?: number[][]}} Target */
/** @typedef {Point[]} Corners */

/** Coarser outlines (in pixels of the image) until few enough corners are left to move by hand. */
const TOLERANCES = [0.75, 1.5, 2, 3, 6, 12];
const MOST_CORNERS = 120;
/** The fewest corners, however small the ring is on the screen. */
const LEAST_CORNERS = 8;
/** Mean distance between corners (CSS pixels). */
const APART = 14;
/** How near the pointer has to be, in CSS pixels. */
const REACH = 8;
const COARSE_REACH = 18;
/** A line that is drawn in one go has a corner each time this many CSS pixels pass. */
const FREEHAND = 7;
const HANDLE = 3.5;

/** Twice the area within; negative around a hole. @param {Corners} ring */
export function signedArea(ring) {
  let sum = 0;
  for (let i = 0; i < ring.length; i += 1) {
    const [ax, ay] = ring[i];
    const [bx, by] = ring[(i + 1) % ring.length];
    sum += ax * by - bx * ay;
  }
  return sum;
}

/**
 * The rings of a mask with few enough corners to be moved by hand.
 * @param {Runs} runs
 * @param {number} scale CSS pixels for each pixel of the image
 * @returns {Corners[]}
 */
export function cornersOf(runs, scale) {
  const exact = traceRings(runs);
  const around = exact.reduce((sum, ring) => sum + lengthOf(ring), 0) * scale;
  const most = Math.min(MOST_CORNERS, Math.max(LEAST_CORNERS * exact.length, around / APART));
  /** @type {Int32Array[]} */
  let rings = exact;
  for (const tolerance of TOLERANCES) {
    rings = exact.map((ring) => simplifyRing(ring, tolerance));
    if (rings.reduce((sum, ring) => sum + ring.length / 2, 0) <= most) break;
  }
  return rings.map((ring) => pairsOf(ring));
}

/** Along pixels' edges. @param {Int32Array} ring */
function lengthOf(ring) {
  let sum = 0;
  for (let i = 0; i < ring.length; i += 2) {
    const next = (i + 2) % ring.length;
    sum += Math.abs(ring[next] - ring[i]) + Math.abs(ring[next + 1] - ring[i + 1]);
  }
  return sum;
}

/** @param {ArrayLike<number>} flat @returns {Corners} */
export function pairsOf(flat) {
  /** @type {Corners} */
  const pairs = [];
  for (let i = 0; i + 1 < flat.length; i += 2) pairs.push([flat[i], flat[i + 1]]);
  return pairs;
}

/**
 * The corner, or else the edge, that a point is on.
 * @param {Corners[]} rings
 * @param {Point} point
 * @param {number} reach in pixels of the image
 * @returns {{ring: number, at: number, isCorner: boolean} | null} an edge by the corner that it begins at
 */
export function findHandle(rings, point, reach) {
  /** @type {{ring: number, at: number, isCorner: boolean} | null} */
  let best = null;
  let least = reach;
  rings.forEach((ring, number) =>
    ring.forEach((corner, at) => {
      const distance = Math.hypot(corner[0] - point[0], corner[1] - point[1]);
      if (distance <= least) {
        least = distance;
        best = { ring: number, at, isCorner: true };
      }
    }),
  );
  if (best !== null) return best;
  rings.forEach((ring, number) =>
    ring.forEach((from, at) => {
      const to = ring[(at + 1) % ring.length];
      const [dx, dy] = [to[0] - from[0], to[1] - from[1]];
      const length = dx * dx + dy * dy;
      const along =
        length > 0 ? Math.min(1, Math.max(0, ((point[0] - from[0]) * dx + (point[1] - from[1]) * dy) / length)) : 0;
      const distance = Math.hypot(point[0] - from[0] - along * dx, point[1] - from[1] - along * dy);
      if (distance <= least) {
        least = distance;
        best = { ring: number, at, isCorner: false };
      }
    }),
  );
  return best;
}

export class OutlineTool extends Tool {
  /**
   * @param {Viewer} viewer
   * @param {object} ways
   * @param {() => Target | null} ways.target the one instance that is selected
   * @param {(target: Target, before: Corners, after: Corners, rings: Corners[]) => void} ways.onRing
   * @param {(dx: number, dy: number) => void} ways.onMove in whole pixels
   * @param {(x: number, y: number) => boolean} ways.isInside whether a point is on the selected instance
   */
  constructor(viewer, ways) {
    super(viewer, "outline", "drag corners, edges or the whole outline; Alt+click removes a corner");
    this.ways = ways;
    /** @type {{id: number, counts: string, rings: Corners[]} | null} */
    this.shown = null;
    /** @type {{ring: number, at: number} | null} the corner that keys are for */
    this.chosen = null;
    /** @type {{kind: "corner", ring: number, at: number, before: Corners} | {kind: "all", from: Point, by: Point} | null} */
    this.drag = null;
    /** @type {Point | null} */
    this.pointer = null;
  }

  /** The rings of what is selected: made once, and kept through our own changes. */
  rings() {
    const target = this.ways.target();
    if (target === null) {
      this.shown = null;
      this.chosen = null;
      return [];
    }
    if (this.shown === null || this.shown.id !== target.id || this.shown.counts !== target.counts) {
      const given = target.polygons?.map(pairsOf);
      this.shown = {
        id: target.id,
        counts: target.counts,
        rings: given ?? cornersOf(target.runs, this.viewer.view.scale),
      };
      this.chosen = null;
    }
    return this.shown.rings;
  }

  /** @param {boolean} isCoarse */
  reach(isCoarse) {
    return (isCoarse ? COARSE_REACH : REACH) / this.viewer.view.scale;
  }

  /** @param {Place} place */
  begin(place) {
    const rings = this.rings();
    const handle = findHandle(rings, place.image, this.reach(place.isCoarse));
    if (handle !== null) {
      const { ring, at, isCorner } = handle;
      const before = rings[ring].map((corner) => /** @type {Point} */ ([...corner]));
      if (place.isTurned) {
        if (isCorner) this.takeAway(ring, at);
        return true;
      }
      if (!isCorner) rings[ring].splice(at + 1, 0, this.snapped(place.image));
      const corner = isCorner ? at : at + 1;
      this.drag = { kind: "corner", ring, at: corner, before };
      this.chosen = { ring, at: corner };
      return true;
    }
    this.chosen = null;
    if (!this.ways.isInside(...place.image)) return false;
    this.drag = { kind: "all", from: place.image, by: [0, 0] };
    return true;
  }

  /** @param {Point} point */
  snapped(point) {
    const { model, view } = this.viewer;
    return model === null ? point : snapToBorder(point, model.image, view.scale);
  }

  /** @param {Place} place */
  move(place) {
    const { drag } = this;
    if (drag === null) return;
    if (drag.kind === "corner") this.rings()[drag.ring][drag.at] = this.snapped(place.image);
    else drag.by = [Math.round(place.image[0] - drag.from[0]), Math.round(place.image[1] - drag.from[1])];
  }

  /** @param {Place} place @param {boolean} isClick */
  end(place, isClick) {
    const { drag } = this;
    if (drag === null) return;
    if (isClick) {
      if (drag.kind === "corner") this.putBack(drag);
      this.drag = null;
      return;
    }
    this.move(place);
    this.drag = null;
    if (drag.kind === "all") {
      if (drag.by[0] !== 0 || drag.by[1] !== 0) this.ways.onMove(...drag.by);
    } else this.changed(drag.ring, drag.before);
  }

  /** @param {{ring: number, before: Corners}} drag */
  putBack({ ring, before }) {
    // An edge that was only clicked got no corner.
    if (this.rings()[ring].length !== before.length) this.chosen = null;
    this.rings()[ring] = before;
  }

  /** @param {number} ring @param {Corners} before */
  changed(ring, before) {
    const target = this.ways.target();
    if (target !== null) this.ways.onRing(target, before, this.rings()[ring], this.rings());
  }

  /** @param {number} ring @param {number} at */
  takeAway(ring, at) {
    const rings = this.rings();
    if (rings[ring].length <= 3) return;
    const before = rings[ring].map((corner) => /** @type {Point} */ ([...corner]));
    rings[ring].splice(at, 1);
    this.chosen = null;
    this.changed(ring, before);
  }

  /** After our own change the rings stay as the person has them. @param {string} counts the new mask's */
  keepRings(counts) {
    if (this.shown !== null) this.shown.counts = counts;
  }

  /** @param {Place | null} place */
  hover(place) {
    this.pointer = place?.image ?? null;
    this.viewer.requestFrame();
  }

  cancel() {
    const { drag } = this;
    this.drag = null;
    if (drag?.kind === "corner") this.putBack(drag);
    const was = drag !== null || this.chosen !== null;
    this.chosen = null;
    return was;
  }

  /** @param {KeyboardEvent} event */
  press({ key, shiftKey }) {
    const steps = /** @type {Record<string, Point>} */ ({
      ArrowLeft: [-1, 0],
      ArrowRight: [1, 0],
      ArrowUp: [0, -1],
      ArrowDown: [0, 1],
    });
    const rings = this.rings();
    if (rings.length === 0) return false;
    if ((key === "Delete" || key === "Backspace") && this.chosen !== null) {
      this.takeAway(this.chosen.ring, this.chosen.at);
      return true;
    }
    if (!Object.hasOwn(steps, key)) return false;
    const [dx, dy] = unturnedWay(steps[key], this.viewer.turns).map((step) => step * (shiftKey ? 10 : 1));
    if (this.chosen === null) {
      this.ways.onMove(dx, dy);
      return true;
    }
    const { ring, at } = this.chosen;
    const before = rings[ring].map((corner) => /** @type {Point} */ ([...corner]));
    const { image } = /** @type {Model} */ (this.viewer.model);
    rings[ring][at] = snapToBorder([before[at][0] + dx, before[at][1] + dy], image, Infinity);
    this.changed(ring, before);
    return true;
  }

  /** @param {CanvasRenderingContext2D} context */
  paint(context) {
    const { view, ratio } = this.viewer;
    const { drag, pointer } = this;
    const rings = this.rings();
    const [dx, dy] = drag?.kind === "all" ? drag.by : [0, 0];
    const place = (/** @type {Point} */ [x, y]) => [(x + dx) * view.scale + view.x, (y + dy) * view.scale + view.y];
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    drawLine(context, rings, place, true);
    rings.forEach((ring, number) =>
      ring.forEach((corner, at) => {
        const [x, y] = place(corner);
        const isChosen = this.chosen?.ring === number && this.chosen.at === at;
        context.fillStyle = isChosen ? "#ffd400" : "#fff";
        context.strokeStyle = "#000";
        context.lineWidth = 1;
        const half = isChosen ? HANDLE + 1.5 : HANDLE;
        context.fillRect(x - half, y - half, 2 * half, 2 * half);
        context.strokeRect(x - half, y - half, 2 * half, 2 * half);
      }),
    );
    if (drag !== null || pointer === null) return;
    const handle = findHandle(rings, pointer, this.reach(false));
    if (handle === null || handle.isCorner) return;
    const [x, y] = place(pointer); // where a corner would be added
    context.beginPath();
    context.arc(x, y, HANDLE + 1, 0, 2 * Math.PI);
    context.fillStyle = "#ffd400";
    context.fill();
    context.stroke();
  }

  close() {
    this.shown = null;
    this.chosen = null;
    this.pointer = null;
  }
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Corners[]} rings
 * @param {(point: Point) => number[]} place
 * @param {boolean} isClosed
 */
export function drawLine(context, rings, place, isClosed) {
  context.beginPath();
  for (const ring of rings) {
    ring.forEach((corner, at) => {
      const [x, y] = place(corner);
      if (at === 0) context.moveTo(x, y);
      else context.lineTo(x, y);
    });
    if (isClosed) context.closePath();
  }
  for (const [color, width] of /** @type {const} */ ([
    ["#000", 3.5],
    ["#fff", 1.6],
  ])) {
    context.strokeStyle = color;
    context.lineWidth = width;
    context.stroke();
  }
}

/** A line of corners, one for each click or in one go; closed it is an outline, open a cut. */
export class LineTool extends Tool {
  /**
   * @param {Viewer} viewer
   * @param {{name: string, hint: string, isClosed: boolean, least: number}} kind
   * @param {(corners: Corners) => void} onDone
   */
  constructor(viewer, { name, hint, isClosed, least }, onDone) {
    super(viewer, name, hint);
    this.isClosed = isClosed;
    this.least = least;
    this.onDone = onDone;
    /** @type {Corners} */
    this.corners = [];
    /** @type {Point | null} */
    this.pointer = null;
    this.isFreehand = false;
  }

  /** @param {Point} point */
  snapped(point) {
    const { model, view } = this.viewer;
    // A cut may begin and end beside the image.
    return model === null || !this.isClosed ? point : snapToBorder(point, model.image, view.scale);
  }

  /** @param {Place} place */
  begin(place) {
    if (place.isTurned) return true;
    const [first] = this.corners;
    const reach = (place.isCoarse ? COARSE_REACH : REACH) / this.viewer.view.scale;
    const isBack = first !== undefined && Math.hypot(first[0] - place.image[0], first[1] - place.image[1]) <= reach;
    if (this.isClosed && isBack && this.corners.length >= this.least) {
      this.finish();
      return true;
    }
    this.corners.push(this.snapped(place.image));
    this.isFreehand = false;
    this.pointer = place.image;
    return true;
  }

  /** @param {Place} place */
  move(place) {
    const last = this.corners[this.corners.length - 1];
    this.pointer = place.image;
    if (last === undefined) return;
    const distance = Math.hypot(last[0] - place.image[0], last[1] - place.image[1]) * this.viewer.view.scale;
    if (distance < FREEHAND) return;
    this.isFreehand = true;
    this.corners.push(this.snapped(place.image));
  }

  /** @param {Place} place @param {boolean} isClick */
  end(place, isClick) {
    if (isClick || !this.isFreehand) {
      if (!this.isClosed && this.corners.length >= this.least) this.finish();
      return;
    }
    this.corners.push(this.snapped(place.image));
    this.finish();
  }

  finish() {
    const { corners } = this;
    this.corners = [];
    this.isFreehand = false;
    if (corners.length >= this.least) this.onDone(corners);
    this.viewer.requestFrame();
  }

  /** @param {Place | null} place */
  hover(place) {
    this.pointer = place?.image ?? null;
    this.viewer.requestFrame();
  }

  cancel() {
    const was = this.corners.length > 0;
    this.corners = [];
    this.isFreehand = false;
    return was;
  }

  /** @param {KeyboardEvent} event */
  press({ key, ctrlKey, metaKey }) {
    if (this.corners.length === 0) return false;
    const isBack =
      key === "Backspace" ||
      key === "Delete" ||
      ((ctrlKey || metaKey) && key.toLowerCase() === "z") ||
      key.toLowerCase() === "u";
    if (isBack) this.corners.pop();
    else if (key === "Enter") this.finish();
    else return false;
    this.viewer.requestFrame();
    return true;
  }

  /** @param {CanvasRenderingContext2D} context */
  paint(context) {
    const { view, ratio } = this.viewer;
    if (this.corners.length === 0) return;
    const place = (/** @type {Point} */ [x, y]) => [x * view.scale + view.x, y * view.scale + view.y];
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    const line = this.pointer === null ? this.corners : [...this.corners, this.pointer];
    drawLine(context, [line], place, false);
    const [x, y] = place(this.corners[0]);
    context.fillStyle = "#ffd400";
    context.fillRect(x - HANDLE - 1, y - HANDLE - 1, 2 * HANDLE + 2, 2 * HANDLE + 2);
  }

  close() {
    this.pointer = null;
  }
}
