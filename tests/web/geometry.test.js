import assert from "node:assert/strict";
import { test } from "node:test";

import {
  boxToScreen,
  boxesMeet,
  clampView,
  fitView,
  focusView,
  mergeBoxes,
  panIntoView,
  scaleLimits,
  screenToImage,
  zoomAt,
} from "../../pages/components/web/lib/geometry.js";
import { random } from "./helpers.js";

const image = { width: 4000, height: 3000 };
const stage = { width: 1000, height: 560 };

test("fit shows the whole image, centred", () => {
  for (const size of [image, { width: 1, height: 5000 }, { width: 2000, height: 3 }, { width: 1, height: 1 }]) {
    const [x1, y1, x2, y2] = boxToScreen(fitView(size, stage), [0, 0, size.width, size.height]);
    assert.ok(x1 >= 0 && y1 >= 0 && x2 <= stage.width && y2 <= stage.height);
    assert.ok(Math.abs(x1 + x2 - stage.width) < 1e-6 && Math.abs(y1 + y2 - stage.height) < 1e-6);
  }
});

test("a box is brought to the middle with its surroundings, and the image never smaller than fit", () => {
  const box = [1800, 1400, 2000, 1500];
  const [x1, y1, x2, y2] = boxToScreen(focusView(image, stage, box), box);
  assert.ok(Math.abs(x1 + x2 - stage.width) < 1e-6 && Math.abs(y1 + y2 - stage.height) < 1e-6);
  assert.ok(3 * (x2 - x1) <= stage.width + 1e-6 && 3 * (y2 - y1) <= stage.height + 1e-6);
  assert.ok(focusView(image, stage, [100, 100, 101, 101]).scale <= 6);
  assert.equal(focusView(image, stage, [0, 0, 4000, 3000]).scale, fitView(image, stage).scale);
  const tiny = { width: 8, height: 8 };
  assert.ok(focusView(tiny, stage, [1, 1, 2, 2]).scale >= fitView(tiny, stage).scale);
});

test("zooming keeps the point under the cursor", () => {
  const draw = random(1);
  for (let i = 0; i < 200; i += 1) {
    const view = { scale: 0.05 + draw() * 10, x: draw() * 900 - 450, y: draw() * 900 - 450 };
    const [x, y] = [draw() * stage.width, draw() * stage.height];
    const before = screenToImage(view, x, y);
    const after = screenToImage(zoomAt(view, 0.05 + draw() * 10, x, y), x, y);
    assert.ok(Math.hypot(before[0] - after[0], before[1] - after[1]) < 1e-6);
  }
});

test("the limits let one in to single pixels and out past the whole image", () => {
  const { least, most } = scaleLimits(image, stage);
  assert.ok(least < fitView(image, stage).scale && most === 40);
  assert.ok(scaleLimits({ width: 2, height: 2 }, stage).least <= 1);
});

test("a part of the image always stays on the stage", () => {
  const draw = random(2);
  for (let i = 0; i < 200; i += 1) {
    const wild = { scale: 0.01 + draw() * 5, x: (draw() - 0.5) * 1e5, y: (draw() - 0.5) * 1e5 };
    const view = clampView(wild, image, stage);
    assert.ok(boxesMeet(boxToScreen(view, [0, 0, image.width, image.height]), [0, 0, stage.width, stage.height]));
    assert.deepEqual(clampView(view, image, stage), view);
  }
});

test("panning into view moves only what is out of sight", () => {
  const view = { scale: 1, x: 0, y: 0 };
  assert.equal(panIntoView(view, [100, 100, 200, 200], stage), view);
  const moved = panIntoView(view, [2000, 1500, 2100, 1600], stage);
  const [x1, y1, x2, y2] = boxToScreen(moved, [2000, 1500, 2100, 1600]);
  assert.ok(x1 >= 0 && y1 >= 0 && x2 <= stage.width && y2 <= stage.height);
  assert.equal(panIntoView(moved, [2000, 1500, 2100, 1600], stage), moved);
});

test("merged boxes cover the same points and do not meet", () => {
  const draw = random(3);
  for (let i = 0; i < 100; i += 1) {
    const boxes = Array.from({ length: 12 }, () => {
      const [x, y] = [Math.floor(draw() * 90), Math.floor(draw() * 90)];
      return [x, y, x + 1 + Math.floor(draw() * 20), y + 1 + Math.floor(draw() * 20)];
    });
    const merged = mergeBoxes(boxes);
    merged.forEach((a, j) => merged.slice(j + 1).forEach((b) => assert.ok(!boxesMeet(a, b))));
    for (const [x1, y1, x2, y2] of boxes) {
      assert.ok(merged.some((m) => m[0] <= x1 && m[1] <= y1 && m[2] >= x2 && m[3] >= y2));
    }
  }
});
