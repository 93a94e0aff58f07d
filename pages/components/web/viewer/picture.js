// The image itself, with halved copies for zooming out: a browser that has to shrink 12 megapixels in
// every frame does not reach 60 frames a second, and bilinear shrinking by more than two loses detail.

import { setAwaited } from "../lib/awaited.js";
import { serverUrl } from "../lib/serving.js";
import { TonedPicture } from "./toned_picture.js";

/** @typedef {import("../lib/geometry.js").View} View */
/** @typedef {import("../lib/geometry.js").Size} Size */

const SMALLEST_SIDE = 512;
/** From this many screen pixels per image pixel on, pixels are drawn as squares. */
const SQUARE_PIXELS_FROM = 3;

/** Files that are read at the same time ahead of being shown. */
const READ_AT_ONCE = 2;

/** @param {string} url @returns {Promise<HTMLImageElement | null>} decoded; null if it cannot be had */
async function fetchImage(url) {
  const image = new Image();
  image.decoding = "async";
  image.src = serverUrl(url);
  try {
    await image.decode();
  } catch {
    return null;
  }
  return image;
}

/** The file behind one URL, decoded, with its halved copies. */
class PictureFile {
  /** @param {string} url */
  constructor(url) {
    this.url = url;
    /** @type {"waiting" | "loading" | "ready" | "failed"} */
    this.status = "waiting";
    /** @type {(HTMLImageElement | ImageBitmap)[]} largest first, each half of the one before */
    this.levels = [];
    this.closed = false;
  }

  /**
   * Fetches a small copy to be drawn until the file itself is there, unless that is sooner.
   * @param {string} url
   * @param {() => void} onChange called when there is something to draw
   */
  async loadSmall(url, onChange) {
    const image = await fetchImage(url);
    if (image === null || this.closed || this.levels.length > 0 || this.status === "failed") return;
    this.levels = [image];
    onChange();
  }

  /** @param {() => void} onChange called when there is something new to draw */
  async load(onChange) {
    if (this.status !== "waiting") return;
    this.status = "loading";
    const image = await fetchImage(this.url);
    if (image === null) {
      this.status = "failed";
      onChange();
      return;
    }
    if (this.closed) return;
    this.status = "ready";
    this.levels = [image];
    onChange();
    await this.halve(image, onChange);
  }

  /**
   * @param {HTMLImageElement} image
   * @param {() => void} onChange
   */
  async halve(image, onChange) {
    let width = image.naturalWidth;
    let height = image.naturalHeight;
    /** @type {ImageBitmapSource} */
    let source = image;
    while (Math.max(width, height) / 2 >= SMALLEST_SIDE && Math.min(width, height) >= 2) {
      width = Math.round(width / 2);
      height = Math.round(height / 2);
      const options = /** @type {const} */ ({ resizeWidth: width, resizeHeight: height, resizeQuality: "medium" });
      /** @type {ImageBitmap} */
      let half;
      try {
        half = await createImageBitmap(source, options);
      } catch {
        return; // out of memory: the larger levels do
      }
      if (this.closed) {
        half.close();
        return;
      }
      this.levels.push(half);
      source = half;
      onChange();
    }
  }

  close() {
    this.closed = true;
    for (const level of this.levels) if ("close" in level) level.close();
    this.levels = [];
  }
}

export class Picture {
  /** @param {() => void} onChange called when there is something new to draw */
  constructor(onChange) {
    this.onChange = onChange;
    /** @type {PictureFile | null} */
    this.file = null;
    /** @type {Map<string, PictureFile>} those that may be shown soon, by URL, the most likely first */
    this.ahead = new Map();
    this.reading = 0;
    this.size = { width: 1, height: 1 };
    this.toned = new TonedPicture();
  }

  /** @returns {"empty" | "loading" | "ready" | "failed"} */
  get status() {
    if (this.file === null) return "empty";
    return this.file.status === "waiting" ? "loading" : this.file.status;
  }

  /** Whether there is nothing to draw. */
  get isEmpty() {
    return this.file === null || this.file.levels.length === 0;
  }

  /**
   * Whether there is a pixel for (almost) every one on the screen: then what is drawn will stay as it is.
   * @param {number} density device pixels per image pixel
   */
  isSharp(density) {
    if (this.status === "ready") return true;
    const [level] = this.file?.levels ?? [];
    return level !== undefined && level.width >= this.wanted(density);
  }

  /** @param {number} density device pixels per image pixel */
  wanted(density) {
    return density * this.size.width * 0.85;
  }

  /**
   * Show another file: in the very next frame if it has been read ahead.
   * @param {string} url
   * @param {Size} size of the image in its own pixels; the file behind the URL may be a smaller copy
   * @param {string} [smallUrl] of a copy to be drawn until the file is there; empty for none
   */
  load(url, size, smallUrl = "") {
    this.size = size;
    if (url === this.file?.url && this.status !== "failed") return;
    const before = this.file;
    const known = this.ahead.get(url);
    this.file = known === undefined || known.status === "failed" ? new PictureFile(url) : known;
    if (this.ahead.has(url)) this.ahead.set(url, this.file);
    if (before !== null && this.ahead.get(before.url) !== before) before.close();
    const { file } = this;
    const begin = () => {
      if (file !== this.file) return; // somebody has moved on
      void file.load(() => {
        this.hear();
        this.readAhead();
      });
    };
    if (smallUrl === "" || file.status === "ready") begin();
    else void file.loadSmall(smallUrl, () => file === this.file && this.hear()).then(begin);
    setAwaited(this, this.status === "loading");
  }

  /** There is something new of the file that is shown. */
  hear() {
    setAwaited(this, this.status === "loading");
    this.onChange();
  }

  /**
   * Read these files ahead and let go of all others but the one that is shown.
   * @param {string[]} urls the most likely first
   */
  prefetch(urls) {
    const old = this.ahead;
    this.ahead = new Map();
    for (const url of urls) {
      const known = url === this.file?.url ? this.file : old.get(url);
      this.ahead.set(url, known ?? new PictureFile(url));
    }
    for (const file of old.values()) {
      if (file !== this.file && this.ahead.get(file.url) !== file) file.close();
    }
    this.readAhead();
  }

  /** One after another, but none as long as the one to be shown is still on its way: it has the line to itself. */
  readAhead() {
    if (this.status === "loading") return;
    for (const file of this.ahead.values()) {
      if (this.reading >= READ_AT_ONCE) return;
      if (file.status !== "waiting") continue;
      this.reading += 1;
      const changed = () => file === this.file && this.hear();
      void file.load(changed).then(() => {
        this.reading -= 1;
        this.readAhead();
      });
    }
  }

  clear() {
    for (const file of this.ahead.values()) file.close();
    this.ahead.clear();
    this.file?.close();
    this.file = null;
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
    if (this.isEmpty || this.file === null) return;
    if (tones === null) this.drawPlain(context, view, stage, ratio);
    else {
      this.toned.draw(context, this.file.levels, [view, stage, ratio, tones], (own) => {
        this.drawPlain(own, view, stage, ratio);
      });
    }
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {View} view
   * @param {Size} stage
   * @param {number} ratio
   */
  drawPlain(context, view, stage, ratio) {
    if (this.isEmpty || this.file === null) return;
    const { width, height } = this.size;
    const x1 = Math.max(0, Math.floor(-view.x / view.scale));
    const y1 = Math.max(0, Math.floor(-view.y / view.scale));
    const x2 = Math.min(width, Math.ceil((stage.width - view.x) / view.scale));
    const y2 = Math.min(height, Math.ceil((stage.height - view.y) / view.scale));
    if (x2 <= x1 || y2 <= y1) return;
    const density = view.scale * ratio;
    const level = this.levelFor(this.file.levels, density);
    const levelWidth = "naturalWidth" in level ? level.naturalWidth : level.width;
    const levelHeight = "naturalHeight" in level ? level.naturalHeight : level.height;
    const sx = levelWidth / width;
    const sy = levelHeight / height;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.imageSmoothingEnabled = density < SQUARE_PIXELS_FROM * sx;
    context.imageSmoothingQuality = "low";
    context.drawImage(
      level,
      x1 * sx,
      y1 * sy,
      (x2 - x1) * sx,
      (y2 - y1) * sy,
      x1 * view.scale + view.x,
      y1 * view.scale + view.y,
      (x2 - x1) * view.scale,
      (y2 - y1) * view.scale,
    );
  }

  /**
   * The smallest copy that still has a pixel for (almost) every device pixel.
   * @param {(HTMLImageElement | ImageBitmap)[]} levels
   * @param {number} density device pixels per image pixel
   */
  levelFor(levels, density) {
    const wanted = this.wanted(density);
    let best = levels[0];
    for (const level of levels) if (level.width >= wanted) best = level;
    return best;
  }
}
