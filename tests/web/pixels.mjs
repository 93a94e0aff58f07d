// Answers questions about the editor's pixel modules, one JSON line each; test_editor_pixels.py asks.
//
// Masks come and go as COCO run lengths.

import { createInterface } from "node:readline";

import { bitmapOf, countsOf, emptyBitmap, jointBox, onBox } from "../../pages/components/web/lib/bitmap.js";
import * as edits from "../../pages/components/web/review/tools/mask_edits.js";
import { drawStroke, fillPolygon, strokeBox } from "../../pages/components/web/lib/raster.js";
import { decodeRle } from "../../pages/components/web/lib/rle.js";

const ways = {
  same: (image, mask) => mask,
  polygon: (image, ring) => fillPolygon(ring, image),
  merge: (image, ...masks) => edits.merge(masks),
  subtract: (image, a, b) => edits.subtract(a, b),
  shared: (image, a, b) => edits.sharedPixels(a, b),
  move: (image, mask, dx, dy) => edits.move(mask, dx, dy, image),
  parts: (image, mask) => edits.splitParts(mask),
  cut: (image, mask, line) => edits.cut(mask, line),
  fill: (image, mask) => edits.fillHoles(mask),
  specks: (image, mask) => edits.dropSpecks(mask),
  smooth: (image, mask) => edits.smooth(mask, image),
  ring: (image, mask, before, after, isHole) => edits.changeRing(mask, before, after, isHole, image),
  stroke: (image, mask, points, size, value) => {
    const box = strokeBox(points, size, image);
    const bitmap =
      mask.width === 0
        ? emptyBitmap(box)
        : onBox(mask, jointBox([mask.left, mask.top, mask.left + mask.width, mask.top + mask.height], box));
    for (let i = 0; i + 1 < points.length; i += 1) drawStroke(bitmap, points[i], points[i + 1], size, value);
    return bitmap;
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const { way, size, args } = JSON.parse(line);
  const [height, width] = size;
  const image = { width, height };
  const read = (arg) => (typeof arg === "string" ? bitmapOf(decodeRle({ size, counts: arg })) : arg);
  const write = (found) => (found?.bits === undefined ? found : countsOf(found, image));
  const found = ways[way](image, ...args.map(read));
  console.log(JSON.stringify(Array.isArray(found) ? found.map(write) : write(found)));
}
