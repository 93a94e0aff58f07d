// Pictures that may be shown soon are read ahead, but never beside the one that somebody waits for.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { isPictureAwaited } from "../../pages/components/web/lib/awaited.js";
import { Picture } from "../../pages/components/web/viewer/picture.js";

/** Images that the "browser" was asked for, in order. @type {FakeImage[]} */
let asked;

class FakeImage {
  naturalWidth = 4;
  naturalHeight = 4;
  #src = "";

  set src(url) {
    this.#src = url;
    asked.push(this);
  }

  get src() {
    return this.#src;
  }

  decode() {
    return new Promise((resolve, reject) => {
      this.arrive = () => settled(resolve);
      this.fail = () => settled(reject);
    });
  }
}

/** @param {(value?: unknown) => void} settle */
async function settled(settle) {
  settle();
  await new Promise(setImmediate);
}

/** @param {string} name */
const at = (name) => `https://pictures.example/${name}`;
const names = () => asked.map((image) => image.src.split("/").at(-1));
const SIZE = { width: 4, height: 4 };

beforeEach(() => {
  asked = [];
  globalThis.Image = /** @type {any} */ (FakeImage);
});

test("what is shown has the line to itself until it is there", async () => {
  const picture = new Picture(() => {});
  picture.load(at("now.jpg"), SIZE);
  picture.prefetch([at("now.jpg"), at("next.jpg"), at("later.jpg"), at("last.jpg")]);
  assert.deepEqual(names(), ["now.jpg"]);
  await asked[0].arrive();
  assert.equal(picture.status, "ready");
  assert.deepEqual(names(), ["now.jpg", "next.jpg", "later.jpg"]);
  await asked[1].arrive();
  assert.deepEqual(names().at(-1), "last.jpg");
});

test("one that cannot be read does not keep the others from being read ahead", async () => {
  const picture = new Picture(() => {});
  picture.load(at("broken.jpg"), SIZE);
  picture.prefetch([at("broken.jpg"), at("next.jpg")]);
  await asked[0].fail();
  assert.equal(picture.status, "failed");
  assert.deepEqual(names(), ["broken.jpg", "next.jpg"]);
});

test("who moves on to one that is on its way gets it before others are begun", async () => {
  const picture = new Picture(() => {});
  picture.load(at("first.jpg"), SIZE);
  picture.prefetch([at("first.jpg"), at("second.jpg"), at("third.jpg"), at("fourth.jpg")]);
  await asked[0].arrive();
  picture.load(at("third.jpg"), SIZE);
  picture.prefetch([at("third.jpg"), at("fourth.jpg"), at("second.jpg"), at("fifth.jpg")]);
  assert.equal(picture.status, "loading");
  assert.deepEqual(names(), ["first.jpg", "second.jpg", "third.jpg"]);
  await asked[1].arrive();
  assert.deepEqual(names().length, 3, "the third is still waited for");
  await asked[2].arrive();
  assert.equal(picture.status, "ready");
  assert.deepEqual(names().slice(3), ["fourth.jpg", "fifth.jpg"]);
});

test("the tab knows whether somebody waits for a picture", async () => {
  const [one, two] = [new Picture(() => {}), new Picture(() => {})];
  assert.equal(isPictureAwaited(), false);
  one.load(at("one.jpg"), SIZE);
  two.load(at("two.jpg"), SIZE);
  await asked[0].arrive();
  assert.equal(isPictureAwaited(), true, "the other one is on its way");
  await asked[1].fail();
  assert.equal(isPictureAwaited(), false);
  one.load(at("three.jpg"), SIZE);
  assert.equal(isPictureAwaited(), true);
  one.clear();
  assert.equal(isPictureAwaited(), false, "its page was left");
});

test("one that was on its way before anybody waited for it is awaited until it is there", async () => {
  const picture = new Picture(() => {});
  picture.load(at("one.jpg"), SIZE);
  picture.prefetch([at("one.jpg"), at("two.jpg")]);
  await asked[0].arrive();
  picture.load(at("two.jpg"), SIZE);
  assert.equal(isPictureAwaited(), true);
  await asked[1].arrive();
  assert.equal(isPictureAwaited(), false);
});

test("a very large one is seen small until it is there", async () => {
  let changes = 0;
  const picture = new Picture(() => (changes += 1));
  const large = { width: 8000, height: 6000 };
  picture.load(at("large.jpg"), large, at("small.jpg"));
  assert.deepEqual([names(), picture.isEmpty, picture.isSharp(0.1)], [["small.jpg"], true, false]);
  asked[0].naturalWidth = asked[0].width = 2000;
  await asked[0].arrive();
  assert.deepEqual([names(), changes, picture.isEmpty], [["small.jpg", "large.jpg"], 1, false]);
  assert.equal(picture.status, "loading");
  assert.deepEqual([picture.isSharp(0.25), picture.isSharp(0.5)], [true, false], "of a screen that shows it whole");
  assert.equal(isPictureAwaited(), true);
  await asked[1].arrive();
  assert.deepEqual([picture.status, picture.isSharp(4), isPictureAwaited()], ["ready", true, false]);
});

test("without its small copy, and with one that comes too late, it is shown as it comes", async () => {
  const picture = new Picture(() => {});
  picture.load(at("large.jpg"), SIZE, at("broken.jpg"));
  await asked[0].fail();
  assert.deepEqual(names(), ["broken.jpg", "large.jpg"]);
  await asked[1].arrive();
  assert.equal(picture.status, "ready");
  picture.load(at("first.jpg"), SIZE, at("first-small.jpg"));
  picture.load(at("second.jpg"), SIZE);
  await asked[2].arrive();
  assert.deepEqual(names().slice(2), ["first-small.jpg", "second.jpg"], "nobody waits for the first any more");
});
