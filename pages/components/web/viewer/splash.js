// Colour splash: the picture in grey but for the shown instances.
//
// A layer of grey with holes where they are is put over the picture by the blend mode "color": it gives the picture's
// own luma the colour of the layer, which is none. The luma is 0.3 R + 0.59 G + 0.11 B (Compositing and Blending
// Level 1, section 10), that of ITU-R BT.601 in two places: exported splashes have the same greys, to one level or two.

import { Layer } from "./layer.js";
import { boxToScreen, overlapOf, partsOutside } from "../lib/geometry.js";

/** @typedef {import("../lib/geometry.js").View} View */
/** @typedef {import("../lib/geometry.js").Size} Size */
/** @typedef {import("./layer.js").Item} Item */
/** @typedef {import("./state.js").Display} Display */

/** Any grey does; where the picture's edge takes a part of a pixel, a little of it shows. */
const GREY = "#808080";

export class Splash extends Layer {
  constructor() {
    super(1);
  }

  /**
   * @override
   * @param {number} x
   * @param {number} y
   * @param {number} width
   * @param {number} height
   */
  wipe(x, y, width, height) {
    this.context.fillStyle = GREY;
    this.context.fillRect(x, y, width, height);
  }

  /**
   * @override
   * @param {Item[]} items
   * @param {Display} _display
   * @param {number} _scale
   * @param {number} density
   */
  drawItems(items, _display, _scale, density) {
    const { context } = this;
    context.globalCompositeOperation = "destination-out";
    // What is rejected in a review is no object.
    for (const item of items) if (!item.instance.faint) context.fill(item.shape.path(density), "evenodd");
  }

  /**
   * Turn all of the picture grey but for the holes.
   * @param {CanvasRenderingContext2D} context with nothing but the picture
   * @param {View} view
   * @param {number} ratio
   * @param {Size} image
   * @param {Size} stage
   */
  apply(context, view, ratio, image, stage) {
    const seen = [0, 0, stage.width * ratio, stage.height * ratio];
    const picture = boxToScreen(view, [0, 0, image.width, image.height]).map((side) => side * ratio);
    const [x1, y1, x2, y2] = overlapOf(picture, seen);
    context.save();
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.globalCompositeOperation = "color";
    context.globalAlpha = 1;
    this.blit(context, view, ratio);
    // A drawing that is stretched while the view is zoomed out does not reach the stage's borders.
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.fillStyle = GREY;
    for (const [left, top, right, bottom] of partsOutside(overlapOf(this.onStage(view, ratio), seen), seen)) {
      context.fillRect(left, top, right - left, bottom - top);
    }
    // The blend has painted all around the picture, too, where there was nothing to be turned grey.
    context.globalCompositeOperation = "destination-in";
    context.fillRect(x1, y1, x2 - x1, y2 - y1);
    context.restore();
  }
}
