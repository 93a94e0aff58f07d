// Reads ahead what may be shown soon: pictures and masks of the frames around the present place.

import { fitView } from "../lib/geometry.js";
import { bySoonness } from "./review_frames.js";

/** @typedef {import("../viewer/viewer.js").Viewer} Viewer */
/** @typedef {import("./review_frames.js").Frame} Frame */
/** @typedef {import("./review_state.js").ReviewState} ReviewState */

/** Pictures held decoded around the present place: pixels of all, and number. */
const PIXELS_AHEAD = 120e6;
const PICTURES_AHEAD = 16;
/** Time for reading masks ahead in one go (ms). */
const READ_AHEAD = 8;

export class LookAhead {
  /** @param {Viewer} viewer */
  constructor(viewer) {
    this.viewer = viewer;
    this.idle = 0;
  }

  /** @param {ReviewState} state */
  look({ frames, at }) {
    const soonest = bySoonness(frames.keys(), at).map((place) => /** @type {Frame} */ (frames.get(place)));
    this.viewer.picture.prefetch(picturesOf(soonest));
    this.viewer.shapes.keep(new Set(soonest.map((frame) => frame.message.image.key)));
    this.stop();
    this.readMasks(soonest);
  }

  /** Reads masks whenever the browser has nothing else to do. @param {Frame[]} frames */
  readMasks(frames) {
    const { viewer } = this;
    const wait = window.requestIdleCallback ?? ((/** @type {() => void} */ work) => window.setTimeout(work, 30));
    this.idle = wait(() => {
      for (const { message } of frames) {
        const density = fitView(message.image, viewer.stage).scale * viewer.ratio;
        if (viewer.shapes.prepare(message.image.key, message.instances, READ_AHEAD, density)) continue;
        this.readMasks(frames);
        return;
      }
    });
  }

  stop() {
    (window.cancelIdleCallback ?? clearTimeout)(this.idle);
  }
}

/**
 * The URLs of the first pictures, as many as may be held.
 * @param {Frame[]} frames
 */
function picturesOf(frames) {
  /** @type {Set<string>} */
  const urls = new Set();
  let pixels = 0;
  for (const { image } of frames.map((frame) => frame.message)) {
    if (urls.has(image.url)) continue;
    pixels += image.width * image.height;
    if (urls.size > 1 && (pixels > PIXELS_AHEAD || urls.size >= PICTURES_AHEAD)) break;
    urls.add(image.url);
  }
  return [...urls];
}
