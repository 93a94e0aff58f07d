import assert from "node:assert/strict";
import { test } from "node:test";

import { areaOf, boxesMeet, holds, overlapOf, partsOutside } from "../../pages/components/web/lib/geometry.js";
import { concernedByLabels, placeLabels } from "../../pages/components/web/viewer/labels.js";
import { random } from "./helpers.js";

const stage = { width: 640, height: 560 };
const HEIGHT = 17;

/** @param {number[]} box @param {number} width @param {boolean} must */
const label = (box, width = 70, must = false) => ({ box, width, must });

/** @param {[number, number]} place @param {number} width */
const rectangle = ([x, y], width) => [x, y, x + width, y + HEIGHT];

/** @param {number} count @param {number} seed */
function crowd(count, seed) {
  const draw = random(seed);
  return Array.from({ length: count }, () => {
    const [x, y, w, h] = [draw() * 700 - 30, draw() * 600 - 20, 8 + draw() * 40, 8 + draw() * 40];
    return label([x, y, x + w, y + h], 50 + Math.floor(draw() * 60));
  });
}

test("a lone instance has its label right above its box", () => {
  assert.deepEqual(placeLabels([label([100, 100, 160, 150])], stage), [[100, 83]]);
});

test("what no label depends on is left out, and changes no place", () => {
  for (let seed = 0; seed < 20; seed += 1) {
    const all = crowd(120, seed).map((one, i) => ({ ...one, id: i, must: i % 40 === seed }));
    const places = placeLabels(all, stage);
    const few = concernedByLabels(all, stage);
    assert.ok(few.length < all.length);
    const [kept, found] = [new Set(few.map(({ id }) => id)), placeLabels(few, stage)];
    few.forEach(({ id }, i) => assert.deepEqual(found[i], places[id]));
    for (const { id } of all) assert.ok(kept.has(id) || places[id] === null);
  }
});

test("among instances too small for labels only those that must have one count", () => {
  const small = Array.from({ length: 50 }, (_, i) => label([10 * i, 50, 10 * i + 9, 59]));
  const chosen = label([200, 50, 209, 59], 70, true);
  assert.deepEqual(concernedByLabels(small, stage), []);
  assert.deepEqual(concernedByLabels([...small, chosen], stage), [chosen]);
  assert.deepEqual(placeLabels([chosen], stage), [[200, 33]]);
});

test("at the stage's border the label stays on the stage", () => {
  assert.deepEqual(placeLabels([label([-40, 5, 60, 90])], stage), [[0, 5]]);
  assert.deepEqual(placeLabels([label([600, 100, 700, 190])], stage), [[570, 83]]);
  assert.deepEqual(placeLabels([label([-90, 5, -20, 90])], stage), [null]);
});

test("where the place above is taken the label goes below, and else it is left out", () => {
  const boxes = [
    [100, 100, 160, 150],
    [110, 100, 170, 150],
    [120, 100, 180, 150],
  ];
  assert.deepEqual(
    placeLabels(
      boxes.map((box) => label(box)),
      stage,
    ),
    [[100, 83], [110, 150], null],
  );
});

test("no label lies on another or hides a neighbour, however many there are", () => {
  for (let seed = 0; seed < 40; seed += 1) {
    const wanted = crowd(400, seed);
    const places = placeLabels(wanted, stage);
    const drawn = wanted.flatMap((one, i) => (places[i] === null ? [] : [{ i, at: rectangle(places[i], one.width) }]));
    assert.ok(drawn.length > 0);
    drawn.forEach(({ at }, n) => drawn.slice(n + 1).forEach((other) => assert.ok(!boxesMeet(at, other.at))));
    for (const { i, at } of drawn) {
      wanted.forEach(({ box }, j) => {
        const seen = overlapOf(box, [0, 0, stage.width, stage.height]);
        if (j !== i && areaOf(seen) > 0) assert.ok(areaOf(overlapOf(at, seen)) <= 0.2 * areaOf(seen) + 1e-9);
      });
    }
  }
});

test("zooming in gives labels to more of those that are in sight", () => {
  const shares = [1, 2, 4].map((zoom) => {
    const wanted = crowd(400, 7).map(({ box, width }) =>
      label(
        box.map((value) => (value - 300) * zoom + 300),
        width,
      ),
    );
    const inSight = wanted.filter(({ box }) => boxesMeet(box, [0, 0, stage.width, stage.height])).length;
    return placeLabels(wanted, stage).filter((place) => place !== null).length / inSight;
  });
  assert.ok(shares[0] < shares[1] && shares[1] < shares[2], String(shares));
});

test("one that must have its label has it, and the others make room", () => {
  const wanted = crowd(400, 3);
  const boxes = [label([100, 100, 108, 108], 70, true), label([104, 100, 112, 108], 70, true)];
  const places = placeLabels([...wanted, ...boxes], stage);
  assert.deepEqual(places.slice(-2), [
    [100, 83],
    [104, 83],
  ]);
  wanted.forEach(({ width }, i) => {
    if (places[i] !== null) assert.ok(!boxesMeet(rectangle(places[i], width), rectangle([100, 83], 70)));
  });
});

test("however much room there is between them, all labels together leave the image in sight", () => {
  const large = { width: 2000, height: 1500 };
  const apart = Array.from({ length: 1200 }, (_, i) =>
    label([(i % 30) * 66, Math.floor(i / 30) * 37 + 18, (i % 30) * 66 + 16, Math.floor(i / 30) * 37 + 36], 60),
  );
  const count = placeLabels(apart, large).filter((place) => place !== null).length;
  assert.ok(count * 60 * 17 <= 0.09 * large.width * large.height && count > 200, String(count));
  const few = placeLabels(apart.slice(0, 200), large).filter((place) => place !== null).length;
  assert.equal(few, 200);
});

test("no instances, no labels", () => assert.deepEqual(placeLabels([], stage), []));

test("what lies outside a part makes up the whole with it", () => {
  const whole = [0, 0, 90, 70];
  const draw = random(4);
  for (let i = 0; i < 100; i += 1) {
    const [x, y] = [Math.floor(draw() * 80), Math.floor(draw() * 60)];
    const part = [x, y, x + Math.floor(draw() * (90 - x)), y + Math.floor(draw() * (70 - y))];
    const rest = partsOutside(part, whole);
    assert.equal(
      rest.reduce((sum, one) => sum + areaOf(one), areaOf(part)),
      areaOf(whole),
    );
    rest.forEach((one, n) => {
      assert.ok(holds(whole, one));
      [part, ...rest.slice(n + 1)].forEach((other) => assert.equal(areaOf(overlapOf(one, other)), 0));
    });
  }
});
