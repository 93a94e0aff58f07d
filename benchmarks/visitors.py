"""People at the Annotate page without browsers: each speaks Streamlit's own protocol over a WebSocket.

Twenty browsers would take more of the machine than the server that is measured. What a browser's script does
is done here as far as the server sees it: a run at first, files over HTTP, and looks of fragments that renew
themselves, at the intervals that the server asks for.
"""

from __future__ import annotations

import asyncio
import re
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from pages.components.mounting import full_name

__all__ = ["Visitor"]

_VIEWER, _MASK = full_name("viewer").encode(), b'"counts"'
_PLACE = re.compile(rb"waiting, (\d+) before it")


@dataclass
class Visitor:
    """One open page.

    Args:
        address: of the app.

    Attributes:
        runs: how many runs of the page, or of a part of it, have ended.
        intervals: seconds between two looks of each fragment that renews itself.
        places: how many the page said were before the image that is looked at, each time it was drawn.
        masks_at: when a viewer with masks came, as ``time.perf_counter`` says; ``None`` before.
    """

    address: str
    runs: int = 0
    intervals: dict[str, float] = field(default_factory=dict)
    places: list[int] = field(default_factory=list)
    masks_at: float | None = None
    _looks: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _answers: dict[str, asyncio.Future[ForwardMsg]] = field(default_factory=dict)
    _session: str = ""
    _uploader: str = ""
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def open(self) -> None:
        """Opens the page, and returns once it has an uploader."""
        await self._connect()
        await self._rerun(BackMsg())
        await self._until(lambda: bool(self._uploader) and self.runs > 0)

    async def _connect(self) -> None:
        url = self.address.replace("http", "ws", 1) + "/_stcore/stream"
        self._socket: ClientConnection = await connect(
            url, subprotocols=[Subprotocol("streamlit")], max_size=None
        )
        self._reader = asyncio.create_task(self._read())

    async def close(self) -> None:
        """Leaves, as one who closes the tab."""
        for look in self._looks.values():
            look.cancel()
        self._reader.cancel()
        await self._socket.close()

    async def upload(self, files: dict[str, bytes]) -> None:
        """Hands in files, by name, as the uploader does."""
        request = BackMsg()
        asked = request.file_urls_request
        asked.request_id, asked.session_id = uuid.uuid4().hex, self._session
        asked.file_names.extend(files)
        answer = self._answers[asked.request_id] = asyncio.get_running_loop().create_future()
        await self._socket.send(request.SerializeToString())
        urls = (await answer).file_urls_response.file_urls
        message = BackMsg()
        state = message.rerun_script.widget_states.widgets.add(id=self._uploader)
        for (name, data), url in zip(files.items(), urls, strict=True):
            await asyncio.to_thread(_put, self.address + url.upload_url, name, data)
            info = state.file_uploader_state_value.uploaded_file_info.add(
                name=name, size=len(data), file_id=url.file_id
            )
            info.file_urls.CopyFrom(url)
        await self._rerun(message)

    async def masks(self) -> float:
        """When the first masks were there, as ``time.perf_counter`` says."""
        await self._until(lambda: self.masks_at is not None)
        assert self.masks_at is not None
        return self.masks_at

    async def rests(self) -> None:
        """Until the page no longer renews itself, as when all images have their answer."""
        await self._until(lambda: self.runs > 1 and not self.intervals)

    async def waits(self) -> None:
        """Until the page renews itself, as it does while images wait."""
        await self._until(lambda: bool(self.intervals))

    async def _until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self._changed.clear()
            changed = asyncio.create_task(self._changed.wait())
            await asyncio.wait({changed, self._reader}, return_when=asyncio.FIRST_COMPLETED)
            if self._reader.done():
                changed.cancel()
                self._reader.result()
                raise ConnectionError("the server has closed the page's connection")

    async def _rerun(self, message: BackMsg) -> None:
        message.rerun_script.SetInParent()
        await self._socket.send(message.SerializeToString())

    async def _read(self) -> None:
        async for data in self._socket:
            assert isinstance(data, bytes)
            if self.masks_at is None and _VIEWER in data and _MASK in data:
                self.masks_at = time.perf_counter()
            self.places += map(int, _PLACE.findall(data))
            message = ForwardMsg.FromString(data)
            self._take(message, message.WhichOneof("type") or "")
            self._changed.set()

    def _take(self, message: ForwardMsg, kind: str) -> None:
        if kind == "new_session":
            self._session = message.new_session.initialize.session_id or self._session
            if not message.metadata.run.fragment_ids:  # the whole page: what renewed itself is asked for anew
                self._stop(list(self._looks))
        elif kind == "auto_rerun":
            self._look_every(message.auto_rerun.fragment_id, message.auto_rerun.interval)
        elif kind == "stop_auto_rerun":
            self._stop(message.stop_auto_rerun.fragment_ids)
        elif kind == "file_urls_response":
            self._answers.pop(message.file_urls_response.response_id).set_result(message)
        elif kind == "script_finished":
            self.runs += 1
        elif message.delta.new_element.WhichOneof("type") == "file_uploader":
            self._uploader = message.delta.new_element.file_uploader.id

    def _look_every(self, fragment: str, seconds: float) -> None:
        if self.intervals.get(fragment) == seconds:
            return
        self._stop([fragment])
        self.intervals[fragment] = seconds
        self._looks[fragment] = asyncio.create_task(self._look(fragment, seconds))

    def _stop(self, fragments: Iterable[str]) -> None:
        for fragment in fragments:
            self.intervals.pop(fragment, None)
            if (look := self._looks.pop(fragment, None)) is not None:
                look.cancel()

    async def _look(self, fragment: str, seconds: float) -> None:
        while True:
            await asyncio.sleep(seconds)
            message = BackMsg()
            message.rerun_script.fragment_id, message.rerun_script.is_auto_rerun = fragment, True
            await self._socket.send(message.SerializeToString())


def _put(url: str, name: str, data: bytes) -> None:
    limit = uuid.uuid4().hex
    head = f'--{limit}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
    body = head.encode() + b"Content-Type: image/png\r\n\r\n" + data + f"\r\n--{limit}--\r\n".encode()
    headers = {"Content-Type": f"multipart/form-data; boundary={limit}"}
    with urllib.request.urlopen(urllib.request.Request(url, body, headers, method="PUT"), timeout=60):
        pass
