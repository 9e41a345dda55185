"""Fetching files over HTTP: checksum, resume, nothing half done. Only called where asked for."""

import hashlib
import shutil
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib.parse import urlsplit

from ecs_med.archives import extract_archive
from ecs_med.errors import DataError, UnreadableFileError

__all__ = ["SBD_FILE", "VOC_FILE", "RemoteFile", "fetch_file", "fetch_sbd", "fetch_voc"]

CHUNK = 2**20
TIMEOUT_SECONDS = 60.0
NUM_ATTEMPTS = 5
PAUSE_SECONDS = 2.0

Progress = Callable[[int, int], None]
"""Told how many of how many bytes are there; the second number is 0 where it is unknown."""


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file that can be fetched.

    Attributes:
        url: Where it is, http or https.
        md5: Its published MD5 sum, 32 hexadecimal digits.
        max_bytes: More than this is not fetched.
    """

    url: str
    md5: str
    max_bytes: int

    @property
    def name(self) -> str:
        """The last part of the URL."""
        return urlsplit(self.url).path.rpartition("/")[2]


VOC_FILE = RemoteFile(
    "https://thor.robots.ox.ac.uk/pascal/VOC/voc2012/VOCtrainval_11-May-2012.tar",
    "6cd6e144f989b92b3379bac3b3de84fd",
    3 * 2**30,
)
"""Training and validation data of VOC 2012, 2 GB. Source of URL and sum:
`torchvision/datasets/voc.py`."""

SBD_FILE = RemoteFile(
    "https://www2.eecs.berkeley.edu/Research/Projects/CS/vision/grouping/semantic_contours/benchmark.tgz",
    "82b4d87ceb2ed10f6038a1cba92111cb",
    3 * 2**30,
)
"""SBD with code and images, 1.4 GB. Source of URL and sum: `torchvision/datasets/sbd.py`."""


def fetch_voc(root: Path, progress: Progress | None = None) -> Path:
    """Fetch and unpack PASCAL VOC 2012 into `root/VOCdevkit/VOC2012`, if it is not there.

    Args:
        root: Folder of data; the archive lies in it while it is needed.
        progress: Told of every piece.

    Returns:
        `root`, which layout `voc` reads.

    Raises:
        DataError: As `fetch_file` and `extract_archive`.
    """
    return _fetch_and_unpack(VOC_FILE, root, "VOCdevkit/VOC2012", progress)


def fetch_sbd(root: Path, progress: Progress | None = None) -> Path:
    """Fetch and unpack SBD into `root/benchmark_RELEASE/dataset`; otherwise as `fetch_voc`."""
    return _fetch_and_unpack(SBD_FILE, root, "benchmark_RELEASE/dataset", progress)


def fetch_file(file: RemoteFile, path: Path, progress: Progress | None = None) -> None:
    """Fetch `file` to `path`; a part that is there from before is continued.

    The part lies at `path` with `.part` behind it. It becomes `path` when its sum is right
    and is removed when it is wrong. A broken connection is taken up again several times.

    Args:
        file: What to fetch.
        path: Where to.
        progress: Told of every piece.

    Raises:
        DataError: If the server does not answer, the connection breaks again and again,
            the disk is full, or the sum is wrong; the sentence says how to go on.
    """
    if urlsplit(file.url).scheme not in ("http", "https"):
        raise DataError(f"{file.url}: is no http or https address; download it by hand.")
    part = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.is_file():
            _fetch_part(file, part, progress or (lambda done, total: None))
            _require_sum(file, part)
            part.replace(path)
        else:
            _require_sum(file, path)
    except OSError as error:
        raise DataError(
            f"{path}: cannot be written ({error.strerror or error}); free disk space or choose"
            " another folder, then start again: what is there is continued."
        ) from error


def _fetch_and_unpack(file: RemoteFile, root: Path, inner: str, progress: Progress | None) -> Path:
    target = root / inner
    if target.is_dir() and any(target.iterdir()):
        return root
    archive = root / file.name
    fetch_file(file, archive, progress)
    extract_archive(archive, target, inner=inner)
    archive.unlink()
    return root


def _fetch_part(file: RemoteFile, part: Path, progress: Progress) -> None:
    """Fill `part`, taking up again where the connection broke."""
    reason = ""
    for attempt in range(NUM_ATTEMPTS):
        if attempt:
            time.sleep(PAUSE_SECONDS)
        try:
            if _continue(file, part, progress):
                return
            reason = "the connection broke"
        except urllib.error.HTTPError as error:
            reason = f"the server answers {error.code} {error.reason}"
            if error.code < 500 and error.code not in (408, 429):
                break
        except urllib.error.URLError as error:
            reason = f"the server does not answer: {error.reason}"
        except (HTTPException, TimeoutError, ConnectionError, ssl.SSLError) as error:
            reason = f"the connection broke: {error or type(error).__name__}"
    raise DataError(
        f"{file.url}: cannot be fetched ({reason}); start again later, and it goes on from"
        f" {_size(part):,} bytes, or download it by hand to {part.with_suffix('')}."
    )


def _continue(file: RemoteFile, part: Path, progress: Progress) -> bool:
    """One connection: append what is missing; whether the file is whole now."""
    have = _size(part)
    request = urllib.request.Request(file.url, headers={"User-Agent": "ecs-med"})
    if have:
        request.add_header("Range", f"bytes={have}-")
    try:
        response: HTTPResponse = urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS)
    except urllib.error.HTTPError as error:
        if error.code != 416:
            raise
        # Nothing is left to send; where the part is wrong all the same, its sum tells.
        error.close()
        return True
    with response:
        resumed = response.status == 206 and _first_byte(response) == have
        have = have if resumed else 0
        length = response.headers.get("Content-Length")
        total = have + int(length) if length and length.isdigit() else 0
        _require_room(file, part, total, have)
        with part.open("ab" if resumed else "wb") as stream:
            while chunk := response.read(CHUNK):
                have += len(chunk)
                if have > file.max_bytes:
                    raise _too_large(file)
                stream.write(chunk)
                progress(have, total)
    # Reading ends quietly where the connection does, so the length decides.
    return not total or have == total


def _first_byte(response: HTTPResponse) -> int:
    """First position of `Content-Range: bytes 100-199/200`; -1 where it says something else."""
    unit, _, span = response.headers.get("Content-Range", "").partition(" ")
    first = span.partition("-")[0]
    return int(first) if unit == "bytes" and first.isdigit() else -1


def _require_room(file: RemoteFile, part: Path, total: int, have: int) -> None:
    if total > file.max_bytes:
        raise _too_large(file)
    free = shutil.disk_usage(part.parent).free
    if total - have > free:
        raise DataError(
            f"{part.parent}: {total - have:,} bytes are still to be fetched and {free:,} are free;"
            " free disk space or choose another folder."
        )


def _require_sum(file: RemoteFile, path: Path) -> None:
    with path.open("rb") as stream:
        found = hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if found == file.md5:
        return
    if path.suffix == ".part":
        path.unlink()
    raise UnreadableFileError(
        path,
        f"has the MD5 sum {found} where {file.md5} is published",
        f"remove it if it is still there and fetch {file.url} again",
    )


def _too_large(file: RemoteFile) -> DataError:
    return DataError(
        f"{file.url}: is larger than {file.max_bytes:,} bytes, so it is not the file that was"
        " published; download it by hand."
    )


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
