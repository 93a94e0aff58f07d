// Tab stops at what is seen of a row.

import assert from "node:assert/strict";
import { test } from "node:test";

import { SeenStops } from "../../pages/components/web/review/seen_stops.js";

class Button {
  tabIndex = 0;
}

/** @type {{tell: (entries: object[]) => void, root: object, watched: Set<Button>}} */
let observer;

globalThis.HTMLElement = /** @type {any} */ (Button);
globalThis.IntersectionObserver = /** @type {any} */ (
  class {
    constructor(tell, { root }) {
      observer = { tell, root, watched: new Set() };
    }

    observe(button) {
      observer.watched.add(button);
    }

    disconnect() {
      observer.watched.clear();
    }
  }
);

test("a button that does not fit is no stop, until it does", () => {
  const [row, seen, cut] = [{}, new Button(), new Button()];
  const stops = new SeenStops(row);
  stops.watch([seen, cut]);
  assert.equal(observer.root, row);
  const say = (target, isIntersecting) => observer.tell([{ target, isIntersecting }]);
  say(seen, true);
  say(cut, false);
  assert.deepEqual([seen.tabIndex, cut.tabIndex], [0, -1]);
  say(cut, true);
  assert.equal(cut.tabIndex, 0);
});

test("buttons that have taken others' place are looked at alone", () => {
  const [old, fresh] = [new Button(), new Button()];
  const stops = new SeenStops({});
  stops.watch([old]);
  stops.watch([fresh]);
  assert.deepEqual([...observer.watched], [fresh]);
});
