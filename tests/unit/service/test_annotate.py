"""Images in, annotations out: each image by itself."""

import asyncio
import json
import threading

import numpy as np
import pytest

from maskrcnn_core.dataset.annotations import Instance
from maskrcnn_core.detection.candidates import Thresholds
from maskrcnn_core.formats import FORMATS
from maskrcnn_core.formats.coco import annotation_row
from maskrcnn_core.images.reading import decode_image
from maskrcnn_core.inference.device_queue import device_queue_for
from maskrcnn_core.service.settings import Limits
from tests.builders.service import MODEL, Held, ask, files, members_of, png, post, tiny


def rows_of(data, image_id=1, first=1, **thresholds):
    """What the library says of an image."""
    chosen = Thresholds(MODEL.score_threshold, MODEL.nms_threshold, MODEL.max_detections, **thresholds)
    (detections,) = tiny().predict([decode_image(data, "x").pixels], chosen)
    found = Instance.from_detections(detections, MODEL.label_map, image_id, chosen.mask_threshold)
    return json.loads(json.dumps([annotation_row(n, one, 0) for n, one in enumerate(found, first)]))


def test_an_upload_gives_the_rows_of_the_library():
    data = png()
    answer = post(files=files(("street.png", data)))
    assert answer.status_code == 200, answer.text
    said = answer.json()
    expected = rows_of(data)
    assert said["result"]["annotations"] == expected and expected
    assert said["result"]["images"][0]["file_name"] == "street.png"
    assert said["images"] == [
        {
            "id": 1,
            "file_name": "street.png",
            "status": "annotated",
            "width": 90,
            "height": 60,
            "instances": len(expected),
            "notes": said["images"][0]["notes"],
        }
    ]


def test_one_that_fails_says_why_and_the_others_go_on():
    first, third = png(seed=1), png(40, 50, seed=2)
    answer = post(files=files(("a.png", first), ("b.png", first[:200]), ("c.png", third)))
    assert answer.status_code == 200
    said = answer.json()
    assert [image["status"] for image in said["images"]] == ["annotated", "failed", "annotated"]
    assert said["images"][1]["error"].startswith("b.png: ")
    assert [image["id"] for image in said["result"]["images"]] == [1, 3]
    before = rows_of(first)
    assert said["result"]["annotations"] == before + rows_of(third, 3, len(before) + 1)


def test_a_result_does_not_depend_on_the_images_beside_it():
    data = png(seed=3)
    alone = post(files=files(("a.png", data))).json()["result"]["annotations"]
    beside = post(files=files(*((f"{n}.png", png(seed=n)) for n in range(1, 5)))).json()["result"]
    of_it = [row for row in beside["annotations"] if row["image_id"] == 3]
    assert [row | {"id": 0, "image_id": 0} for row in of_it] == [
        row | {"id": 0, "image_id": 0} for row in alone
    ]


def test_numbers_in_names_become_ids_as_in_annotate():
    answer = post(files=files(("000000000139.png", png())))
    assert answer.json()["result"]["images"][0]["id"] == 139


def test_thresholds_and_categories_count():
    data = png()
    values = {"score_threshold": "0.05", "max_detections": "3", "mask_threshold": "0.3", "categories": "a, b"}
    answer = post(files=files(("a.png", data)), data=values)
    assert answer.status_code == 200, answer.text
    labels = MODEL.label_map.labels_of(["a", "b"])
    (detections,) = tiny().predict(
        [decode_image(data, "x").pixels], Thresholds(0.05, MODEL.nms_threshold, 3, 0.3, labels)
    )
    found = Instance.from_detections(detections, MODEL.label_map, 1, 0.3)
    assert [row["area"] for row in answer.json()["result"]["annotations"]] == [one.area for one in found]


@pytest.mark.parametrize("row", FORMATS, ids=[row.key for row in FORMATS])
def test_each_format_comes_with_what_became_of_each_image(row):
    answer = post(files=files(("a.png", png()), ("bad.png", b"no image")), data={"format": row.key})
    assert answer.status_code == 200, answer.text
    if row.mime == "application/json" and not row.per_image:
        report = answer.json()
        assert report["result"]
    else:
        members = members_of(answer)
        assert int(answer.headers["content-length"]) == len(answer.content)
        report = json.loads(members.pop("report.json"))
        assert members and all(members.values())
        assert row.suffix == ".zip" or all(name.endswith(row.suffix) for name in members)
    assert [image["status"] for image in report["images"]] == ["annotated", "failed"]


def test_an_image_that_the_network_cannot_see_is_nobodys_success():
    answer = post(files=files(("thin.png", png(1, 5000))))
    assert answer.status_code == 422
    assert "too thin" in answer.json()["error"]


def broken(key=None):
    predictor = tiny()
    predictor.run = lambda images, thresholds=None: 1 / 0
    return predictor


def test_a_bug_in_the_network_is_said_without_its_insides():
    answer = post(make=broken, files=files(("a.png", png())))
    assert answer.status_code == 500
    assert answer.json()["error"] == "a.png: the server could not look at it; its log says why"
    assert "division" not in answer.text and "Traceback" not in answer.text


def test_fifty_clients_at_once_all_get_their_own():
    images = [png(40, 50, seed=n) for n in range(50)]

    async def talk(client):
        asked = (client.post("/v1/annotate", files=files((f"i{n}.png", images[n]))) for n in range(50))
        return await asyncio.gather(*asked)

    answers = ask(talk)
    assert {answer.status_code for answer in answers} == {200}
    digests = {answer.json()["result"]["images"][0]["sha256"] for answer in answers}
    assert len(digests) == 50
    assert answers[7].json()["result"]["annotations"] == rows_of(images[7])
    assert len(device_queue_for("cpu")) == 0


# -- what is too much --------------------------------------------------------------------------------


def held_talk(held, limits, second):
    """The answer to a second request while a first one is held in the network, and the first one's."""

    async def talk(client):
        first = asyncio.ensure_future(client.post("/v1/annotate", files=files(("a.png", png()))))
        await asyncio.to_thread(held.begun.wait, 60)
        try:
            answer = await second(client)
        finally:
            held.go.set()
        return answer, await first

    return ask(talk, lambda key: held, limits=limits)


def test_a_full_queue_tells_when_to_come_again():
    held = Held()

    async def second(client):
        return (
            await client.post("/v1/annotate", files=files(("b.png", png()), ("c.png", png()))),
            (await client.get("/health")).json(),
        )

    (refused, health), first = held_talk(held, Limits(waiting=2), second)
    assert refused.status_code == 503
    assert int(refused.headers["retry-after"]) >= 1
    assert health["queue"] == 1 and health["status"] == "ready"
    assert first.status_code == 200


def test_too_many_open_requests_are_refused_before_they_are_read():
    held = Held()

    async def second(client):
        return await client.post("/v1/annotate", files=files(("b.png", png())))

    refused, first = held_talk(held, Limits(open_requests=1), second)
    assert refused.status_code == 503 and "retry-after" in refused.headers
    assert first.status_code == 200


def test_what_takes_too_long_is_given_up_and_leaves_the_queue():
    held = Held()

    async def talk(client):
        answers = await asyncio.gather(
            client.post("/v1/annotate", files=files(("a.png", png()))),
            client.post("/v1/annotate", files=files(("b.png", png()))),
        )
        waiting = len(device_queue_for("cpu"))
        held.go.set()
        return answers, waiting

    answers, waiting = ask(talk, lambda key: held, limits=Limits(seconds=0.5))
    assert [answer.status_code for answer in answers] == [504, 504]
    assert all("longer than 0.5 s" in answer.json()["error"] for answer in answers)
    assert waiting == 1, "only the one that runs is left"


def test_who_goes_away_leaves_the_queue():
    held, sent = Held(), []

    async def second(client):
        asked = client.build_request("POST", "/v1/annotate", files=files(("b.png", png())))
        body = await asked.aread()
        messages = [{"type": "http.request", "body": body, "more_body": False}]
        gone = asyncio.Event()

        async def receive():
            if messages:
                return messages.pop()
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message):
            sent.append(message)

        scope = {
            "type": "http",
            "method": "POST",
            "path": "/v1/annotate",
            "query_string": b"",
            "headers": [(name.lower(), value) for name, value in asked.headers.raw],
        }
        other = asyncio.ensure_future(client._transport.app(scope, receive, send))
        while len(device_queue_for("cpu")) < 2:
            await asyncio.sleep(0.01)
        gone.set()
        await other
        return len(device_queue_for("cpu"))

    left, first = held_talk(held, Limits(), second)
    assert left == 1, "only the one that runs"
    assert first.status_code == 200 and sent[0]["status"] == 499


def test_pixels_beyond_the_room_are_decoded_again():
    data = png()
    answer = post(files=files(("a.png", data)), service={"limits": Limits(decoded_bytes=0)})
    assert answer.json()["result"]["annotations"] == rows_of(data)


# -- what is asked wrongly ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"score_threshold": "2"}, "score threshold: expected 0.05 to 1, got 2.0"),
        ({"score_threshold": "nan"}, "score threshold"),
        ({"mask_threshold": "1"}, "mask_threshold: "),
        ({"max_detections": "100000"}, "max_detections: "),
        ({"format": "docx"}, "format: expected one of coco, coco-polygons, "),
        ({"categories": "unicorn"}, "category 'unicorn'"),
        ({"model": "nothing"}, "model 'nothing': expected one of tiny"),
        ({"colour": "red"}, "colour: "),
    ],
)
def test_values_out_of_range_are_refused_with_their_name(values, said):
    answer = post(files=files(("a.png", png())), data=values)
    assert answer.status_code == 422
    assert said in answer.json()["error"]


def test_what_is_no_such_request_is_refused():
    async def talk(client):
        return [
            await client.post("/v1/annotate", content=b"x", headers={"Content-Type": "text/plain"}),
            await client.post("/v1/annotate", content=b"{", headers={"Content-Type": "application/json"}),
            await client.post("/v1/annotate", data={"format": "coco"}, files=[]),
            await client.post("/v1/annotate", json={"urls": []}),
            await client.post("/v1/annotate", json=[1]),
            await client.post("/v1/annotate", json={"urls": ["x"] * 99}),
            await client.post("/v1/annotate", files=files(*((f"{n}.png", b"x") for n in range(17)))),
            await client.post("/v1/annotate", files=files(("a.png", b"x"), field="pictures")),
            await client.post(
                "/v1/annotate", content=b"--x", headers={"Content-Type": "multipart/form-data; boundary=y"}
            ),
            await client.post("/v1/annotate", content=b"", headers={"Content-Type": "multipart/form-data"}),
            await client.get("/v1/annotate"),
            await client.get("/v1/nothing"),
        ]

    answers = ask(talk)
    assert [answer.status_code for answer in answers][-2:] == [405, 404]
    for answer in answers:
        assert 400 <= answer.status_code < 500, answer.text
        assert answer.json()["error"] and "\n" not in answer.json()["error"]


def test_an_evil_name_is_kept_as_it_is_and_told_in_one_line():
    name = "../<b>=1+1 \u202e.png"
    said = post(files=files((name, png()))).json()
    assert said["result"]["images"][0]["file_name"] == name
    assert "\u202e" not in said["images"][0]["file_name"]


def test_the_same_queue_as_the_apps():
    """What somebody runs in this process otherwise, the service waits for."""
    begun, go = threading.Event(), threading.Event()

    def other():
        begun.set()
        return go.wait(60)

    queued = device_queue_for("cpu").submit("somebody", other)
    assert begun.wait(60)

    async def talk(client):
        asked = asyncio.ensure_future(client.post("/v1/annotate", files=files(("a.png", png()))))
        while (await client.get("/health")).json()["queue"] < 2:
            await asyncio.sleep(0.01)
        assert not asked.done()
        go.set()
        return await asked

    assert ask(talk).status_code == 200
    assert queued.wait(60) and np.all(queued.result)
