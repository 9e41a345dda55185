"""DICOM files with a planted word in every kind of text, and where such words come out again."""

import gzip
from collections.abc import Iterable
from pathlib import Path

import pydicom
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset

__all__ = ["ROOT", "WORD", "leaks", "plant"]

WORD = "Sentinel"
"""In every planted text, whichever way its letters are written."""

ROOT = "1.2.826.0.1.3680043.919191"
"""What planted identifiers begin with."""

_SHORT = {
    "RetrieveAETitle": "AE", "StationAETitle": "AE", "PatientAge": "AS", "BodyPartExamined": "CS",
    "PatientSex": "CS", "StudyDate": "DA", "PatientBirthDate": "DA",
    "PatientWeight": "DS", "KVP": "DS", "AcquisitionDateTime": "DT", "EchoTrainLength": "IS",
    "InstitutionName": "LO", "PatientID": "LO", "StudyDescription": "LO", "SeriesDescription": "LO",
    "DeviceSerialNumber": "LO", "AdditionalPatientHistory": "LT", "PatientComments": "LT",
    "PatientName": "PN", "ReferringPhysicianName": "PN", "OperatorsName": "PN",
    "AccessionNumber": "SH", "StudyID": "SH", "StationName": "SH", "InstitutionAddress": "ST",
    "StudyTime": "TM", "AcquisitionTime": "TM", "IrradiationEventUID": "UI",
    "SynchronizationFrameOfReferenceUID": "UI",
}  # fmt: skip
"""Elements of each VR whose length takes two bytes."""

_LONG = {"LongCodeValue": "UC", "RetrieveURL": "UR", "TextValue": "UT"}

_UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID", "SOPInstanceUID")


def plant(path: Path, case: str = "1") -> Path:
    """Put planted words into a DICOM file: texts of every VR, private elements, sequences, UIDs.

    Numbers and dates hold words, too, as damaged files do; what says where slices lie stays.

    Args:
        path: Of a file in explicit VR, which is changed.
        case: What study, series and frame of reference are told apart by.
    """
    dataset = pydicom.dcmread(path)
    patches = []
    for kinds, written_as in ((_SHORT, "LO"), (_LONG, "UT")):
        for keyword, kind in kinds.items():
            tag = tag_for_keyword(keyword)
            if tag is None:
                continue
            text = f"{WORD}_{keyword}"[:60]
            dataset.add_new(tag, written_as, text)
            place = tag.to_bytes(4, "big")
            stored = place[1::-1] + place[3:1:-1]
            patches.append((stored + written_as.encode(), stored + kind.encode()))
    block = dataset.private_block(0x0029, f"{WORD} PRIVATE", create=True)
    block.add_new(0x10, "LO", f"{WORD}_private")
    block.add_new(0x11, "OB", f"{WORD}_private_bytes ".encode())
    inner = Dataset()
    inner.add_new("PatientName", "PN", f"{WORD}^inner")
    inner.add_new("TextValue", "UT", f"{WORD}_inner")
    dataset.OtherPatientIDsSequence = [inner]
    for place, keyword in enumerate(_UIDS[:3]):
        setattr(dataset, keyword, f"{ROOT}.{case}.{place}")
    own = str(dataset.SOPInstanceUID).rsplit(".", 1)[-1][-20:].lstrip("0")
    dataset.SOPInstanceUID = f"{ROOT}.{case}.{own}"
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta.ImplementationVersionName = WORD
    dataset.preamble = f"{WORD} preamble".encode().ljust(128, b"\0")
    dataset.save_as(path, enforce_file_format=True)
    content = path.read_bytes()
    for before, after in patches:
        assert before in content
        content = content.replace(before, after, 1)
    path.write_bytes(content)
    return path


def leaks(streams: Iterable[bytes], folders: Iterable[Path]) -> list[str]:
    """Where planted words are found: in streams, names, and files as they are and unpacked.

    Links are named and not followed: where they lead is what hides them.
    """
    found = [_around(stream) for stream in streams if _holds(stream)]
    for folder in folders:
        for path in folder.rglob("*"):
            name = str(path.relative_to(folder))
            if _holds(name.encode()):
                found.append(f"name: {name}")
            if path.is_symlink() or not path.is_file():
                continue
            content = path.read_bytes()
            if content[:2] == b"\x1f\x8b":
                content += gzip.decompress(content)
            if _holds(content):
                found.append(f"{name}: {_around(content)}")
    return found


def _holds(content: bytes) -> bool:
    lower = content.lower()
    return any(word in lower for word in _words())


def _words() -> tuple[bytes, ...]:
    wide = WORD.lower().encode("utf-16-le")
    return WORD.lower().encode(), ROOT.encode(), wide


def _around(content: bytes) -> str:
    lower = content.lower()
    at = min(place for word in _words() if (place := lower.find(word)) >= 0)
    return repr(content[max(0, at - 80) : at + 80])
