import assert from "node:assert/strict";
import { test } from "node:test";

import { CategoryChoice, hotKeyOf, keyToGive } from "../../pages/components/web/review/category_choice.js";
import { MOST_OPTIONS, optionsFor } from "../../pages/components/web/review/category_options.js";
import { WaitingShapes } from "../../pages/components/web/review/waiting_shapes.js";

function storage(entries = {}) {
  const kept = new Map(Object.entries(entries));
  return { getItem: (key) => kept.get(key) ?? null, setItem: (key, text) => kept.set(key, text) };
}

const named = (...names) => names.map((name, n) => ({ id: 10 + n, name, color: "#000000" }));
const THREE = named("cat", "dog", "bus");
const press = (key, code, held = {}) => ({ key, code, altKey: false, ctrlKey: false, metaKey: false, ...held });
const alt = { altKey: true };

function begin(tab = storage(), browser = storage()) {
  const choice = new CategoryChoice(tab, browser);
  choice.open(5);
  return choice;
}

test("nothing is the first category by itself, unless there is only one", () => {
  const choice = begin();
  assert.equal(choice.active(THREE), null);
  assert.equal(choice.active([]), null);
  assert.equal(choice.active(named("cat")).name, "cat");
  assert.equal(choice.explicit(named("cat")), null, "which nobody chose");
  choice.choose("bus");
  assert.equal(choice.active(THREE).id, 12);
  assert.equal(choice.active(named("cat", "dog")), null, "it is gone");
  choice.choose("");
  assert.equal(choice.active(THREE), null);
});

test("the active category lasts over a reload, in its own project, and damage is as if nothing was kept", () => {
  const [tab, browser] = [storage(), storage()];
  begin(tab, browser).choose("dog");
  const again = begin(tab, browser);
  assert.equal(again.active(THREE).name, "dog");
  again.open(6);
  assert.equal(again.active(THREE), null);
  again.choose("cat");
  again.open(5);
  assert.equal(again.active(THREE).name, "dog");
  for (const text of ["{", "7", "[]", "null"]) {
    const damaged = storage({
      "maskdesk-category": text,
      "maskdesk-categories-recent": text,
      "maskdesk-category-keys": text,
    });
    assert.equal(begin(damaged, damaged).active(THREE), null, text);
  }
  assert.equal(begin(null, null).active(THREE), null);
});

test("digits are those of the first nine, until somebody gives a category a key", () => {
  const [tab, browser] = [storage(), storage()];
  const choice = begin(tab, browser);
  const keyed = (categories) => [...choice.keyed(categories)].map(([key, { name }]) => [key, name]).sort();
  assert.deepEqual(keyed(THREE), [
    ["1", "cat"],
    ["2", "dog"],
    ["3", "bus"],
  ]);
  choice.assign("bus", "1");
  assert.deepEqual(
    keyed(THREE),
    [
      ["1", "bus"],
      ["2", "dog"],
    ],
    "cat gave way, and dog kept its own",
  );
  choice.assign("cat", "Alt+c");
  assert.deepEqual(keyed(THREE)[2], ["Alt+c", "cat"]);
  choice.assign("dog", "Alt+c");
  assert.deepEqual(keyed(THREE), [
    ["1", "bus"],
    ["Alt+c", "dog"],
  ]);
  choice.assign("bus", "1");
  assert.deepEqual(keyed(THREE), [
    ["1", "cat"],
    ["3", "bus"],
    ["Alt+c", "dog"],
  ]);
  assert.deepEqual([...begin(tab, browser).keys], [["Alt+c", "dog"]], "kept with the browser");
  const many = named(...Array.from({ length: 12 }, (_, n) => `c${n}`));
  assert.equal([...choice.keyed(many)].length, 9);
});

test("keys of no form that could be pressed are not read", () => {
  const browser = storage({ "maskdesk-category-keys": '{"a": "cat", "Alt+d": "dog", "0": "bus", "Alt+e": 7}' });
  assert.deepEqual([...begin(storage(), browser).keys], [["Alt+d", "dog"]]);
});

test("which key a press is", () => {
  assert.equal(hotKeyOf(press("3", "Digit3")), "3");
  assert.equal(hotKeyOf(press("å", "KeyA", alt)), "Alt+a");
  assert.equal(hotKeyOf(press("a", "KeyA")), null);
  assert.equal(hotKeyOf(press("3", "Digit3", { ctrlKey: true })), null);
  assert.equal(keyToGive(press("¡", "Digit1", alt)), "1");
  assert.equal(keyToGive(press("k", "KeyK", alt)), "Alt+k");
  assert.equal(keyToGive(press("k", "KeyK")), null);
  assert.equal(keyToGive(press("0", "Digit0", alt)), null);
});

const say = ({ options }) =>
  options.map((one) => (one.kind === "category" ? one.category.name : one.kind === "new" ? `+${one.name}` : "-"));
const ask = (query, changes = {}) => optionsFor({ query, categories: THREE, recent: [], canClear: false, ...changes });

test("without a word the last ones come first, then the project's order", () => {
  assert.deepEqual(say(ask("")), ["cat", "dog", "bus"]);
  assert.deepEqual(say(ask("", { recent: ["bus", "gone"] })), ["bus", "cat", "dog"]);
  assert.deepEqual(say(ask(" ", { canClear: true })), ["cat", "dog", "bus", "-"]);
});

test("by a word: the name itself, what begins so, what contains it; accents and case do not matter", () => {
  const categories = named("wildcat", "Cats", "pölecat", "cat", "Crème brûlée");
  assert.deepEqual(say(ask("cat", { categories })), ["cat", "Cats", "wildcat", "pölecat"]);
  assert.deepEqual(say(ask("polecat", { categories })), ["pölecat", "+polecat"]);
  assert.deepEqual(say(ask("brulee", { categories })), ["Crème brûlée", "+brulee"]);
  assert.deepEqual(say(ask("CAT", { categories, recent: ["pölecat"] })), ["cat", "Cats", "pölecat", "wildcat", "+CAT"]);
});

test("what does not exist can be made, and what does cannot", () => {
  assert.deepEqual(say(ask("  zebra  crossing ")), ["+zebra crossing"]);
  assert.deepEqual(say(ask("cat")), ["cat"]);
  assert.deepEqual(say(ask("x".repeat(2000))), [], "no name is as long");
});

test("of many only some are offered at once, and the rest are counted", () => {
  const categories = named(...Array.from({ length: 250 }, (_, n) => `c${n}`));
  const found = ask("", { categories });
  assert.deepEqual([found.options.length, found.more], [MOST_OPTIONS, 150]);
  assert.equal(ask("c24", { categories }).more, 0);
});

const mask = (n) => ({ image_id: n, what: "brush", mask: { counts: "041O", box: [0, 0, 1, 4] } });

test("shapes wait image by image, in the tab, until their category is said", () => {
  const tab = storage();
  const waiting = new WaitingShapes(tab);
  waiting.add(mask(1));
  waiting.add({ image_id: 2, box: [1, 2, 3, 4] });
  waiting.add(mask(1));
  assert.deepEqual(new WaitingShapes(tab).shapes, waiting.shapes);
  assert.equal(waiting.of(1).length, 2);
  assert.equal(waiting.take(1).length, 2);
  assert.deepEqual([waiting.of(1).length, new WaitingShapes(tab).of(2).length], [0, 1]);
});

test("a shape that waits is taken back and brought back", () => {
  const waiting = new WaitingShapes(storage());
  assert.equal(waiting.undo(1), false);
  waiting.add(mask(1));
  assert.deepEqual([waiting.undo(2), waiting.undo(1), waiting.of(1).length], [false, true, 0]);
  assert.deepEqual(
    [waiting.canRedo(2), waiting.canRedo(1), waiting.redo(1), waiting.redo(1)],
    [false, true, true, false],
  );
  waiting.undo(1);
  waiting.add(mask(1));
  assert.equal(waiting.canRedo(1), false, "something else was drawn since");
});

test("what is kept of shapes and does not hold is left out", () => {
  const rows = [
    mask(1),
    { image_id: 1 },
    { image_id: "1", box: [1, 2, 3, 4] },
    { image_id: 1, box: [1, 2, 3] },
    null,
    7,
  ];
  rows.push({ ...mask(1), mask: { counts: 5, box: [0, 0, 1, 1] } }, { ...mask(1), what: undefined });
  assert.equal(new WaitingShapes(storage({ "maskdesk-waiting-shapes": JSON.stringify(rows) })).shapes.length, 1);
  for (const text of ["{", "{}", "7"]) {
    assert.deepEqual(new WaitingShapes(storage({ "maskdesk-waiting-shapes": text })).shapes, []);
  }
});
