import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { cleanName } from "../../pages/components/web/review/own_categories.js";
import { lookOf } from "../../pages/components/web/review/review_look.js";
import { ReviewState } from "../../pages/components/web/review/review_state.js";

const DATA = new URL("../data/review/", import.meta.url);
const message = (changes = {}) => ({
  ...JSON.parse(readFileSync(new URL("message.json", DATA), "utf8")),
  refused: [],
  ...changes,
});
const PIXEL = { counts: "041O", box: /** @type {const} */ ([0, 0, 1, 4]) };

function begin() {
  const state = new ReviewState({ client: message().ack_client, seq: 4, pending: [] });
  state.accept(message());
  return state;
}

const look = (state, id) => lookOf(state.frame, state.categories).find((one) => one.id === id);
const PALLET = { id: 91, name: "pallet", color: "#123456" };

test("a name is on one line, without blanks around it, and no longer than is stored", () => {
  assert.equal(cleanName("  pallet\t\n jack\u00a0"), "pallet jack");
  assert.equal(cleanName("\u001f Käfer\ufeff"), "Käfer");
  assert.equal(cleanName(" \n"), "");
  assert.equal(cleanName("x".repeat(1024)).length, 1024);
  assert.equal(cleanName("x".repeat(1025)), "");
  assert.equal(cleanName("a\ud800"), "", "half a character cannot be stored");
});

test("a category that was made here is there at once, and what is there already is not made again", () => {
  const state = begin();
  const own = state.newCategory("pallet");
  assert.ok(own < 0);
  assert.deepEqual(
    state.categories.map(({ id, name }) => [id, name]),
    [
      [1, "person"],
      [44, "<b>odd</b>"],
      [own, "pallet"],
    ],
  );
  assert.equal(state.newCategory(" pallet "), own);
  assert.equal(state.newCategory("person"), 1);
  assert.equal(state.newCategory("  "), null);
  assert.equal(state.report().ops.length, 1);
  assert.equal(state.canUndo, true);
});

test("what has it speaks of Python's id once that is known", () => {
  const state = begin();
  const own = state.newCategory("pallet");
  state.relabel([7], own);
  const [drawn] = state.edit("draw outline", [], [{ category_id: own, mask: PIXEL }]);
  assert.deepEqual([look(state, 7).label, look(state, drawn).label], ["pallet", "pallet"]);
  assert.equal(state.report().ops[1].category_id, "pallet");
  const { seq } = state.report().ops[0];
  const categories = [...message().categories, PALLET];
  state.accept(message({ ack_seq: seq, categories }));
  assert.deepEqual(state.categories, categories);
  assert.deepEqual(
    [7, drawn].map((id) => [look(state, id).label, look(state, id).category_id, look(state, id).color_category]),
    [
      ["pallet", 91, "#123456"],
      ["pallet", 91, "#123456"],
    ],
  );
  assert.equal(state.report().ops[0].category_id, "pallet", "what is on its way still names it so");
});

test("a category that another person made in the meantime is the same one", () => {
  const state = begin();
  const own = state.newCategory("pallet");
  state.relabel([7], own);
  state.accept(message({ categories: [...message().categories, PALLET] }));
  assert.deepEqual(
    state.categories.map(({ id }) => id),
    [1, 44, 91],
    "once, and under its real id",
  );
  assert.equal(look(state, 7).category_id, 91);
});

test("a box that is refused for want of a category comes back with what it was", () => {
  const state = begin();
  state.drawBox([1, 2, 3, 4]);
  const refused = [{ seq: state.seq, text: "which one?", needs: "category" }];
  const [told] = state.accept(message({ ack_seq: state.seq, refused }));
  assert.deepEqual([told.needs, told.op.image_id, told.op.box], ["category", 70, [1, 2, 3, 4]]);
  assert.deepEqual(state.accept(message({ ack_seq: state.seq, refused })), [], "told once");
});

test("where Python does not make it, it is gone with what was done to it", () => {
  const state = begin();
  const own = state.newCategory("pallet");
  state.relabel([7], own);
  state.accept(message({ ack_seq: state.seq, refused: [{ seq: state.seq, text: "no" }] }));
  assert.deepEqual(
    state.categories.map(({ id }) => id),
    [1, 44],
  );
  assert.equal(look(state, 7).label, "person");
});
