"""Downloads against a real HTTP server on the loopback interface that misbehaves on request."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest

from maskrcnn_core.errors import WeightsError
from maskrcnn_core.models import downloads
from maskrcnn_core.models.downloads import (
    DownloadCancelled,
    DownloadFailed,
    download_file,
    file_sha256,
    has_sha256,
)

BODY = bytes(range(256)) * 4096  # 1 MiB and not constant, so that a shifted copy is noticed
SHA256 = hashlib.sha256(BODY).hexdigest()


@dataclass
class Server:
    """What the server does, and what it was asked."""

    url: str = ""
    body: bytes = BODY
    cut_after: int | None = None
    knows_ranges: bool = True
    tells_length: bool = True
    status: int = 200
    redirect_to: str = ""
    ranges: list[str | None] = field(default_factory=list)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            wanted = self.headers.get("Range")
            state.ranges.append(wanted)
            if state.redirect_to:
                self.send_response(302)
                self.send_header("Location", state.redirect_to)
                self.end_headers()
                return
            start = (
                int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and state.knows_ranges else 0
            )
            if state.status != 200 or start >= len(state.body) > 0:
                self.send_error(state.status if state.status != 200 else 416)
                return
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(state.body) - 1}/{len(state.body)}")
            if state.tells_length:
                self.send_header("Content-Length", str(len(state.body) - start))
            self.end_headers()
            self.wfile.write(state.body[start : state.cut_after])

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, args=(0.01,))
        thread.start()
        state.url = f"http://127.0.0.1:{httpd.server_port}/weights.pth"
        yield state
        httpd.shutdown()
        thread.join()


def part_of(target: Path) -> Path:
    return target.with_name(target.name + ".part")


def test_a_file_arrives_whole_and_reports_progress(server, tmp_path):
    target = tmp_path / "new folder" / "weights.pth"
    seen = []
    assert download_file(server.url, target, sha256=SHA256, on_progress=lambda *s: seen.append(s)) == target
    assert target.read_bytes() == BODY
    assert not part_of(target).exists()
    assert seen[0] == (0, len(BODY)) and seen[-1] == (len(BODY), len(BODY))
    assert seen == sorted(seen)


def test_a_file_that_is_there_is_not_fetched_again(server, tmp_path):
    target = tmp_path / "weights.pth"
    target.write_bytes(BODY)
    download_file(server.url, target, sha256=SHA256[:8])
    assert server.ranges == []


def test_another_file_at_the_target_is_replaced(server, tmp_path):
    target = tmp_path / "weights.pth"
    target.write_bytes(b"something else")
    download_file(server.url, target, sha256=SHA256)
    assert target.read_bytes() == BODY


def test_an_interrupted_download_goes_on_from_where_it_broke(server, tmp_path):
    target = tmp_path / "weights.pth"
    server.cut_after = 600_000
    with pytest.raises(DownloadFailed, match=r"600,000 of 1,048,576 bytes.*continues from there") as caught:
        download_file(server.url, target, sha256=SHA256)
    assert caught.value.trouble == "cut"
    assert not target.exists() and part_of(target).stat().st_size == 600_000
    server.cut_after = None
    download_file(server.url, target, sha256=SHA256)
    assert server.ranges == [None, "bytes=600000-"]
    assert target.read_bytes() == BODY


def test_a_server_that_ignores_ranges_makes_it_start_over(server, tmp_path):
    target = tmp_path / "weights.pth"
    part_of(target).write_bytes(b"x" * (len(BODY) - 5))
    server.knows_ranges = False
    download_file(server.url, target, sha256=SHA256)
    assert target.read_bytes() == BODY


def test_a_whole_part_is_taken_without_asking_when_the_size_is_known(server, tmp_path):
    target = tmp_path / "weights.pth"
    part_of(target).write_bytes(BODY)
    download_file(server.url, target, sha256=SHA256, size=len(BODY))
    assert server.ranges == [] and target.read_bytes() == BODY


@pytest.mark.parametrize(
    ("part", "requests"),
    [(BODY, ["bytes=1048576-"]), (BODY + b"more", ["bytes=1048580-", None])],
    ids=["whole", "too long"],
)
def test_a_range_behind_the_end_is_settled_by_the_hash(server, tmp_path, part, requests):
    target = tmp_path / "weights.pth"
    part_of(target).write_bytes(part)
    download_file(server.url, target, sha256=SHA256)
    assert server.ranges == requests and target.read_bytes() == BODY


def test_a_corrupt_download_is_removed_and_said(server, tmp_path):
    target = tmp_path / "weights.pth"
    server.body = BODY[:-1] + b"!"
    with pytest.raises(DownloadFailed, match=r"corrupt and was removed.*expected " + SHA256[:8]) as caught:
        download_file(server.url, target, sha256=SHA256)
    assert caught.value.trouble == "wrong file"
    assert str(tmp_path) in str(caught.value)
    assert not target.exists() and not part_of(target).exists()


def test_a_part_of_another_file_is_not_kept(server, tmp_path):
    target = tmp_path / "weights.pth"
    part_of(target).write_bytes(b"x" * 1000)
    with pytest.raises(WeightsError, match="corrupt and was removed"):
        download_file(server.url, target, sha256=SHA256)
    download_file(server.url, target, sha256=SHA256)
    assert target.read_bytes() == BODY


def test_a_body_of_unknown_length_is_capped(server, tmp_path, monkeypatch):
    monkeypatch.setattr(downloads, "MAX_DOWNLOAD_BYTES", 1000)
    server.tells_length = False
    target = tmp_path / "weights.pth"
    with pytest.raises(DownloadFailed, match=r"more than 1,000 bytes") as caught:
        download_file(server.url, target, sha256=SHA256)
    assert caught.value.trouble == "wrong file"
    assert not part_of(target).exists()


@pytest.mark.skipif(
    not os.path.isdir("/proc/self/fd"), reason="the system does not tell which files are open"
)
def test_what_is_too_long_is_closed_before_it_is_removed(server, tmp_path, monkeypatch):
    """Windows removes no open file."""
    was_open, unlink = [], Path.unlink

    def unlink_closed(path, **options):
        files = (Path(f"/proc/self/fd/{name}").resolve() for name in os.listdir("/proc/self/fd"))
        was_open.append(path.resolve() in files)
        unlink(path, **options)

    monkeypatch.setattr(Path, "unlink", unlink_closed)
    monkeypatch.setattr(downloads, "MAX_DOWNLOAD_BYTES", 1000)
    server.tells_length = False
    with pytest.raises(DownloadFailed, match=r"more than 1,000 bytes"):
        download_file(server.url, tmp_path / "weights.pth", sha256=SHA256)
    assert was_open and not any(was_open)


def test_a_body_of_unknown_length_arrives(server, tmp_path):
    server.tells_length = False
    target = tmp_path / "weights.pth"
    download_file(server.url, target, sha256=SHA256, size=len(BODY))
    assert target.read_bytes() == BODY


def test_another_size_than_known_is_refused_before_the_body(server, tmp_path):
    with pytest.raises(DownloadFailed, match=r"offers 1,048,576 bytes, expected 5") as caught:
        download_file(server.url, tmp_path / "weights.pth", sha256=SHA256, size=5)
    assert caught.value.trouble == "wrong file"


@pytest.mark.parametrize("status", [404, 500])
def test_a_refusal_of_the_server_names_file_host_and_folder(server, tmp_path, status):
    server.status = status
    with pytest.raises(DownloadFailed, match=rf"^weights.pth: 127.0.0.1 answered {status}") as caught:
        download_file(server.url, tmp_path / "weights.pth", sha256=SHA256)
    assert caught.value.trouble == "refused"
    assert str(tmp_path) in str(caught.value)


def test_a_refused_connection_is_said(server, tmp_path):
    url = server.url.replace(server.url.split(":")[2].split("/")[0], "9")  # nobody listens on "discard"
    with pytest.raises(DownloadFailed, match=r"127\.0\.0\.1 cannot be reached") as caught:
        download_file(url, tmp_path / "weights.pth", sha256=SHA256)
    assert caught.value.trouble == "no network"


def test_cancelling_keeps_what_is_there(server, tmp_path):
    target = tmp_path / "weights.pth"
    done = []
    with pytest.raises(DownloadCancelled, match="was cancelled"):
        download_file(
            server.url,
            target,
            sha256=SHA256,
            on_progress=lambda n, _: done.append(n),
            cancelled=lambda: bool(done and done[-1]),
        )
    assert part_of(target).stat().st_size > 0
    download_file(server.url, target, sha256=SHA256)
    assert target.read_bytes() == BODY


def test_two_at_once_fetch_it_once(server, tmp_path):
    target = tmp_path / "weights.pth"
    threads = [
        threading.Thread(target=download_file, args=(server.url, target), kwargs={"sha256": SHA256})
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert server.ranges == [None] and target.read_bytes() == BODY


@pytest.mark.parametrize("url", ["http://example.org/w", "ftp://127.0.0.1/w", "file:///etc/hosts", "w"])
def test_only_https_and_loopback_are_asked(tmp_path, url):
    with pytest.raises(DownloadFailed, match="expected an https address") as caught:
        download_file(url, tmp_path / "weights.pth", sha256=SHA256)
    assert caught.value.trouble == "refused"
    assert list(tmp_path.iterdir()) == []


def test_a_redirect_to_plain_http_is_not_followed(server, tmp_path):
    server.redirect_to = "http://example.org/weights.pth"
    with pytest.raises(DownloadFailed, match="redirects to http, expected https") as caught:
        download_file(server.url, tmp_path / "weights.pth", sha256=SHA256)
    assert caught.value.trouble == "refused"


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="needs folders that refuse writing")
def test_a_folder_that_cannot_be_written_is_said(server, tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(DownloadFailed, match="cannot write into") as caught:
            download_file(server.url, tmp_path / "weights.pth", sha256=SHA256)
        assert caught.value.trouble == "cannot write"
    finally:
        tmp_path.chmod(0o700)


def test_a_file_where_the_folder_should_be_is_said(server, tmp_path):
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(DownloadFailed, match="cannot write into") as caught:
        download_file(server.url, tmp_path / "taken" / "weights.pth", sha256=SHA256)
    assert caught.value.trouble == "cannot write"


def test_a_disk_without_room_is_said_before_the_body(server, tmp_path, monkeypatch):
    monkeypatch.setattr(downloads.shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    with pytest.raises(DownloadFailed, match=r"needs 1,048,576 bytes of disk, 1,000 are free") as caught:
        download_file(server.url, tmp_path / "weights.pth", sha256=SHA256)
    assert caught.value.trouble == "no room"


@pytest.mark.parametrize("wanted", ["", "1234567", "g" * 8, "0" * 65])
def test_a_hash_that_says_too_little_is_a_mistake_of_ours(wanted):
    with pytest.raises(ValueError, match="8 to 64"):
        has_sha256(SHA256, wanted)


def test_a_hash_may_be_cut_and_in_capitals(tmp_path):
    file = tmp_path / "x"
    file.write_bytes(BODY)
    assert file_sha256(file) == SHA256
    assert has_sha256(SHA256, SHA256[:8].upper()) and not has_sha256(SHA256, "00000000")
