"""Undo and redo among several people: never stuck, nobody overwritten, and all taken back is the start."""

import json
from contextlib import suppress
from itertools import count
from random import Random

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from maskrcnn_core.errors import ConflictError, CoreError
from maskrcnn_core.projects.category_edits import (
    add_categories,
    change_category,
    merge_categories,
    remove_category,
)
from maskrcnn_core.projects.db.location import StorePlace
from maskrcnn_core.projects.exchange.coco_in import import_coco
from maskrcnn_core.projects.journal import Ref
from maskrcnn_core.projects.mask_edits import MadeMask, MendedMask, edit_masks
from maskrcnn_core.projects.new_rows import new_category, new_image, new_instance
from maskrcnn_core.projects.seeing import set_stretch
from maskrcnn_core.projects.store import Store
from maskrcnn_core.projects.undo_report import kinds_of, tell_turn
from tests.builders.core import disc
from tests.builders.projects import SIZE, change, make_project, statuses

PEOPLE = ("ann", "bob", "eve")
MODEL = "model nuclei"
_NAMES = count()


# -- what people do -------------------------------------------------------------------------------


def pick(rows, k):
    return rows[k % len(rows)] if rows else None


def set_status(status):
    def act(store, project, who, k, j):
        if row := pick(store.instances(project), k):
            store.decide(project, who, status, [change(row, status=status)], image_id=row.image_id)

    return act


def accept_all(store, project, who, k, j):
    rows = store.instances(project)
    store.decide(project, who, "accept all", [change(row, status="accepted") for row in rows])


def relabel(store, project, who, k, j):
    row, category = pick(store.instances(project), k), pick(store.categories(project), j)
    if row and category:
        store.decide(project, who, "relabel", [change(row, category_id=category.id)])


def mend(store, project, who, k, j):
    if row := pick(store.instances(project), k):
        mask = disc(*SIZE, 25, 35, 5 + j % 15)
        edit_masks(store, row.image_id, who, "brush", [MendedMask(row.id, row.version, mask.counts)])


def add(store, project, who, k, j):
    image, category = pick(store.images(project), k), pick(store.categories(project), j)
    if image and category:
        edit_masks(
            store,
            image.id,
            who,
            "outline",
            [],
            [MadeMask(category.id, disc(*SIZE, 30, 30, 9).counts)],
        )


def remove(store, project, who, k, j):
    if row := pick(store.instances(project), k):
        edit_masks(store, row.image_id, who, "remove", [MendedMask(row.id, row.version, None)])


def merge(store, project, who, k, j):
    rows = store.categories(project)
    if len(rows) > 1:
        merge_categories(store, project, who, [pick(rows, k)], pick(rows, k + 1))


def make_category(store, project, who, k, j):
    add_categories(store, project, who, [f"kind {j % 4}"])


def rename(store, project, who, k, j):
    if row := pick(store.categories(project), k):
        change_category(store, project, who, row, name=f"kind {j % 4}")


def drop_category(store, project, who, k, j):
    if row := pick(store.categories(project), k):
        remove_category(store, project, who, row)


def finish(store, project, who, k, j):
    if image := pick(store.images(project), k):
        status = "reviewed" if j % 2 else "opened"
        store.decide(project, who, "finish", [change(image, "image", status=status)], image_id=image.id)


def look(store, project, who, k, j):
    if image := pick(store.images(project), k):
        store.mark_opened(image.id)


def bring(store, project, who, k, j):
    """A file with an image, a category and two instances."""
    store.decide(
        project,
        who,
        "import COCO",
        [
            new_category(None, f"kind {k % 4}", key="category"),
            new_image(None, f"file {j % 3}.png", SIZE, store.blobs.put(b"x"), key="image"),
            *(
                new_instance(Ref("image"), Ref("category"), None, disc(*SIZE, 20, 20, 7), source="file")
                for _ in range(2)
            ),
        ],
    )


def propose(store, project, who, k, j):
    """A model offers something in one image and takes back what it had offered and nobody has touched."""
    image, category = pick(store.images(project), k), pick(store.categories(project), j)
    if image and category:
        old = [r for r in store.instances(project, image_id=image.id) if r.source == "m" and r.version == 1]
        new = new_instance(
            image.id,
            category.id,
            None,
            disc(*SIZE, 30, 40, 6),
            source="m",
            score=0.5,
        )
        store.decide(
            project, MODEL, "propose", [*(change(r, gone=True) for r in old), new], image_id=image.id
        )


DECISIONS = (
    *map(set_status, ("accepted", "rejected", "proposed")),
    accept_all,
    relabel,
    mend,
    add,
    remove,
    merge,
    make_category,
    rename,
    drop_category,
    finish,
    look,
    bring,
    propose,
)


def attempt(act, *arguments):
    """What is refused, as a name that is taken, changes nothing."""
    with suppress(CoreError):
        act(*arguments)


# -- what is seen ---------------------------------------------------------------------------------


def seen(store, project):
    """Every field that people see, by table, id and name. Having been looked at is no change."""
    fields = {}
    for row in store.categories(project):
        fields["category", row.id] = {"name": row.name}
    for row in store.images(project):
        status = "new" if row.status == "opened" else row.status
        fields["image", row.id] = {"file_name": row.file_name, "status": status}
    for row in store.instances(project):
        fields["instance", row.id] = {
            "status": row.status,
            "category": row.category_id,
            "counts": row.counts,
            "place": (row.image_id, row.source),
        }
    return fields


def differing(before, after):
    """The fields that differ, with ``there`` for rows that came or went."""
    return {(*key, "there") for key in before.keys() ^ after.keys()} | {
        (*key, name)
        for key in before.keys() & after.keys()
        for name in before[key]
        if before[key][name] != after[key][name]
    }


class Watch:
    """A second opinion, from what is seen alone: who has written each field, the last one on top."""

    def __init__(self, store, project):
        self.store, self.project = store, project
        self.start = self.now = seen(store, project)
        self.writers, self.after_undo = {}, {}

    def look(self):
        before, self.now = self.now, seen(self.store, self.project)
        categories = {id_ for table, id_ in self.now if table == "category"}
        for (table, _), fields in self.now.items():
            assert table != "instance" or fields["category"] in categories
        return differing(before, self.now)

    def decided(self, who):
        for cell in self.look():
            self.writers.setdefault(cell, []).append(who)

    def undone(self, entry, who):
        changed, lines = self.look(), {(line["table"], line["id"]): line for line in entry.changes}
        for cell in changed:
            assert cell[:2] in lines, "what changed is in the journal"
            if lines[cell[:2]].get("along"):
                written = [w for key, whose in self.writers.items() if key[:2] == cell[:2] for w in whose]
                assert set(written) <= {MODEL}, "only what nobody has touched goes with its image"
                self.writers[cell].append(who)
            else:
                assert self.writers[cell].pop() == who, f"{cell} was somebody else's"
        self.after_undo[entry.id] = {cell: list(self.writers.get(cell, ())) for cell in changed}

    def redone(self, entry, who):
        before = self.after_undo[entry.target_id]
        for cell in self.look():
            assert self.writers.get(cell, []) == before[cell], "nobody has written it since it was undone"
            if self.writers.get(cell, [])[-1:] == [who] and self.is_along(entry, cell):
                self.writers[cell].pop()
            else:
                self.writers.setdefault(cell, []).append(who)

    @staticmethod
    def is_along(entry, cell):
        return any((line["table"], line["id"]) == cell[:2] and line.get("along") for line in entry.changes)


def take_all_back(watch, order):
    """Everybody undoes until nobody can."""
    decisions = len(watch.store.journal(watch.project, limit=10_000))
    calls, going = 0, True
    while going:
        going = False
        for who in order:
            while (entry := watch.store.undo(watch.project, who)) is not None:
                watch.undone(entry, who)
                calls, going = calls + 1, True
                assert calls <= 4 * decisions, "stuck: it goes on for ever"


# -- the laws -------------------------------------------------------------------------------------


def some_days(seed, length):
    """Who does what; a few rows only, so that people meet."""
    random = Random(seed)
    turns = ("undo", "undo", "redo", "redo")
    return [
        (
            random.choice(PEOPLE),
            random.choice(DECISIONS if random.random() < 0.7 else turns),
            random.randrange(5),
            random.randrange(8),
        )
        for _ in range(length)
    ]


def hold_the_laws(store, days, order):
    project = make_project(store, who="importer", images=2, instances=2, name=f"Cells {next(_NAMES)}")
    watch = Watch(store, project)
    lines = len(store.journal(project, limit=10_000))
    for who, act, k, j in days:
        if callable(act):
            attempt(act, store, project, who, k, j)
            watch.decided(MODEL if act is propose else who)
        elif act == "undo":
            can_undo = store.undoable(project, who)[0]
            entry = store.undo(project, who)
            assert entry is not None or not can_undo
            if entry is not None:
                assert entry.changes or entry.skipped
                watch.undone(entry, who)
        else:
            can_redo = store.undoable(project, who)[1]
            entry = store.redo(project, who)
            assert (entry is not None) == can_redo
            if entry is not None:
                watch.redone(entry, who)
        now = len(store.journal(project, limit=10_000))
        assert now >= lines, "the journal only grows"
        lines = now
    take_all_back(watch, order)
    assert watch.now == watch.start
    assert [store.undo(project, who) for who in order] == [None] * len(order)


def laws(examples):
    return settings(
        max_examples=examples,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.generate],  # a smaller seed is no smaller example
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )


seeds = st.integers(0, 2**32 - 1)
orders = st.permutations((*PEOPLE, MODEL))


@pytest.fixture(scope="module")
def quick_store(tmp_path_factory):
    store = Store(StorePlace.in_folder(tmp_path_factory.mktemp("undoing") / "data"))
    yield store
    store.close()


@laws(12)
@given(seed=seeds, order=orders)
def test_whatever_people_do_undo_goes_on_overwrites_nobody_and_leads_back_to_the_start(
    quick_store, seed, order
):
    hold_the_laws(quick_store, some_days(seed, 45), order)


@pytest.mark.parametrize("seed", range(2))
def test_it_is_so_on_both_databases(store, seed):
    hold_the_laws(store, some_days(seed, 25), (*PEOPLE, MODEL))


@laws(5)
@given(seed=seeds)
def test_taken_back_in_reverse_order_everything_passes_by_again_and_so_it_does_when_made_again(
    quick_store, seed
):
    store = quick_store
    project = make_project(store, who="importer", images=2, instances=2, name=f"Cells {next(_NAMES)}")
    passed, authors, last = [seen(store, project)], [], store.journal(project, limit=1)[0].id
    for who, act, k, j in some_days(seed, 40):
        if callable(act):
            attempt(act, store, project, who, k, j)
            newest = store.journal(project, limit=1)[0]
            if newest.id != last and not newest.is_refused:
                authors.append(newest.who)
                passed.append(seen(store, project))
            last = newest.id
    for n in reversed(range(len(authors))):
        assert store.undo(project, authors[n]).skipped == ()
        assert seen(store, project) == passed[n]
    for n, who in enumerate(authors):
        assert store.redo(project, who).skipped == ()
        assert seen(store, project) == passed[n + 1]


# -- one by one -----------------------------------------------------------------------------------


def test_redo_goes_past_an_image_that_was_finished_before_anybody_looked_at_it(store):
    project = make_project(store, who="importer")
    image = store.images(project)[0]
    store.decide(project, "ann", "finish image", [change(image, "image", status="reviewed")])
    store.decide(project, "ann", "accept", [change(store.instances(project)[0], status="accepted")])
    store.undo(project, "ann")
    store.undo(project, "ann")
    store.mark_opened(image.id)  # as the undo shows the image
    assert [store.redo(project, "ann").skipped for _ in range(2)] == [(), ()]
    assert store.redo(project, "ann") is None
    assert store.images(project)[0].status == "reviewed" and statuses(store, project)[0] == "accepted"


def test_an_edit_is_told_by_what_its_button_says(store):
    project = make_project(store, images=1, instances=1)
    store.decide(project, "ann", "subtract", [change(store.instances(project)[0], status="accepted")])
    told = tell_turn(store, store.undo(project, "ann"))
    assert told == "taken back: bring to front, 1 instance in image 1.png"
    kinds = kinds_of(store, store.journal(project, limit=2))
    assert kinds == ["undo of bring to front", "bring to front"]


def test_what_a_data_set_says_beside_its_rows_is_named_and_not_called_a_project(store):
    project = store.create_project("Mine", "ann").id
    file = {
        "info": {"year": 2020},
        "licenses": [{"id": 1}],
        "images": [{"id": 1, "file_name": "a.png", "width": 8, "height": 8}],
        "categories": [{"id": 1, "name": "OMEGA"}],
        "annotations": [],
    }
    import_coco(store, project, "ann", json.dumps(file).encode(), {}.get)
    told = tell_turn(store, store.undo(project, "ann"))
    assert "the project's info, licenses" in told and "1 project" not in told
    assert "1 category (OMEGA)" in told
    set_stretch(store, project, "ann", "off")
    assert (
        tell_turn(store, store.undo(project, "ann")) == "taken back: stretch images, the project's settings"
    )


def test_what_somebody_changed_later_is_left_and_named_and_what_came_before_is_taken_back(store):
    project = make_project(store, who="importer")
    first, second = store.instances(project)[:2]
    store.decide(project, "ann", "accept", [change(first, status="accepted")])
    store.decide(project, "ann", "accept", [change(second, status="accepted")])
    store.decide(project, "bob", "reject", [change(store.instances(project)[1], status="rejected")])
    left, done = store.undo(project, "ann"), store.undo(project, "ann")
    assert (
        tell_turn(store, left)
        == "taken back: nothing of accept; left: 1 instance in image 1.png (bob decided 'reject' since)"
    )
    assert tell_turn(store, done) == "taken back: accept, 1 instance in image 1.png"
    assert store.undo(project, "ann") is None and statuses(store, project)[:2] == ["proposed", "rejected"]
    assert kinds_of(store, store.journal(project, limit=2)) == ["undo of accept", "undo of accept; 1 left"]
    # made again is what was taken back, and nothing else
    again, nothing = store.redo(project, "ann"), store.redo(project, "ann")
    assert tell_turn(store, again) == "done again: accept, 1 instance in image 1.png"
    assert "because the undo had to leave all of it" in tell_turn(store, nothing)
    assert statuses(store, project)[:2] == ["accepted", "rejected"]


def test_a_decision_is_taken_back_in_part_and_so_much_is_made_again(store):
    project = make_project(store, who="importer")
    rows = store.instances(project)[:3]
    store.decide(project, "ann", "accept all", [change(row, status="accepted") for row in rows])
    store.decide(project, "bob", "reject", [change(store.instances(project)[1], status="rejected")])
    assert len(store.undo(project, "ann").changes) == 2
    assert statuses(store, project)[:3] == ["proposed", "rejected", "proposed"]
    assert len(store.redo(project, "ann").changes) == 2
    assert statuses(store, project)[:3] == ["accepted", "rejected", "accepted"]
    assert [len(store.undo(project, "ann").changes), len(store.undo(project, "bob").changes)] == [2, 1]
    assert len(store.undo(project, "ann").changes) == 1, "bob's is gone: what was left is hers again"
    assert set(statuses(store, project)) == {"proposed"}


def test_a_change_to_and_fro_by_somebody_else_is_still_theirs(store):
    project = make_project(store, who="importer")
    store.decide(project, "ann", "accept", [change(store.instances(project)[0], status="accepted")])
    for status in ("rejected", "accepted"):
        store.decide(project, "bob", status, [change(store.instances(project)[0], status=status)])
    assert store.undo(project, "ann").changes == ()
    assert store.instances(project)[0].status == "accepted", "it is bob who says so now"


def test_open_proposals_go_and_come_with_their_image_and_nothing_is_added_to_it_meanwhile(store):
    project = make_project(store, who="importer")
    bring(store, project, "ann", 0, 0)
    image, category = store.images(project)[-1], store.categories(project)[0]
    new = [
        new_instance(image.id, category.id, 9000 + n, disc(*SIZE, 30, 40, 6), source="m") for n in range(2)
    ]
    store.decide(project, MODEL, "propose", new[:1], image_id=image.id)
    before = seen(store, project)
    undone = store.undo(project, "ann")
    assert tell_turn(store, undone).endswith(", and 1 open proposal on them")
    assert len(store.instances(project)) == 6
    with pytest.raises(ConflictError, match="removed the image"):
        store.decide(project, MODEL, "propose", new[1:], image_id=image.id)
    store.redo(project, "ann")
    assert seen(store, project) == before
    store.decide(project, "bob", "accept", [change(store.instances(project)[-1], status="accepted")])
    left = store.undo(project, "ann")
    assert [(line["table"], line["why"]) for line in left.skipped] == [
        ("image", "1 instance of others is on it")
    ]
    assert [row.status for row in store.instances(project, image_id=image.id)] == ["accepted"]


def test_a_name_that_is_taken_by_now_is_left_and_the_rest_goes_on(store):
    project = make_project(store, who="importer")
    cell, nucleus = store.categories(project)
    merge_categories(store, project, "ann", [nucleus], cell)
    add_categories(store, project, "bob", ["nucleus"])
    told = tell_turn(store, store.undo(project, "ann"))
    assert "another category is now called nucleus" in told and "its category is gone" in told
    assert {row.category_id for row in store.instances(project)} == {cell.id}
    store.undo(project, "bob")
    assert store.undo(project, "ann").skipped == ()
    assert {row.category_id for row in store.instances(project)} == {cell.id, nucleus.id}


def test_without_anything_to_take_back_nothing_is(store):
    project = make_project(store, who="importer")
    assert store.undo(project, "ann") is None and store.redo(project, "ann") is None
    assert store.undoable(project, "ann") == (False, False)
