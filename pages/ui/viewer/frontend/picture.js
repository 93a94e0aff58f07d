// The image itself, with halved copies for zooming out: a browser that has to shrink 12 megapixels in
// every frame does not reach 60 frames a second, and bilinear shrinking by more than two loses detail.

/** @typedef {import("./geometry.js").View} View */
/** @typedef {import("./geometry.js").Size} Size */

const SMALLEST_SIDE = 512;
/** From this many screen pixels per image pixel on, pixels are drawn as squares. */
const SQUARE_PIXELS_FROM = 3;

export class Picture {
  /** @param {() => void} onChange called when there is something new to draw */
  constructor(onChange) {
    this.onChange = onChange;
    this.url = "";
    /** @type {"empty" | "loading" | "ready" | "failed"} */
    this.status = "empty";
    /** @type {(HTMLImageElement | ImageBitmap)[]} largest first, each half of the one before */
    this.levels = [];
    this.size = { width: 1, height: 1 };
  }

  /**
   * @param {string} url
   * @param {Size} size of the image in its own pixels; the file behind the URL may be a smaller copy
   */
  async load(url, size) {
    this.size = size;
    if (url === this.url && this.status !== "failed") return;
    this.clear();
    this.url = url;
    this.status = "loading";
    const image = new Image();
    image.decoding = "async";
    image.src = url;
    try {
      await image.decode();
    } catch {
      if (this.url === url) this.status = "failed";
      this.onChange();
      return;
    }
    if (this.url !== url) return;
    this.status = "ready";
    this.levels = [image];
    this.onChange();
    await this.halve(image, url);
  }

  /**
   * @param {HTMLImageElement} image
   * @param {string} url
   */
  async halve(image, url) {
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
      if (this.url !== url) {
        half.close();
        return;
      }
      this.levels.push(half);
      source = half;
      this.onChange();
    }
  }

  clear() {
    for (const level of this.levels) if ("close" in level) level.close();
    this.levels = [];
    this.url = "";
    this.status = "empty";
  }

  /**
   * Draw what falls on the stage; `ratio` is device pixels per CSS pixel.
   * @param {CanvasRenderingContext2D} context
   * @param {View} view
   * @param {Size} stage
   * @param {number} ratio
   */
  draw(context, view, stage, ratio) {
    if (this.status !== "ready") return;
    const { width, height } = this.size;
    const x1 = Math.max(0, Math.floor(-view.x / view.scale));
    const y1 = Math.max(0, Math.floor(-view.y / view.scale));
    const x2 = Math.min(width, Math.ceil((stage.width - view.x) / view.scale));
    const y2 = Math.min(height, Math.ceil((stage.height - view.y) / view.scale));
    if (x2 <= x1 || y2 <= y1) return;
    const density = view.scale * ratio;
    const level = this.levelFor(density);
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
   * @param {number} density device pixels per image pixel
   */
  levelFor(density) {
    const wanted = density * this.size.width * 0.85;
    let best = this.levels[0];
    for (const level of this.levels) if (level.width >= wanted) best = level;
    return best;
  }
}
