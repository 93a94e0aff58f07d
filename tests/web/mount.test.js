import assert from "node:assert/strict";
import { test } from "node:test";

class Element {
  isConnected = true;
}
// @ts-expect-error: all that mounting asks of an element
globalThis.HTMLElement = Element;

const { mountScreen } = await import("../../pages/components/web/lib/mount.js");
// The same text under another URL, as a browser has it after an upgrade.
const later = await import("../../pages/components/web/lib/mount.js?later");

/** A parent element whose page has one root, which may be made anew. */
class Parent {
  root = new Element();
  querySelector(selector) {
    return selector === '[data-part="root"]' ? this.root : null;
  }
}

class Screen {
  constructor(root) {
    this.root = root;
    this.isDestroyed = false;
  }
  destroy() {
    assert.equal(this.isDestroyed, false, "destroyed twice");
    this.isDestroyed = true;
  }
}

const make = (root) => new Screen(root);

test("new data find the screen that is there", () => {
  const parent = new Parent();
  const { screen, leave } = mountScreen(parent, "root", make);
  leave(); // Streamlit says so after each change, too
  assert.equal(mountScreen(parent, "root", make).screen, screen);
  assert.equal(screen.isDestroyed, false);
});

test("two parents have two screens", () => {
  assert.notEqual(mountScreen(new Parent(), "root", make).screen, mountScreen(new Parent(), "root", make).screen);
});

test("a page that Streamlit has made anew gets a new screen", () => {
  const parent = new Parent();
  const { screen, leave } = mountScreen(parent, "root", make);
  const old = parent.root;
  parent.root = new Element();
  const { screen: next } = mountScreen(parent, "root", make);
  assert.notEqual(next, screen);
  assert.equal(screen.isDestroyed, true);
  old.isConnected = false;
  leave(); // comes late, and is about the old one
  assert.equal(next.isDestroyed, false);
});

test("modules of another version take down the screen of those before", () => {
  const parent = new Parent();
  const { screen } = mountScreen(parent, "root", make);
  const { screen: next } = later.mountScreen(parent, "root", make);
  assert.equal(screen.isDestroyed, true);
  assert.notEqual(next, screen);
  assert.equal(later.mountScreen(parent, "root", make).screen, next);
});

test("a screen whose page is left is destroyed, after it was asked for what outlives it", () => {
  const parent = new Parent();
  const kept = [];
  const { screen, leave } = mountScreen(parent, "root", make, (one) => kept.push(one, one.isDestroyed));
  parent.root.isConnected = false;
  leave();
  leave();
  assert.deepEqual(kept, [screen, false]);
  assert.equal(screen.isDestroyed, true);
});

test("a page without the part is named", () => {
  assert.throws(() => mountScreen(new Parent(), "stepper", make), /the page has no part "stepper"/);
});

for (const file of [
  "viewer/mount.js",
  "review/review_mount.js",
  "stage_view/stage_view.js",
  "stepper/stepper.js",
  "uploads/uploads.js",
  "review/outbox.js",
]) {
  test(`${file} has a default export for Streamlit`, async () => {
    const { default: mount } = await import(`../../pages/components/web/${file}`);
    assert.equal(typeof mount, "function");
    assert.match(mount.name, /^mount[A-Z]/);
  });
}
