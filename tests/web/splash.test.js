import assert from "node:assert/strict";
import { test } from "node:test";

/** A canvas that notes what is painted, in its own pixels, and by which operation. */
class Context {
  calls = [];
  globalCompositeOperation = "source-over";
  matrix = [1, 0, 0, 1, 0, 0];
  setTransform(...matrix) {
    this.matrix = matrix;
  }
  note(name, [x, y, width, height]) {
    const [k, , , , left, top] = this.matrix;
    const box = [x * k + left, y * k + top, (x + width) * k + left, (y + height) * k + top];
    this.calls.push({ name, box, operation: this.globalCompositeOperation });
  }
  fillRect(...place) {
    this.note("fillRect", place);
  }
  drawImage(_image, _x, _y, _width, _height, ...place) {
    this.note("drawImage", place);
  }
  fill(path) {
    this.calls.push({ name: "fill", path, operation: this.globalCompositeOperation });
  }
  save() {}
  restore() {
    this.globalCompositeOperation = "source-over";
  }
  beginPath() {}
  rect() {}
  clip() {}
}
// @ts-expect-error: all that a layer asks of the page
globalThis.document = { createElement: () => ({ width: 0, height: 0, getContext: () => new Context() }) };

const { Splash } = await import("../../pages/components/web/viewer/splash.js");

const STAGE = { width: 400, height: 300 };
const IMAGE = { width: 400, height: 300 };
const WHOLE = { scale: 1, x: 0, y: 0 };

/** An instance whose path is its own id. */
const item = (id, more = {}) => ({
  instance: { id, box: [10, 10, 20, 20], ...more },
  shape: { extent: [10, 10, 20, 20], path: () => id },
  color: "#000000",
});

/** Drawn for a view, and then applied to another one. */
function applied(drawnFor, view) {
  const splash = new Splash();
  splash.update([item(1)], {}, drawnFor, STAGE, 1, false);
  const context = new Context();
  splash.apply(context, view, 1, IMAGE, STAGE);
  return context.calls;
}

const times = (boxes, x, y) => boxes.filter(([x1, y1, x2, y2]) => x >= x1 && x < x2 && y >= y1 && y < y2).length;

test("each place of the stage is turned grey once, also where a stretched drawing does not reach", () => {
  const near = { scale: 4, x: -600, y: -450 };
  for (const [drawnFor, view] of [
    [WHOLE, WHOLE],
    [near, near],
    [near, WHOLE],
    [WHOLE, near],
    [near, { scale: 1, x: 150, y: -80 }],
  ]) {
    const boxes = applied(drawnFor, view)
      .filter(({ operation }) => operation === "color")
      .map(({ box }) => box);
    for (let x = 0.5; x < STAGE.width; x += 13) {
      for (let y = 0.5; y < STAGE.height; y += 13) assert.equal(times(boxes, x, y), 1, `${x} ${y}`);
    }
  }
});

test("what was painted beside the picture goes again", () => {
  const view = { scale: 0.5, x: 100, y: 75 };
  const last = applied(view, view).at(-1);
  assert.deepEqual([last.operation, last.box], ["destination-in", [100, 75, 300, 225]]);
});

test("instances are cut out of the grey, but for those that are drawn so that others stand out", () => {
  const splash = new Splash();
  const drawn = splash.context;
  splash.update([item(1), item(2, { faint: true }), item(3)], {}, WHOLE, STAGE, 1, false);
  const cuts = drawn.calls.filter(({ name }) => name === "fill");
  assert.deepEqual(
    cuts.map(({ path, operation }) => [path, operation]),
    [
      [1, "destination-out"],
      [3, "destination-out"],
    ],
  );
  assert.deepEqual(drawn.calls[0].operation, "source-over", "grey comes first");
});
