"""Archives are unpacked whole or not at all, and attacks are refused by name."""

import gzip
import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from ecs_med.archives import Limits, extract_archive
from ecs_med.errors import DataError, UnreadableFileError

FILES = {"top/a/one.txt": b"one", "top/b/two.bin": bytes(range(256)) * 9, "readme": b"hello"}


def make_tar(path: Path, mode: str = "w:gz", *extra: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        folder = tarfile.TarInfo("top")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        for name, content in FILES.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for info, content in extra:
            archive.addfile(info, io.BytesIO(content))
    return path


def make_zip(path: Path, *extra: tuple[zipfile.ZipInfo | str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.mkdir("top")
        for name, content in (*FILES.items(), *extra):
            archive.writestr(name, content)
    return path


def entry(name: str, content: bytes = b"x", **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for field, value in fields.items():
        setattr(info, field, value)
    return info, content


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def refuse(archive: Path, told: str, limits: Limits | None = None) -> None:
    """Unpacking is refused, and nothing at all is left of it."""
    before = sorted(archive.parent.rglob("*"))
    with pytest.raises(UnreadableFileError, match=told) as caught:
        extract_archive(archive, archive.parent / "target", limits=limits)
    assert caught.value.path == archive
    assert sorted(archive.parent.rglob("*")) == before


@pytest.mark.parametrize(
    "make",
    [
        make_zip,
        make_tar,
        lambda path: make_tar(path, "w"),
        lambda path: make_tar(path, "w:gz", entry("top/" + "long" * 60, b"pax")),
    ],
    ids=["zip", "tar.gz", "tar", "long name"],
)
def test_contents(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    archive = make(tmp_path / "archive")
    num_files = extract_archive(archive, tmp_path / "out" / "target")
    found = contents(tmp_path / "out" / "target")
    assert num_files == len(found)
    assert FILES.items() <= found.items()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["target"]


@pytest.mark.parametrize("make", [make_zip, make_tar])
def test_inner_folder_alone(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    assert extract_archive(make(tmp_path / "archive"), tmp_path / "target", inner="top/b") == 1
    assert contents(tmp_path / "target") == {"two.bin": FILES["top/b/two.bin"]}
    with pytest.raises(UnreadableFileError, match="holds no file in other"):
        extract_archive(tmp_path / "archive", tmp_path / "else", inner="other")
    assert not (tmp_path / "else").exists()


@pytest.mark.parametrize("name", ["/etc/evil", "../evil", "top/../../evil", "C:/evil", "a\\..\\b"])
def test_paths_that_lead_outside(tmp_path: Path, name: str) -> None:
    refuse(make_tar(tmp_path / "a.tgz", "w:gz", entry(name)), "leads out of its folder")
    refuse(make_zip(tmp_path / "a.zip", (name, b"x")), "leads out of its folder")


@pytest.mark.parametrize(
    "kind",
    [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE],
)
def test_links_and_devices_in_tar(tmp_path: Path, kind: bytes) -> None:
    evil = entry("top/evil", b"", type=kind, linkname="../../../etc/passwd")
    refuse(make_tar(tmp_path / "a.tar", "w", evil), "'top/evil', a link, device")


def test_link_outside_of_the_inner_folder_is_not_unpacked(tmp_path: Path) -> None:
    link = entry("other/link", b"", type=tarfile.SYMTYPE, linkname="/etc/passwd")
    archive = make_tar(tmp_path / "a.tar", "w", link)
    assert extract_archive(archive, tmp_path / "target", inner="top") == 2


def test_writing_through_a_link_is_impossible(tmp_path: Path) -> None:
    link = entry("top/out", b"", type=tarfile.SYMTYPE, linkname=str(tmp_path))
    refuse(make_tar(tmp_path / "a.tar", "w", link, entry("top/out/evil")), "a link")
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize("kind", [0o120777, 0o020666, 0o010666])
def test_links_and_devices_in_zip(tmp_path: Path, kind: int) -> None:
    info = zipfile.ZipInfo("top/evil")
    info.external_attr = kind << 16
    refuse(make_zip(tmp_path / "a.zip", (info, b"/etc/passwd")), "'top/evil', a link, device")


def test_bomb_by_ratio(tmp_path: Path) -> None:
    zeros = bytes(20 * 2**20)
    refuse(make_tar(tmp_path / "a.tgz", "w:gz", entry("zeros", zeros)), "unpacks into more than")
    refuse(make_zip(tmp_path / "a.zip", ("zeros", zeros)), "unpacks into more than")


def test_bomb_by_size_and_by_number(tmp_path: Path) -> None:
    archive = make_tar(tmp_path / "a.tar", "w")
    refuse(archive, "unpacks into more than 1,000", Limits(total_bytes=1000))
    refuse(archive, "more than 3 files", Limits(num_members=3))
    refuse(make_zip(tmp_path / "a.zip"), "more than 3 files", Limits(num_members=3))


def test_bomb_behind_the_end(tmp_path: Path) -> None:
    content = gzip.decompress(make_tar(tmp_path / "a.tgz").read_bytes())
    (tmp_path / "a.tgz").write_bytes(gzip.compress(content + bytes(2**26)))
    refuse(tmp_path / "a.tgz", "unpacks into more than")


def test_bomb_in_a_header(tmp_path: Path) -> None:
    """A name of 40 MB, which tarfile would read into memory."""
    header = tarfile.TarInfo("././@LongLink")
    header.type, header.size = tarfile.GNUTYPE_LONGNAME, 40 * 2**20
    with gzip.open(tmp_path / "a.tgz", "wb") as stream:
        stream.write(header.tobuf(tarfile.GNU_FORMAT) + b"n" * header.size + bytes(1024))
    refuse(tmp_path / "a.tgz", "header of 41,943,040 bytes")


def test_size_that_only_a_header_claims(tmp_path: Path) -> None:
    info, _ = entry("claimed", size=2**40)
    (tmp_path / "a.tar").write_bytes(info.tobuf() + bytes(1024))
    refuse(tmp_path / "a.tar", "unpacks into more than")


def test_file_that_occurs_twice(tmp_path: Path) -> None:
    refuse(make_tar(tmp_path / "a.tar", "w", entry("readme")), "'readme' twice")


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_truncated_archives(tmp_path: Path, share: float) -> None:
    for archive in (make_tar(tmp_path / "a.tgz"), make_zip(tmp_path / "a.zip")):
        whole = archive.read_bytes()
        archive.write_bytes(whole[: int(share * len(whole))])
        refuse(archive, "damaged|ends")


@pytest.mark.parametrize("num_bytes", [1, 4, 8, 9, 12, 20])
def test_compressed_archive_that_lacks_its_last_bytes(tmp_path: Path, num_bytes: int) -> None:
    """The files are whole and so is the mark at their end; the checksum that proves it is not."""
    archive = make_tar(tmp_path / "a.tgz")
    archive.write_bytes(archive.read_bytes()[:-num_bytes])
    refuse(archive, "damaged")


def test_wrong_checksum_at_the_end(tmp_path: Path) -> None:
    archive = make_tar(tmp_path / "a.tgz")
    whole = bytearray(archive.read_bytes())
    whole[-8] ^= 1
    archive.write_bytes(whole)
    refuse(archive, "damaged archive")


def test_tar_without_its_end(tmp_path: Path) -> None:
    archive = make_tar(tmp_path / "a.tar", "w")
    whole = archive.read_bytes()
    for cut in (512, 1024, 1500, 2048):
        archive.write_bytes(whole[:cut])
        refuse(archive, "damaged|ends")


def test_changed_bytes_in_a_zip(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as stored:
        stored.writestr("file", b"content of a file")
    content = (tmp_path / "a.zip").read_bytes()
    (tmp_path / "a.zip").write_bytes(content.replace(b"content of", b"CONTENT OF"))
    refuse(tmp_path / "a.zip", "damaged archive")


def test_what_is_no_archive(tmp_path: Path) -> None:
    (tmp_path / "page").write_text("<html>Please log in</html>" * 100)
    refuse(tmp_path / "page", "damaged archive")
    with pytest.raises(UnreadableFileError, match="is not there"):
        extract_archive(tmp_path / "absent", tmp_path / "target")


def test_existing_folder_is_kept(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "a.zip")
    (tmp_path / "target").mkdir()
    assert extract_archive(archive, tmp_path / "target") == len(FILES)
    (tmp_path / "target" / "mine").touch()
    with pytest.raises(DataError, match="is there already"):
        extract_archive(archive, tmp_path / "target")
    assert (tmp_path / "target" / "mine").exists()
