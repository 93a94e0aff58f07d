import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { foundImages, hold } from "../../pages/components/web/review/open_images.js";

const [ONE, TWO, THREE] = ["1", "2", "3"].map((digit) => digit.repeat(24));

/** Locks that other pages have. @type {Set<string>} */
let elsewhere;

function makeStorage() {
  const values = new Map();
  return {
    getItem: (name) => values.get(name) ?? null,
    setItem: (name, value) => values.set(name, value),
    removeItem: (name) => values.delete(name),
  };
}

beforeEach(() => {
  elsewhere = new Set();
  globalThis.sessionStorage = makeStorage();
  globalThis.localStorage = makeStorage();
  delete globalThis[Symbol.for("maskdesk.review.names")];
  const named = (name) => name.replace("maskdesk-review-", "");
  Object.defineProperty(globalThis, "navigator", {
    configurable: true,
    value: {
      locks: {
        request: (name, _options, take) => {
          void take(elsewhere.has(named(name)) ? null : { name });
          return Promise.resolve();
        },
        query: () => Promise.resolve({ held: [...elsewhere].map((name) => ({ name: `maskdesk-review-${name}` })) }),
      },
    },
  });
});

test("a tab that is loaded anew finds its word, and one without images says nothing", async () => {
  assert.equal(await foundImages(), null);
  assert.equal(hold({ token: "", count: 0 }), false);
  assert.equal(hold({ token: ONE, count: 2 }), true);
  assert.deepEqual(await foundImages(), { token: ONE, left: [] });
});

test("a new tab is told what closed tabs left open, the newest first, and not what others have open", async () => {
  for (const token of [ONE, TWO, THREE]) hold({ token, count: 1 });
  globalThis.sessionStorage = makeStorage();
  elsewhere.add(TWO);
  assert.deepEqual(await foundImages(), { token: "", left: [THREE, ONE] });
  hold({ token: THREE, count: 0 });
  assert.deepEqual(await foundImages(), { token: THREE, left: [ONE] }, "closed images are this tab's to open again");
});

test("the copy in a duplicated tab is not its own", async () => {
  hold({ token: ONE, count: 1 });
  delete globalThis[Symbol.for("maskdesk.review.names")];
  elsewhere.add(ONE);
  assert.equal(await foundImages(), null);
});

test("without storage nothing is held, and what others wrote there is no word", async () => {
  for (const odd of ["{", '"x"', "[3, null]", `["${"x".repeat(24)}"]`]) {
    localStorage.setItem("maskdesk-images-of-tabs", odd);
    sessionStorage.setItem("maskdesk-images", odd);
    assert.equal(await foundImages(), null, odd);
  }
  globalThis.sessionStorage.setItem = () => {
    throw new Error("full");
  };
  assert.equal(hold({ token: ONE, count: 1 }), false);
});
