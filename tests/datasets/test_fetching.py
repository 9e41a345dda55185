"""Fetching from a server on this machine: interruption, resume, checksum."""

import hashlib
import http.server
import importlib.util
import io
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ecs_med.errors import DataError
from ecs_med_datasets import fetching
from ecs_med_datasets.fetching import RemoteFile, fetch_file

CONTENT = bytes(range(256)) * 4096


@dataclass
class Server:
    """A server of one file, and how it behaves.

    `break_after` holds for each connection after how many bytes it is cut, `None` for never;
    connections beyond the list are never cut.
    """

    url: str = ""
    content: bytes = CONTENT
    break_after: list[int | None] = field(default_factory=list)
    knows_ranges: bool = True
    status: int | None = None
    ranges: list[str | None] = field(default_factory=list)

    def file(self, content: bytes = CONTENT) -> RemoteFile:
        return RemoteFile(f"{self.url}/data.tar", hashlib.md5(content).hexdigest(), 2**22)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    state = Server()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers.get("Range")
            state.ranges.append(asked)
            if state.status is not None:
                self.send_error(state.status)
                return
            first = int(asked.split("=")[1].rstrip("-")) if asked and state.knows_ranges else 0
            if first >= len(state.content):
                self.send_error(416)
                return
            body = state.content[first:]
            self.send_response(206 if first else 200)
            if first:
                last = len(state.content) - 1
                self.send_header("Content-Range", f"bytes {first}-{last}/{last + 1}")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            cut = state.break_after.pop(0) if state.break_after else None
            self.wfile.write(body[:cut])

        def log_message(self, *args: object) -> None:
            pass

    class Listening(http.server.ThreadingHTTPServer):
        def handle_error(self, *args: object) -> None:
            """A client that hangs up is part of the tests."""

    listening = Listening(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    state.url = f"http://127.0.0.1:{listening.server_port}"
    monkeypatch.setattr(fetching, "PAUSE_SECONDS", 0.0)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    yield state
    listening.shutdown()
    listening.server_close()
    thread.join()


def test_whole_file_with_progress(server: Server, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    fetch_file(server.file(), tmp_path / "new" / "data.tar", lambda *at: told.append(at))
    assert (tmp_path / "new" / "data.tar").read_bytes() == CONTENT
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["data.tar"]


def test_broken_connections_are_taken_up_again(server: Server, tmp_path: Path) -> None:
    server.break_after = [1000, 5000]
    fetch_file(server.file(), tmp_path / "data.tar")
    assert (tmp_path / "data.tar").read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=1000-", "bytes=6000-"]


def test_next_call_goes_on_where_the_last_one_gave_up(server: Server, tmp_path: Path) -> None:
    server.break_after = [700] * fetching.NUM_ATTEMPTS
    with pytest.raises(DataError, match=r"goes on from 3,500 bytes, or download .*data\.tar\."):
        fetch_file(server.file(), tmp_path / "data.tar")
    assert not (tmp_path / "data.tar").exists()
    fetch_file(server.file(), tmp_path / "data.tar")
    assert server.ranges[-1] == "bytes=3500-"
    assert (tmp_path / "data.tar").read_bytes() == CONTENT


def test_server_without_ranges_starts_over(server: Server, tmp_path: Path) -> None:
    server.knows_ranges, server.break_after = False, [1000]
    fetch_file(server.file(), tmp_path / "data.tar")
    assert (tmp_path / "data.tar").read_bytes() == CONTENT


def test_part_that_is_whole_is_only_checked(server: Server, tmp_path: Path) -> None:
    (tmp_path / "data.tar.part").write_bytes(CONTENT)
    fetch_file(server.file(), tmp_path / "data.tar")
    assert (tmp_path / "data.tar").read_bytes() == CONTENT
    fetch_file(server.file(), tmp_path / "data.tar")
    assert server.ranges == [f"bytes={len(CONTENT)}-"]


@pytest.mark.parametrize("begun", [b"", b"other begin", b"x" * (len(CONTENT) + 1)])
def test_wrong_sum_leaves_nothing(server: Server, tmp_path: Path, begun: bytes) -> None:
    expected = b"something else" if not begun else CONTENT
    if begun:
        (tmp_path / "data.tar.part").write_bytes(begun)
    with pytest.raises(DataError, match=r"has the MD5 sum \w{32} where \w{32} is published"):
        fetch_file(server.file(expected), tmp_path / "data.tar")
    assert not list(tmp_path.iterdir())


def test_damaged_file_of_the_user_is_refused_and_kept(server: Server, tmp_path: Path) -> None:
    (tmp_path / "data.tar").write_bytes(b"mine")
    with pytest.raises(DataError, match="remove it if it is still there"):
        fetch_file(server.file(), tmp_path / "data.tar")
    assert (tmp_path / "data.tar").read_bytes() == b"mine"
    assert not server.ranges


def test_missing_file_is_asked_for_once(server: Server, tmp_path: Path) -> None:
    server.status = 404
    with pytest.raises(DataError, match="answers 404 Not Found"):
        fetch_file(server.file(), tmp_path / "data.tar")
    assert server.ranges == [None]


def test_failing_server_is_asked_again(server: Server, tmp_path: Path) -> None:
    server.status = 503
    with pytest.raises(DataError, match="answers 503"):
        fetch_file(server.file(), tmp_path / "data.tar")
    assert len(server.ranges) == fetching.NUM_ATTEMPTS


def test_too_large_a_file_is_not_fetched(server: Server, tmp_path: Path) -> None:
    server.content = bytes(2**22 + 1)
    with pytest.raises(DataError, match="is larger than 4,194,304 bytes"):
        fetch_file(server.file(), tmp_path / "data.tar")
    assert not list(tmp_path.glob("data.tar"))


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://example.org/a.tar"])
def test_other_addresses_are_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no http or https address"):
        fetch_file(RemoteFile(url, "", 1), tmp_path / "a.tar")


def test_server_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "PAUSE_SECONDS", 0.0)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with pytest.raises(DataError, match="the server does not answer"):
        fetch_file(RemoteFile("http://127.0.0.1:9/a.tar", "", 1), tmp_path / "a.tar")


@pytest.mark.parametrize(
    ("name", "inner"),
    [("voc", "VOCdevkit/VOC2012"), ("sbd", "benchmark_RELEASE/dataset")],
)
def test_data_set_is_fetched_and_unpacked_once(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, inner: str
) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        info = tarfile.TarInfo(f"{inner}/train.txt")
        info.size = 4
        archive.addfile(info, io.BytesIO(b"list"))
    server.content = buffer.getvalue()
    monkeypatch.setattr(fetching, f"{name.upper()}_FILE", server.file(server.content))
    fetch = getattr(fetching, f"fetch_{name}")
    (tmp_path / "VOCdevkit" / "VOC2007").mkdir(parents=True)
    for _ in range(2):
        assert fetch(tmp_path) == tmp_path
    assert (tmp_path / inner / "train.txt").read_bytes() == b"list"
    assert not list(tmp_path.glob("data.tar*"))
    assert len(server.ranges) == 1


@pytest.mark.parametrize(
    ("module", "file"), [("voc", fetching.VOC_FILE), ("sbd", fetching.SBD_FILE)]
)
def test_sums_are_those_of_torchvision(module: str, file: RemoteFile) -> None:
    spec = importlib.util.find_spec("torchvision")
    assert spec is not None
    assert spec.submodule_search_locations
    source = Path(spec.submodule_search_locations[0], "datasets", f"{module}.py").read_text()
    assert file.url in source
    assert file.md5 in source
