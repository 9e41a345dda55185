"""Files made wrong, each a function of a seed; and what became of reading one."""

import gzip
import json
import os
import random
import re
import shutil
import struct
import traceback
import warnings
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from fuzz_samples import KINDS, Kind

from ecs_med.errors import EcsMedError

__all__ = ["Attempt", "Result", "attempts", "try_one"]

Outcome = Literal["works", "refused", "bug"]

_DICOM_VRS = tuple(b"AS CS DA DS FD FL IS LO OB OW PN SH SQ SS TM UI UL UN US UT".split())
_DICOM_UIDS = (
    b"1.2.840.10008.1.2", b"1.2.840.10008.1.2.1", b"1.2.840.10008.1.2.2", b"1.2.840.10008.1.2.5",
    b"1.2.840.10008.1.2.1.99", b"1.2.840.10008.1.2.4.50", b"1.2.840.10008.1.2.4.70",
    b"1.2.840.10008.1.2.4.80", b"1.2.840.10008.1.2.4.90", b"1.2.840.10008.1.2.4.100", b"1.2.3", b"",
    b"1.2.840.10008.5.1.4.1.1.2", b"1.2.840.10008.5.1.4.1.1.66.4",
)  # fmt: skip

_HEADER_VALUES = (
    b"", b"0", b"-1", b"1", b"2", b"3", b"4", b"999999999", b"99999999999999999999", b"1e308",
    b"nan", b"inf", b"-inf", b"1e-320", b"none", b"(0,0,0)", b"(1e200,0,0)", b"(nan,0,0)", b"(1,2)",
    b"((", b"x" * 10_000, b"1 " * 10_000, b"\xff\xfe", b"\0", b"\xc3\xa9", b"../../../etc/passwd",
    b"/dev/zero", b"LIST", b"LOCAL", b"%d.raw 1 9 1", b"volume.raw", b"volume.mhd", b"volume.nhdr",
    b".", b"..", b"raw", b"gzip", b"bzip2", b"ascii", b"double", b"block", b"MET_DOUBLE", b"True",
    b"False", b"big", b"scanner-xyz", b"list", b"time", b"domain", b"12 11 6", b"11 12 6",
    b"12 11 7",
)  # fmt: skip
"""What a line of a text header may say instead."""

_RAW = "\0raw:"
"""Before text that is to stand in a JSON file without quotes."""

_VALUES: tuple[Any, ...] = (
    None, True, False, "", "text", "0", "-1", "\x00", "é" * 50, "../../../etc/passwd", "<b>&'\"",
    "x" * 100_000, 0, 1, -1, 2, 3, 7, 1000, 10**6, 10**9, 2**31, 2**63, -(2**63), 10**30, 0.5, -0.1,
    1e-320, 1e308, -1e308, [], {}, [None], [[]], [1], [1, 2], [1e9, 1e9], [2, 1], ["a"] * 1000,
    list(range(300)), {"a": {"b": [1]}}, f"{_RAW}NaN", f"{_RAW}Infinity", f"{_RAW}-Infinity",
    f"{_RAW}1e999", f"{_RAW}" + "9" * 5000, f"{_RAW}" + "[" * 100_000, f"{_RAW}\"\\ud800\"",
    f"{_RAW}" + "[" * 300 + "]" * 300,
)  # fmt: skip

_HEADER_FIELDS = (
    *((0, "<i", (0, 347, 540, -1)), (108, "<f", (0.0, 1e10, -5.0, 1e30, float("nan")))),
    *((offset, "<h", (0, -1, 1, 2, 30000, 32767)) for offset in range(40, 56, 2)),
    (70, "<h", (0, 1, 2, 32, 128, 256, 1536, 1792, 2304, 9999)),
    (72, "<h", (0, 1, 16, 30000)),
    *((o, "<f", (0.0, -1.0, 1e-30, 1e30, float("nan"), float("inf"))) for o in range(76, 108, 4)),
    *((o, "<f", (0.0, 1e38, -1e38, 1e-38, float("nan"), float("inf"))) for o in (112, 116)),
    *((offset, "<h", (-1, 0, 1, 5, 99)) for offset in (252, 254)),
    *((o, "<f", (0.0, 5.0, 1e20, float("nan"), float("inf"))) for o in range(256, 328, 4)),
    (344, "4s", (b"ni1\0", b"n+2\0", b"\0\0\0\0", b"abcd")),
    (348, "4s", (b"\1\0\0\0", b"\xff\xff\xff\xff")),
)


@dataclass(frozen=True)
class Attempt:
    """One wrong file.

    Attributes:
        kind: Of which kind.
        seed: Of what is wrong with it.
    """

    kind: Kind
    seed: int


@dataclass(frozen=True)
class Result:
    """What became of it.

    Attributes:
        outcome: `bug` for every exception but an `EcsMedError` of one sentence with a file's name.
        mutation: What was done to the file.
        said: The sentence, or the end of the traceback.
    """

    outcome: Outcome
    mutation: str
    said: str = ""


def attempts(number: int, seed: int = 0, kinds: Sequence[Kind] = KINDS) -> Iterator[Attempt]:
    """`number` attempts, every kind among them, the same for a seed."""
    chooser = random.Random(seed)
    weights = [kind.weight for kind in kinds]
    for index in range(number):
        kind = kinds[index] if index < len(kinds) else chooser.choices(kinds, weights)[0]
        yield Attempt(kind, chooser.randrange(2**32))


def try_one(attempt: Attempt, samples: Path, scratch: Path) -> Result:
    """Make a copy of the samples with one wrong file, and read it.

    Args:
        attempt: What to do.
        samples: As `write_samples` wrote them.
        scratch: A folder that does not exist; it is gone afterwards.
    """
    kind, chance = attempt.kind, random.Random(attempt.seed)
    shutil.copytree(samples / kind.folder, scratch, copy_function=_link)
    path = scratch / kind.file.split("/", maxsplit=1)[1]
    content = path.read_bytes()
    path.unlink()
    mutation = _put(path, content, kind.form, chance)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            kind.read(scratch)
    except EcsMedError as error:
        said = str(error)
        names_it = path.name in said or str(scratch) in said
        fine = names_it and "\n" not in said
        return Result("refused" if fine else "bug", mutation, said[:400])
    except Exception as error:
        return Result("bug", mutation, _where(error))
    finally:
        shutil.rmtree(scratch)
    return Result("works", mutation)


def _where(error: Exception) -> str:
    """The error, and the lines that led to it."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames]
    return f"{type(error).__name__}: {str(error)[:300]} ({' < '.join(lines[:-9:-1])})"


def _link(source: str, target: str) -> None:
    os.link(source, target)


def _put(path: Path, content: bytes, form: str, chance: random.Random) -> str:
    """Write the wrong file; in words what it is."""
    place = chance.random()
    if place < 0.02:
        os.mkfifo(path)
        return "a FIFO"
    if place < 0.035:
        path.mkdir()
        return "a folder"
    if place < 0.05:
        path.symlink_to("/dev/zero")
        return "a device"
    change, name = _change_of(form, chance)
    path.write_bytes(change(content, chance))
    return name


Change = Callable[[bytes, random.Random], bytes]


def _change_of(form: str, chance: random.Random) -> tuple[Change, str]:
    special = _SPECIAL.get(form, ())
    if special and chance.random() < 0.7:
        return chance.choice(special)
    return chance.choice(_BYTES)


def _flip(content: bytes, chance: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(chance.choice((1, 1, 1, 4, 50))):
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def _flip_start(content: bytes, chance: random.Random) -> bytes:
    start = min(len(content), 400)
    return _flip(content[:start], chance) + content[start:]


def _truncate(content: bytes, chance: random.Random) -> bytes:
    return content[: chance.choice((0, 1, 2, 10, chance.randrange(len(content)), -1, -9))]


def _insert(content: bytes, chance: random.Random) -> bytes:
    place = chance.choice((0, len(content), chance.randrange(len(content))))
    added = chance.choice((b"\0", b"\xff\xfe", b"\xef\xbb\xbf", b"\n\n", chance.randbytes(40)))
    return content[:place] + added + content[place:]


def _random(content: bytes, chance: random.Random) -> bytes:
    return chance.randbytes(chance.choice((1, 50, 5000)))


def _blank(content: bytes, chance: random.Random) -> bytes:
    start = chance.randrange(len(content))
    return content[:start] + bytes(min(200, len(content) - start)) + content[start + 200 :]


def _text_otherwise(content: bytes, chance: random.Random) -> bytes:
    text = content.decode()
    coded = (
        text.encode("utf-16"), text.encode("utf-32"), b"\xef\xbb\xbf" + content,
        text.replace("a", "é").encode("latin-1"), text.replace("a", "\0").encode(),
        text.replace("\n", "\r").encode(), content * 2, content.replace(b'"', b"'"),
        content.replace(b",", b";"), content.replace(b'"', b""), b'"' + content,
    )  # fmt: skip
    return chance.choice(coded)


def _json_value(content: bytes, chance: random.Random) -> bytes:
    document = json.loads(content)
    _change_a_node(document, chance)
    return _dumped(document)


def _jsonl_value(content: bytes, chance: random.Random) -> bytes:
    lines = content.splitlines()
    place = chance.randrange(len(lines))
    lines[place] = _json_value(lines[place], chance).replace(b"\n", b"")
    return b"\n".join(lines) + b"\n"


def _change_a_node(document: Any, chance: random.Random) -> None:
    node = document
    while True:
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        if not keys:
            return
        key = chance.choice(keys)
        child = node[key]
        if not isinstance(child, dict | list) or not child or chance.random() < 0.25:
            break
        node = child
    match chance.randrange(8):
        case 0:
            del node[key]
        case 1 if isinstance(node, dict):
            node["unknown"] = chance.choice(_VALUES)
        case 2 if isinstance(child, list):
            node[key] = child * chance.choice((2, 100))
        case 3 if isinstance(child, list):
            node[key] = child[:-1]
        case _:
            node[key] = chance.choice(_VALUES)


def _json_duplicate(content: bytes, chance: random.Random) -> bytes:
    document = json.loads(content)
    if not isinstance(document, dict):
        return content + content
    key = chance.choice(list(document))
    extra = _dumped({key: chance.choice(_VALUES)}).strip()[1:-1]
    return content.rstrip()[:-1] + b"," + extra + b"}"


def _json_root(content: bytes, chance: random.Random) -> bytes:
    return _dumped(chance.choice(_VALUES))


def _dumped(document: Any) -> bytes:
    text = json.dumps(document)
    start = json.dumps(_RAW)[:-1]
    while (place := text.find(start)) >= 0:
        end = place + len(json.dumps(json.JSONDecoder().raw_decode(text[place:])[0]))
        text = text[:place] + json.loads(text[place:end]).removeprefix(_RAW) + text[end:]
    return text.encode()


def _nifti_field(content: bytes, chance: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(chance.choice((1, 1, 2))):
        offset, form, values = chance.choice(_HEADER_FIELDS)
        struct.pack_into(form, changed, offset, chance.choice(values))
    return bytes(changed)


def _inside_gzip(change: Change) -> Change:
    def changed(content: bytes, chance: random.Random) -> bytes:
        return gzip.compress(change(gzip.decompress(content), chance), mtime=0)

    return changed


def _png_chunk(content: bytes, chance: random.Random) -> bytes:
    """Wrong numbers in the header of a PNG file under a right checksum."""
    header = bytearray(content[12:29])
    offset, form, values = chance.choice(
        (
            (4, ">I", (0, 1, 37, 13000, 20000, 2**31 - 1, 2**32 - 1)),
            (8, ">I", (0, 1, 41, 13000, 20000, 2**31 - 1)),
            (12, ">B", (0, 1, 2, 16, 255)),
            (13, ">B", (0, 3, 4, 6, 9)),
        )
    )
    struct.pack_into(form, header, offset, chance.choice(values))
    return content[:12] + header + struct.pack(">I", zlib.crc32(header)) + content[33:]


def _tiff_tag(content: bytes, chance: random.Random) -> bytes:
    changed = bytearray(content)
    (start,) = struct.unpack_from("<I", content, 4)
    (number,) = struct.unpack_from("<H", content, start)
    entry = start + 2 + 12 * chance.randrange(number)
    offset, form, values = chance.choice(
        (
            (8, "<I", (0, 1, 9, 13000, 20000, 2**31 - 1, 2**32 - 1)),
            (4, "<I", (0, 2, 1000, 2**32 - 1)),
            (2, "<H", (0, 1, 2, 3, 4, 5, 12, 99)),
            (0, "<H", (256, 257, 258, 259, 277, 338, 274)),
        )
    )
    struct.pack_into(form, changed, entry + offset, chance.choice(values))
    return bytes(changed)


def _bmp_size(content: bytes, chance: random.Random) -> bytes:
    changed = bytearray(content)
    offset = chance.choice((10, 14, 18, 22, 28, 30, 46))
    values = (0, 1, -1, 41, 13000, 20000, 2**31 - 1, -(2**31))
    struct.pack_into("<i", changed, offset, chance.choice(values))
    return bytes(changed)


def _jpeg_size(content: bytes, chance: random.Random) -> bytes:
    place = content.index(b"\xff\xc0")
    changed = bytearray(content)
    struct.pack_into(">H", changed, place + chance.choice((5, 7)), chance.choice((0, 1, 41, 65535)))
    return bytes(changed)


def _tensors_header(content: bytes, chance: random.Random) -> bytes:
    (length,) = struct.unpack_from("<Q", content)
    header = json.loads(content[8 : 8 + length])
    if "__metadata__" in header and chance.random() < 0.6:
        _change_a_node({"only": header["__metadata__"]}, chance)
    else:
        _change_a_node(header, chance)
    text = _dumped(header)
    return struct.pack("<Q", len(text)) + text + content[8 + length :]


def _tensors_progress(content: bytes, chance: random.Random) -> bytes:
    """Wrong values in the records that lie in the metadata of a file of tensors."""
    (length,) = struct.unpack_from("<Q", content)
    header = json.loads(content[8 : 8 + length])
    for key, text in (header.get("__metadata__") or {}).items():
        if text.startswith("{"):
            header["__metadata__"][key] = _json_value(text.encode(), chance).decode()
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + content[8 + length :]


def _tensors_body(content: bytes, chance: random.Random) -> bytes:
    (length,) = struct.unpack_from("<Q", content)
    return content[: 8 + length] + _flip(content[8 + length :], chance)


def _tensors_length(content: bytes, chance: random.Random) -> bytes:
    return struct.pack("<Q", chance.choice((0, 1, 2**20, 2**40, 2**64 - 1))) + content[8:]


def _tar_block(content: bytes, chance: random.Random) -> bytes:
    """A tar file that ends after a block, or between two files, as one that was cut."""
    return content[: 512 * chance.randrange(1, max(2, len(content) // 512))]


def _tar_header(content: bytes, chance: random.Random) -> bytes:
    """Another size, kind or name in the first header, under a right checksum."""
    changed = bytearray(content)
    offset, value = chance.choice(
        (
            (124, b"77777777777\0"), (124, b"\x80" + b"\0" * 3 + b"\x7f" + b"\xff" * 7),
            (124, b"\xff" * 12), (124, b"00000000000\0"), (156, b"2"), (156, b"5"), (156, b"x"),
            (156, b"L"), (156, b"S"), (156, b"g"), (0, b"../../out\0"), (0, b"/etc/out\0"),
            (0, b"\xff\xfe\0"), (0, b"\0"), (100, b"zzzzzzz\0"),
        )
    )  # fmt: skip
    changed[offset : offset + len(value)] = value
    changed[148:156] = b" " * 8
    changed[148:156] = b"%06o\0 " % sum(changed[:512])
    return bytes(changed)


def _header_line(content: bytes, chance: random.Random) -> bytes:
    """A line of a text header left out, said twice or elsewhere, or with another value."""
    last = (b"\n\n", 0) if content.startswith(b"NRRD") else (b"\n", content.find(b"ElementData"))
    end = content.find(*last)
    lines = content[:end].split(b"\n")
    for _ in range(chance.choice((1, 1, 2))):
        at = chance.randrange(len(lines))
        name, sign, value = re.fullmatch(
            rb"([^:=]*)(:=|: | = )?(.*)", lines[at], re.DOTALL
        ).groups()
        other = chance.choice(_HEADER_VALUES)
        match chance.randrange(6):
            case 0:
                del lines[at : at + 1 if len(lines) > 1 else at]
            case 1:
                lines.insert(chance.randrange(len(lines) + 1), lines[at])
            case 2:
                lines.insert(at, name.upper() + (sign or b": ") + other)
            case 3:
                words = value.split(b" ")
                words[chance.randrange(len(words))] = other
                lines[at] = name + (sign or b"") + b" ".join(words)
            case 4:
                lines[at] = name + chance.choice((b":=", b" : ", b"=", b": ")) + value
            case _:
                lines[at] = name + (sign or b"") + other
    return b"\n".join(lines) + content[end:]


def _dicom_elements(content: bytes) -> list[tuple[int, int, int, bytes]]:
    """Start, start of the value, its length and VR of the explicit elements of group 8 to 0x3006.

    Elements are found by what they look like, those inside sequences too.
    """
    found = []
    for place in range(132, min(len(content), 2**16) - 8):
        vr = content[place + 4 : place + 6]
        if vr not in _DICOM_VRS or content[place + 1] not in (0, 0x30, 0x52, 0x7F):
            continue
        if vr in (b"OB", b"OW", b"SQ", b"UN", b"UT"):
            (length,) = struct.unpack_from("<I", content, place + 8)
            found.append((place, place + 12, length, vr))
        else:
            (length,) = struct.unpack_from("<H", content, place + 6)
            found.append((place, place + 8, length, vr))
    return [each for each in found[:4000] if each[1] + min(each[2], 2**20) <= len(content) + 2**20]


def _dicom_value(content: bytes, chance: random.Random) -> bytes:
    """Another value of the same length, such as the VR allows, and such as it does not."""
    elements = [each for each in _dicom_elements(content) if 0 < each[2] < 200]
    if not elements:
        return _flip(content, chance)
    changed = bytearray(content)
    for _ in range(chance.choice((1, 1, 3))):
        _, start, length, vr = chance.choice(elements)
        if vr in (b"US", b"SS"):
            value = struct.pack("<H", chance.choice((0, 1, 2, 3, 7, 8, 12, 16, 255, 4096, 65535)))
        elif vr in (b"DS", b"IS"):
            value = chance.choice(
                (b"0", b"-1", b"1e30", b"nan", b"inf", b"1,5", b"Doe^Jane", b"\\\\", b"1\\2", b"")
            )
        elif vr in (b"FD", b"FL"):
            value = struct.pack("<d", chance.choice((0.0, -1.0, 1e300, float("nan"))))
        elif vr == b"UI":
            value = chance.choice(_DICOM_UIDS)
        else:
            value = chance.choice((b"MONOCHROME1", b"RGB", b"YES", b"Doe^Jane", b"\xff\xfe", b""))
        changed[start : start + length] = value[:length].ljust(
            length, b"\0" if vr == b"UI" else b" "
        )
    return bytes(changed)


def _dicom_missing(content: bytes, chance: random.Random) -> bytes:
    """One element left out, or twice there."""
    elements = [each for each in _dicom_elements(content) if each[2] < 2**16]
    if not elements:
        return _truncate(content, chance)
    start, value, length, _ = chance.choice(elements)
    whole = content[start : value + length]
    return content[:start] + whole * chance.choice((0, 0, 2)) + content[value + length :]


def _dicom_length(content: bytes, chance: random.Random) -> bytes:
    """Another length of an element, or another type."""
    elements = _dicom_elements(content)
    if not elements:
        return _insert(content, chance)
    start, value, _, _ = chance.choice(elements)
    changed = bytearray(content)
    if chance.random() < 0.5:
        changed[start + 4 : start + 6] = chance.choice(_DICOM_VRS)
    elif value == start + 12:
        lengths = (0, 1, 8, 1000, 2**31, 2**32 - 2, 2**32 - 1)
        struct.pack_into("<I", changed, start + 8, chance.choice(lengths))
    else:
        struct.pack_into("<H", changed, start + 6, chance.choice((0, 1, 2, 3, 200, 65535)))
    return bytes(changed)


def _dicom_pixels(content: bytes, chance: random.Random) -> bytes:
    """Wrong bits in the pixels, often in the headers of compressed ones."""
    start = content.rfind(b"\xe0\x7f\x10\x00") + 8
    end = chance.choice((start + 60, start + 300, len(content)))
    return content[:start] + _flip(content[start:end], chance) + content[end:]


_BYTES: tuple[tuple[Change, str], ...] = (
    (_flip, "flipped bits"),
    (_flip, "flipped bits"),
    (_flip_start, "flipped bits at the start"),
    (_truncate, "cut short"),
    (_insert, "inserted bytes"),
    (_blank, "a stretch of zeros"),
    (_random, "random bytes"),
)
_OF_NIFTI: tuple[tuple[Change, str], ...] = ((_nifti_field, "header field"),)
_OF_TAR: tuple[tuple[Change, str], ...] = ((_tar_block, "cut at a block"), (_tar_header, "header"))

_SPECIAL: dict[str, tuple[tuple[Change, str], ...]] = {
    "json": (
        *[(_json_value, "another value")] * 6,
        (_json_duplicate, "a key twice"),
        (_json_root, "another document"),
        (_text_otherwise, "another encoding"),
    ),
    "jsonl": ((_jsonl_value, "another value"), (_text_otherwise, "another encoding")),
    "text": ((_text_otherwise, "another encoding"),),
    "nifti": _OF_NIFTI,
    "nifti.gz": tuple((_inside_gzip(change), name) for change, name in _OF_NIFTI + _BYTES[:4]),
    "header": ((_header_line, "a line of the header"),),
    "png": ((_png_chunk, "header"),),
    "tiff": ((_tiff_tag, "tag"),),
    "bmp": ((_bmp_size, "header"),),
    "jpeg": ((_jpeg_size, "size"),),
    "dicom": (
        *[(_dicom_value, "another value")] * 3,
        (_dicom_missing, "an element left out or twice"),
        (_dicom_length, "another length or type"),
        (_dicom_pixels, "flipped bits in pixels"),
    ),
    "tensors": (
        (_tensors_header, "header"),
        (_tensors_progress, "record inside"),
        (_tensors_body, "flipped bits of tensors"),
        (_tensors_length, "length of the header"),
    ),
    "tar": _OF_TAR,
    "tar.gz": tuple((_inside_gzip(change), name) for change, name in _OF_TAR + _BYTES[:4]),
}
"""What may be wrong beside single bytes, by form."""
