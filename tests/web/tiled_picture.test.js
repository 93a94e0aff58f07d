// A picture in tiles: which are drawn, which are fetched, and what stands in for those that are on their way.

import assert from "node:assert/strict";
import test from "node:test";

import {
  TileStore,
  TiledPicture,
  keyOf,
  levelFor,
  tilesInView,
} from "../../pages/components/web/viewer/tiled_picture.js";

const IMAGE = { width: 20000, height: 10000 };
const TILES = { url: "https://desk.test/maskdesk-slides/word/", size: 512, levels: 7 };
const STAGE = { width: 1000, height: 800 };

/**
 * A server whose tiles come when they are let.
 * @param {(key: string) => number} [statusOf]
 */
function serve(statusOf = () => 200) {
  /** @type {string[]} */
  const asked = [];
  /** @type {Map<string, () => void>} */
  const waiting = new Map();
  const fetch = (/** @type {string} */ url, /** @type {{signal: AbortSignal}} */ { signal }) => {
    const key = url.slice(TILES.url.length).replace(".jpg", "");
    asked.push(key);
    return new Promise((resolve, reject) => {
      signal.addEventListener("abort", () => {
        waiting.delete(key);
        reject(new Error("aborted"));
      });
      waiting.set(key, () => {
        const status = statusOf(key);
        resolve({ ok: status === 200, status, blob: () => Promise.resolve(key) });
      });
    });
  };
  const bitmaps = new Map();
  const createImageBitmap = (/** @type {string} */ key) => {
    const bitmap = { key, width: 512, height: 512, closed: false, close: () => (bitmap.closed = true) };
    bitmaps.set(key, bitmap);
    return Promise.resolve(bitmap);
  };
  Object.assign(globalThis, { fetch, createImageBitmap, window: { setTimeout, clearTimeout } });
  const settle = () => new Promise((resolve) => setTimeout(resolve, 5));
  const let_ = async (/** @type {(key: string) => boolean} */ which = () => true) => {
    for (;;) {
      const ready = [...waiting].filter(([key]) => which(key));
      if (ready.length === 0) return;
      for (const [key, go] of ready) {
        waiting.delete(key);
        go();
      }
      await settle();
    }
  };
  return { asked, waiting, bitmaps, settle, comes: let_ };
}

/** A canvas that notes what is drawn on it. */
function paper() {
  /** @type {any[]} */
  const drawn = [];
  const context = { setTransform() {}, drawImage: (/** @type {any[]} */ ...how) => drawn.push(how) };
  return { drawn, context: /** @type {any} */ (context) };
}

test("the level has a pixel for each of the screen, and no more than four", () => {
  for (const density of [3, 1, 0.9, 0.5, 0.3, 0.04, 0.02, 0.001]) {
    const level = levelFor(density, 7);
    const have = 1 / 2 ** level / density;
    if (level > 0) assert.ok(have >= 0.85, `${density}: ${have}`);
    if (level > 0 && level < 6) assert.ok(have < 1.7, `${density}: ${have}`);
  }
  assert.equal(levelFor(8, 7), 0);
  assert.equal(levelFor(1e-6, 7), 6);
});

test("tiles in view cover the stage and nothing else, those in the middle first", () => {
  const view = { scale: 0.5, x: -1000, y: -300 };
  const places = tilesInView(1, 512, IMAGE, view, STAGE); // 2000 to 4000 by 600 to 2200 pixels, 1024 to a tile
  assert.deepEqual(
    new Set(places.map(keyOf)),
    new Set(["1/1_0", "1/2_0", "1/3_0", "1/1_1", "1/2_1", "1/3_1", "1/1_2", "1/2_2", "1/3_2"]),
  );
  assert.equal(keyOf(places[0]), "1/2_1");
  // Beyond the borders there are none.
  assert.deepEqual(tilesInView(0, 512, IMAGE, { scale: 1, x: 900, y: 700 }, STAGE).map(keyOf), ["0/0_0"]);
  const last = tilesInView(0, 512, IMAGE, { scale: 1, x: -19900, y: -9990 }, STAGE).map(keyOf);
  assert.deepEqual(last.sort(), ["0/38_19", "0/39_19"]);
  assert.deepEqual(tilesInView(0, 512, IMAGE, { scale: 1, x: 2000, y: 0 }, STAGE), []);
});

test("the whole picture comes first; what is not there yet is drawn from it", async () => {
  const server = serve();
  let changes = 0;
  const picture = new TiledPicture(() => (changes += 1));
  assert.equal(picture.status, "empty");
  picture.load(TILES, IMAGE);
  assert.equal(picture.status, "loading");
  assert.deepEqual(server.asked, ["6/0_0"]);
  await server.comes();
  assert.equal(picture.status, "ready");
  assert.ok(changes > 0);

  const { drawn, context } = paper();
  const view = { scale: 1, x: -5120, y: -1024 };
  picture.draw(context, view, STAGE, 1);
  assert.equal(picture.isSharp(1), false);
  // 10 to 11 across (1000 / 512) and 2 to 3 down, each a part of the only tile that is there.
  assert.deepEqual(new Set(drawn.map(([bitmap]) => bitmap.key)), new Set(["6/0_0"]));
  assert.equal(drawn.length, 4);
  const [, sx, sy, sw, sh, x, y, width, height] = drawn.find((how) => how[5] === 0 && how[6] === 0);
  assert.deepEqual([sx, sy, sw, sh], [10 * 8, 2 * 8, 8, 8]);
  assert.deepEqual([x, y, width, height], [0, 0, 512, 512]);

  await server.comes();
  const fresh = paper();
  picture.draw(fresh.context, view, STAGE, 1);
  assert.equal(picture.isSharp(1), true);
  assert.deepEqual(fresh.drawn.map(([bitmap]) => bitmap.key).sort(), ["0/10_2", "0/10_3", "0/11_2", "0/11_3"]);
  assert.deepEqual(server.asked.slice(1).sort(), ["0/10_2", "0/10_3", "0/11_2", "0/11_3"]);
  picture.clear();
  assert.ok([...server.bitmaps.values()].every((bitmap) => bitmap.closed));
});

test("neighbours share an edge on a whole device pixel, whatever the scale", async () => {
  const server = serve();
  const picture = new TiledPicture(() => {});
  picture.load(TILES, IMAGE);
  await server.comes();
  const { drawn, context } = paper();
  picture.draw(context, { scale: 0.3337, x: -71.3, y: -33.7 }, STAGE, 1.25);
  const rows = new Map();
  for (const how of drawn) {
    const [x, y, width, height] = how.slice(5);
    for (const value of [x, y, width, height]) assert.ok(Number.isInteger(value));
    rows.set(y, [...(rows.get(y) ?? []), [x, x + width]]);
  }
  for (const spans of rows.values()) {
    spans.sort((/** @type {number[]} */ a, /** @type {number[]} */ b) => a[0] - b[0]);
    for (let i = 1; i < spans.length; i += 1) assert.equal(spans[i][0], spans[i - 1][1]);
  }
  picture.clear();
});

test("what has left the view is not fetched any more", async () => {
  const server = serve();
  const store = new TileStore(TILES, () => {});
  store.want(tilesInView(0, 512, IMAGE, { scale: 1, x: 0, y: 0 }, { width: 2500, height: 2500 }));
  assert.equal(server.waiting.size, 6); // a browser has no more lines
  store.want(tilesInView(0, 512, IMAGE, { scale: 1, x: -10240, y: 0 }, { width: 1000, height: 500 }));
  await server.settle(); // the lines are free again
  await server.comes((key) => key.startsWith("0/2"));
  assert.deepEqual([...server.waiting.keys()], []);
  assert.deepEqual([...store.there.keys()].sort(), ["0/20_0", "0/21_0"]);
  store.close();
});

test("a tile that fails is asked for three times, and one that is not made yet again and again", async () => {
  const server = serve((key) => (key === "0/0_0" ? 404 : 503));
  const store = new TileStore(TILES, () => {});
  const [bad, later] = [
    { level: 0, row: 0, column: 0 },
    { level: 5, row: 0, column: 0 },
  ];
  for (let i = 0; i < 6; i += 1) {
    store.want([bad, later]);
    await server.comes();
  }
  assert.equal(server.asked.filter((key) => key === "0/0_0").length, 3);
  assert.equal(server.asked.filter((key) => key === "5/0_0").length, 6);
  assert.equal(store.hasFailed(bad), true);
  assert.equal(store.hasFailed(later), false);
  store.close();
});

test("no more than so many tiles are kept: those drawn longest ago go", async () => {
  const server = serve();
  const store = new TileStore(TILES, () => {});
  for (let row = 0; row < 10; row += 1) {
    store.want(Array.from({ length: 20 }, (_, column) => ({ level: 0, row, column })));
    await server.comes();
    store.get({ level: 0, row: 0, column: 0 });
  }
  assert.equal(store.there.size, 160);
  assert.ok(store.there.has("0/0_0"));
  assert.ok(!store.there.has("0/1_0"));
  assert.equal([...server.bitmaps.values()].filter((bitmap) => bitmap.closed).length, 40);
  store.close();
});
