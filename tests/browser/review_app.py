"""A page with nothing but the reviewer, over drawn pictures and a store in memory.

Query: ``store`` names the store (it outlives a reload), ``count`` places, ``unit``, ``instances`` per image,
``window`` frames on each side, ``delay`` seconds that Python takes, ``late`` seconds before it comes to the
page's buttons, ``size`` of the pictures, ``categories``.
"""

import json
import time

import streamlit as st

from maskrcnn_core.drawing.style import Style
from maskrcnn_core.projects.review.operations import Finish, Relabel, SetStatus
from pages.components.review import (
    Go,
    InstanceState,
    QueueFacts,
    Refusal,
    ReviewCategory,
    ReviewFrame,
    ReviewMessage,
    reviewer,
    waiting_operations,
)
from pages.components.viewer import (
    ViewerImage,
    ViewerInstance,
    ViewerMessage,
    media_url,
)
from pages.shared.steady import keep_steady
from tests.browser.drawings import COLORS, masks, picture

NAMES = ["person", "bicycle", "traffic light", "bus", "<b>odd</b> **name**", "dog", "cat", "boat", "bird"]
NAMES += ["kite", "zebra", "bench", "clock"]


class Store:
    """Rows with versions, what was taken in of each client, and a journal for undo."""

    def __init__(self, count, instances):
        self.images = {1000 + i: {"status": "new", "version": 1} for i in range(count)}
        self.instances = {}
        for image_id in self.images:
            for k in range(instances):
                row = {"image_id": image_id, "status": "proposed", "category_id": 10 + k % 4, "version": 1}
                self.instances[image_id * 1000 + k] = row
        self.taken = {}
        self.log = []
        self.refused = {}
        self.done, self.undone = [], []
        self.at = 0

    def carry_out(self, client, operations, token):
        for operation in operations:
            if operation.seq <= self.taken.get(client, 0):
                continue
            self.taken[client] = operation.seq
            self.log.append((client, operation.seq, operation.kind))
            try:
                self._carry_out(operation, token)
            except ValueError as error:
                self.refused.setdefault(client, []).append(Refusal(operation.seq, str(error)))
        return self.taken.get(client, 0)

    def _carry_out(self, operation, token):
        if isinstance(operation, SetStatus):
            self._change(
                [(self.instances, i, v, {"status": operation.status}) for i, v in operation.instances]
            )
        elif isinstance(operation, Relabel):
            values = {"category_id": operation.category_id}
            self._change([(self.instances, i, v, values) for i, v in operation.instances])
        elif isinstance(operation, Finish):
            values = {"status": operation.status}
            self._change([(self.images, operation.image_id, operation.image_version, values)])
        elif isinstance(operation, Go):
            if operation.token == token:
                self.at = operation.at
        elif operation.kind == "undo":
            self._turn_back(self.done, self.undone)
        else:
            self._turn_back(self.undone, self.done)

    def _change(self, changes):
        for table, id_, version, _ in changes:
            if table[id_]["version"] != version:
                raise ValueError(f"{id_} has been changed by somebody else.")
        before = [(table, id_, {k: table[id_][k] for k in values}) for table, id_, _, values in changes]
        for table, id_, _, values in changes:
            table[id_].update(values, version=table[id_]["version"] + 1)
        self.done.append(before)
        self.undone.clear()

    @staticmethod
    def _turn_back(source, target):
        if not source:
            return
        changes = source.pop()
        target.append([(table, id_, {k: table[id_][k] for k in values}) for table, id_, values in changes])
        for table, id_, values in changes:
            table[id_].update(values, version=table[id_]["version"] + 1)


@st.cache_resource
def open_store(name, count, instances):
    return Store(count, instances)


def make_frame(store, at, unit, per_image, width, height, kept):
    number, k = (at, None) if unit == "image" else divmod(at, per_image)
    image_id = 1000 + number
    ids = [image_id * 1000 + i for i in range(per_image)]
    shapes = masks(number, per_image, width, height)
    instances = tuple(
        ViewerInstance(
            id=id_,
            label=NAMES[store.instances[id_]["category_id"] - 10],
            category_id=store.instances[id_]["category_id"],
            score=1.0 if i == 2 else round(0.99 - 0.06 * (i % 11), 2),
            box=shapes[i][1],
            rle=shapes[i][0],
            color_instance=COLORS[i % len(COLORS)],
            color_category=COLORS[(store.instances[id_]["category_id"] - 10) % len(COLORS)],
        )
        for i, id_ in enumerate(ids)
    )
    url = media_url(picture(number, width, height), "image/jpeg", f"review-{number}")
    message = ViewerMessage(
        ViewerImage(f"image-{number}", url, width, height, f"image {number + 1}.jpg"),
        instances,
        **kept,
    )
    states = {
        id_: InstanceState(
            status=store.instances[id_]["status"],
            version=store.instances[id_]["version"],
            category_id=store.instances[id_]["category_id"],
            note="runner-up: bus 0.41; soft edge" if i % 2 else "",
            has_score=i != 2,
        )
        for i, id_ in enumerate(ids)
    }
    row = store.images[image_id]
    focus = None if k is None else ids[k]
    return ReviewFrame(at, message, image_id, row["version"], row["status"], states, focus)


def main():
    st.set_page_config(layout="wide")
    keep_steady()
    query = st.query_params
    count, per_image = int(query.get("count", 12)), int(query.get("instances", 8))
    unit, reach = query.get("unit", "image"), int(query.get("window", 3))
    width, height = map(int, query.get("size", "1200x800").split("x"))
    store = open_store(query.get("store", "one"), count, per_image)
    length = count if unit == "image" else count * per_image
    token = f"{unit}-{query.get('store', 'one')}"
    kept = st.session_state.setdefault("kept", {"display": Style(), "ack": 0, "score_threshold": 0.3})

    time.sleep(float(query.get("late", 0)))
    if st.button("Somebody else rejects the first"):
        row = store.instances[(1000 + store.at) * 1000]
        row.update(status="rejected", version=row["version"] + 1)
    if query.get("dialog") and st.button("Ask"):
        st.dialog("A question")(lambda: st.write("Well?"))()
    if query.get("text"):
        st.text_input("Some text")
    report = waiting_operations("review")
    client, acked = "", 0
    if report is not None and not st.query_params.get("deaf"):
        client, acked = report.client, store.carry_out(report.client, report.operations, token)
    places = range(max(0, store.at - reach), min(length, store.at + reach + 1))
    message = ReviewMessage(
        frames=tuple(make_frame(store, at, unit, per_image, width, height, kept) for at in places),
        queue=QueueFacts(token, length, min(store.at, max(0, length - 1)), unit),
        categories=tuple(
            ReviewCategory(10 + i, NAMES[i], COLORS[i % len(COLORS)])
            for i in range(int(query.get("categories", 4)))
        ),
        ack_client=client,
        ack_seq=acked,
        refused=tuple(store.refused.get(client, [])[-20:]),
        can_undo=bool(store.done),
        can_redo=bool(store.undone),
    )
    if delay := float(query.get("delay", 0)):
        time.sleep(delay)
    answer = reviewer(message, key="review")
    if answer is not None and answer.view is not None:
        kept.update(
            display=answer.view.display,
            ack=answer.view.seq,
            score_threshold=answer.view.score_threshold,
            hidden_categories=answer.view.hidden_categories,
        )
    st.session_state["runs"] = st.session_state.get("runs", 0) + 1
    st.text("runs=" + str(st.session_state["runs"]))
    st.text(
        "store="
        + json.dumps(
            {
                "log": store.log,
                "at": store.at,
                "images": {id_: row["status"] for id_, row in store.images.items() if row["status"] != "new"},
                "decided": {
                    id_: [row["status"], row["category_id"]]
                    for id_, row in store.instances.items()
                    if row["version"] > 1
                },
            }
        )
    )


main()
