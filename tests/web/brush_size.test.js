import assert from "node:assert/strict";
import { afterEach, test } from "node:test";

import { BrushSize, LEAST_SIZE, MOST_SIZE } from "../../pages/components/web/review/tools/brush_size.js";

const real = globalThis.localStorage;

/** A browser that has kept something. @param {Record<string, string>} kept */
function storage(kept = {}) {
  const values = new Map(Object.entries(kept));
  const made = { getItem: (name) => values.get(name) ?? null, setItem: (name, value) => values.set(name, value) };
  Object.defineProperty(globalThis, "localStorage", { value: made, configurable: true });
}

afterEach(() => Object.defineProperty(globalThis, "localStorage", { value: real, configurable: true }));

test("steps go up and down within the bounds, also by single pixels", () => {
  storage();
  const brush = new BrushSize();
  assert.equal(brush.size, 24);
  brush.step(1);
  assert.equal(brush.size, 30);
  for (let turn = 0; turn < 40; turn += 1) brush.step(-1);
  assert.equal(brush.size, LEAST_SIZE);
  brush.step(1);
  assert.equal(brush.size, 2);
  for (let turn = 0; turn < 60; turn += 1) brush.step(1);
  assert.equal(brush.size, MOST_SIZE);
});

test("the size is kept, and what is no size is none", () => {
  storage();
  new BrushSize().set(77.4);
  assert.equal(new BrushSize().size, 77);
  for (const [kept, size] of [
    ["12", 12],
    ["4000", MOST_SIZE],
    ["0", 24],
    ["-3", 24],
    ["wide", 24],
    ["Infinity", 24],
  ]) {
    storage({ "maskdesk-brush-size": kept });
    assert.equal(new BrushSize().size, size, kept);
  }
  Object.defineProperty(globalThis, "localStorage", {
    get() {
      throw new Error("forbidden");
    },
    configurable: true,
  });
  const brush = new BrushSize();
  brush.set(50);
  assert.equal(brush.size, 50);
});

test("a pen that is pressed lightly paints thinner; one without a sensor, and all else, paints in full", () => {
  storage();
  const brush = new BrushSize();
  brush.set(40);
  assert.deepEqual(
    [1, 0.5, 0.25, 0.1].map((pressure) => brush.under(pressure)),
    [40, 40, 20, 8],
  );
  assert.equal(brush.under(0), 6);
  brush.set(1);
  assert.equal(brush.under(0.1), LEAST_SIZE);
});
