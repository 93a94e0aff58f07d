import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { fold, hasAllWords, rankOf } from "../../pages/components/web/lib/text_search.js";
import {
  FIRST_ORDER,
  filterRows,
  isListKey,
  orderBy,
  placeAfter,
  rangeOf,
  readOrder,
  rowsOf,
  scrollTo,
  sortRows,
  windowOf,
  writeOrder,
} from "../../pages/components/web/viewer/list_rows.js";
import { acceptMessage } from "../../pages/components/web/viewer/state.js";

const read = () => JSON.parse(readFileSync(new URL("../data/viewer/message.json", import.meta.url), "utf8"));
const ids = (rows) => rows.map(({ id }) => id);
const row = (id, values) => ({
  id,
  category: "cat",
  color: "#000000",
  score: 0.5,
  area: 10,
  status: "proposed",
  source: "shapes",
  isCrowd: false,
  isHidden: false,
  isLocked: false,
  isSelected: false,
  ...values,
});

test("texts are compared whatever the case and without marks", () => {
  assert.equal(fold("  Crème BRÛLÉE "), "creme brulee");
  assert.equal(fold("Ångström ﬁsh"), "angstrom fish");
  assert.equal(hasAllWords("traffic light", "light traf"), true);
  assert.equal(hasAllWords("traffic light", "light dog"), false);
});

test("a name that is asked for comes before those that begin so, and those before the rest", () => {
  const ranks = { cat: 0, caterpillar: 1, "wild cat": 2, "big wildcat": 3, dog: null };
  for (const [name, rank] of Object.entries(ranks)) assert.equal(rankOf(name, "cat"), rank, name);
  assert.equal(rankOf("traffic light", "light traffic"), 3, "its words in another order");
});

test("the list has what reaches the score, also what is hidden one by one", () => {
  const model = acceptMessage(null, read());
  model.marks.hidden.add(7);
  model.marks.locked.add(3);
  model.selected = new Set([12]);
  const rows = rowsOf(model, (id) => (id === 7 ? 42 : null));
  assert.deepEqual(ids(rows), [7, 3, 12]);
  assert.deepEqual(
    rows.map(({ isHidden, isLocked, isSelected }) => [isHidden, isLocked, isSelected]),
    [
      [true, false, false],
      [false, true, false],
      [false, false, true],
    ],
  );
  assert.deepEqual([rows[0].area, rows[1].area, rows[0].source], [42, null, "shapes"]);
  model.hidden.add(44);
  assert.deepEqual(ids(rowsOf(model, () => null)), [7, 3]);
});

test("a source or status of its own comes before the message's, and a number that means nothing is none", () => {
  const data = read();
  Object.assign(data.instances[0], { source: "person", status: "accepted", has_score: false, is_crowd: true });
  const found = rowsOf(acceptMessage(null, data), () => 1).find(({ id }) => id === data.instances[0].id);
  assert.deepEqual([found.source, found.status, found.score, found.isCrowd], ["person", "accepted", null, true]);
});

test("rows are filtered by words of category, source, status and state", () => {
  const rows = [
    row(1, { category: "Crème" }),
    row(2, { status: "accepted", isLocked: true }),
    row(3, { source: "person", isHidden: true }),
  ];
  assert.deepEqual(ids(filterRows(rows, " ")), [1, 2, 3]);
  assert.deepEqual(ids(filterRows(rows, "creme")), [1]);
  assert.deepEqual(ids(filterRows(rows, "cat shap")), [2]);
  assert.deepEqual(ids(filterRows(rows, "hidden")), [3]);
  assert.deepEqual(ids(filterRows(rows, "LOCKED acc")), [2]);
  assert.deepEqual(ids(filterRows(rows, "zebra")), []);
});

test("rows are sorted by each column, equal ones stay, and what is unknown comes last", () => {
  const rows = [
    row(1, { score: null, area: null, category: "cell 10" }),
    row(2, { score: 0.2, area: 30, category: "cell 9" }),
    row(3, { score: 0.9, area: 20, category: "Äpfel" }),
    row(4, { score: 0.2, area: 20, category: "cell 9" }),
  ];
  const by = (column, isDescending) => ids(sortRows(rows, { column, isDescending }));
  assert.deepEqual(by("score", true), [3, 2, 4, 1]);
  assert.deepEqual(by("score", false), [2, 4, 3, 1]);
  assert.deepEqual(by("area", false), [3, 4, 2, 1]);
  assert.deepEqual(by("category", false), [3, 2, 4, 1], "numbers by their size, letters by the alphabet");
  assert.deepEqual(by("status", true), [1, 2, 3, 4]);
});

test("a column's head turns its order around, and numbers begin with the largest", () => {
  assert.deepEqual(orderBy(FIRST_ORDER, "score"), { column: "score", isDescending: false });
  assert.deepEqual(orderBy(FIRST_ORDER, "area"), { column: "area", isDescending: true });
  assert.deepEqual(orderBy(FIRST_ORDER, "category"), { column: "category", isDescending: false });
  for (const order of [FIRST_ORDER, { column: "status", isDescending: false }]) {
    assert.deepEqual(readOrder(writeOrder(order)), order);
  }
  for (const text of [null, "", "colour down"]) assert.deepEqual(readOrder(text), FIRST_ORDER);
});

test("of many rows only those in sight and some around are there", () => {
  assert.deepEqual(windowOf(0, 380, 38, 2000), { from: 0, to: 18 });
  assert.deepEqual(windowOf(38 * 1000, 380, 38, 2000), { from: 992, to: 1018 });
  assert.deepEqual(windowOf(38 * 1990, 380, 38, 2000), { from: 1982, to: 2000 });
  assert.deepEqual(windowOf(0, 380, 38, 3), { from: 0, to: 3 });
  assert.deepEqual(windowOf(38 * 500, 380, 38, 3), { from: 2, to: 3 }, "scrolled further than there is anything");
  assert.deepEqual(windowOf(0, 0, 38, 0), { from: 0, to: 0 });
});

test("scrolling goes no further than it takes to see a row", () => {
  assert.equal(scrollTo(0, 100, 380, 38), 0);
  assert.equal(scrollTo(5, 0, 380, 38), 0);
  assert.equal(scrollTo(10, 0, 380, 38), 38);
  assert.equal(scrollTo(1999, 0, 380, 38), 38 * 1990);
  assert.equal(scrollTo(3, 38 * 5, 380, 38), 38 * 3);
});

test("keys lead from row to row", () => {
  assert.equal(placeAfter("ArrowDown", -1, 5, 3), 0);
  assert.equal(placeAfter("ArrowUp", -1, 5, 3), 4);
  assert.equal(placeAfter("ArrowDown", 4, 5, 3), 4);
  assert.equal(placeAfter("PageDown", 0, 5, 3), 3);
  assert.equal(placeAfter("PageUp", 1, 5, 3), 0);
  assert.equal(placeAfter("End", 0, 5, 3), 4);
  assert.equal(placeAfter("Home", 3, 5, 3), 0);
  assert.equal(placeAfter("a", 3, 5, 3), null);
  assert.equal(placeAfter("ArrowDown", 0, 0, 3), null);
  assert.deepEqual(["ArrowUp", "F2", " ", "a", "Delete", "Escape", "Tab"].map(isListKey), [
    true,
    true,
    true,
    false,
    false,
    false,
    false,
  ]);
});

test("a range goes from row to row in the order of the list", () => {
  assert.deepEqual(rangeOf([5, 9, 2, 7], 9, 7), [9, 2, 7]);
  assert.deepEqual(rangeOf([5, 9, 2, 7], 7, 9), [9, 2, 7]);
  assert.deepEqual(rangeOf([5, 9, 2, 7], 1, 2), [2], "where it began is gone");
  assert.deepEqual(rangeOf([5, 9, 2, 7], 5, 1), []);
});
