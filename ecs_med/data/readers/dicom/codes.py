"""SNOMED CT codes of segments: what a class is, in words that every viewer and archive knows."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydicom.sr.coding import Code

__all__ = ["SegmentCodes", "codes_of"]

_STRUCTURE = "AnatomicalStructure"
_ABNORMAL = "MorphologicallyAbnormalStructure"
_OBJECT = "PhysicalObject"

_BY_WORDS: Mapping[str, tuple[str, str]] = {
    "adrenal gland": (_STRUCTURE, "AdrenalGland"),
    "aorta": (_STRUCTURE, "Aorta"),
    "artery": (_STRUCTURE, "Artery"),
    "bladder": (_STRUCTURE, "Bladder"),
    "bone": (_STRUCTURE, "Bone"),
    "brain": (_STRUCTURE, "Brain"),
    "breast": (_STRUCTURE, "Breast"),
    "colon": (_STRUCTURE, "Colon"),
    "cyst": (_ABNORMAL, "Cyst"),
    "duodenum": (_STRUCTURE, "Duodenum"),
    "edema": (_ABNORMAL, "Edema"),
    "esophagus": (_STRUCTURE, "Esophagus"),
    "eye": (_STRUCTURE, "Eye"),
    "fat": (_STRUCTURE, "Fat"),
    "femur": (_STRUCTURE, "Femur"),
    "gallbladder": (_STRUCTURE, "Gallbladder"),
    "heart": (_STRUCTURE, "Heart"),
    "hemorrhage": (_ABNORMAL, "Hemorrhage"),
    "hippocampus": (_STRUCTURE, "Hippocampus"),
    "inferior vena cava": (_STRUCTURE, "InferiorVenaCava"),
    "instrument": (_OBJECT, "InstrumentDevice"),
    "kidney": (_STRUCTURE, "Kidney"),
    "left ventricle": (_STRUCTURE, "LeftVentricle"),
    "lesion": (_ABNORMAL, "Lesion"),
    "liver": (_STRUCTURE, "Liver"),
    "lung": (_STRUCTURE, "Lung"),
    "mass": (_ABNORMAL, "Mass"),
    "muscle": (_STRUCTURE, "Muscle"),
    "necrosis": (_ABNORMAL, "Necrosis"),
    "nodule": (_ABNORMAL, "Nodule"),
    "optic disc": (_STRUCTURE, "OpticDiscStructure"),
    "pancreas": (_STRUCTURE, "Pancreas"),
    "polyp": (_ABNORMAL, "Lesion"),
    "portal vein": (_STRUCTURE, "PortalVein"),
    "prostate": (_STRUCTURE, "Prostate"),
    "rectum": (_STRUCTURE, "Rectum"),
    "retina": (_STRUCTURE, "Retina"),
    "rib": (_STRUCTURE, "Rib"),
    "right ventricle": (_STRUCTURE, "RightVentricle"),
    "skin": (_STRUCTURE, "Skin"),
    "small intestine": (_STRUCTURE, "SmallIntestine"),
    "spleen": (_STRUCTURE, "Spleen"),
    "stomach": (_STRUCTURE, "Stomach"),
    "thyroid": (_STRUCTURE, "Thyroid"),
    "trachea": (_STRUCTURE, "Trachea"),
    "tumor": (_ABNORMAL, "Neoplasm"),
    "uterus": (_STRUCTURE, "Uterus"),
    "vein": (_STRUCTURE, "Vein"),
    "vertebra": (_STRUCTURE, "Vertebra"),
    "vessel": (_STRUCTURE, "BloodVessel"),
}
"""Category and type by words of a class name, as pydicom's table of SNOMED CT calls them."""

_SPELLINGS = {
    "tumour": "tumor", "neoplasm": "tumor", "cancer": "tumor", "carcinoma": "tumor",
    "oedema": "edema", "oesophagus": "esophagus", "haemorrhage": "hemorrhage", "kidneys": "kidney",
    "lungs": "lung", "vessels": "vessel", "polyps": "polyp", "lesions": "lesion",
    "tool": "instrument",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class SegmentCodes:
    """What a segment is.

    Attributes:
        category: Such as anatomical structure.
        type: Such as liver.
    """

    category: "Code"
    type: "Code"


def codes_of(name: str, given: Mapping[str, Mapping[str, Any]] | None = None) -> SegmentCodes:
    """Codes for a class.

    Args:
        name: Of the class.
        given: What the user says, by class name: `category` and `type`, each with `value`, `scheme`
            and `meaning`.

    Returns:
        Those given; else of the longest known words that occur in the name; else a tissue that is
        an anatomical structure, for which the label of the segment has to speak.
    """
    from pydicom.sr.codedict import codes
    from pydicom.sr.coding import Code

    if given and name in given:
        category, kind = (
            Code(entry["value"], entry.get("scheme", "SCT"), entry["meaning"])
            for entry in (given[name]["category"], given[name]["type"])
        )
        return SegmentCodes(category, kind)
    category, kind = _BY_WORDS.get(_known_words(name), (_STRUCTURE, "Tissue"))
    return SegmentCodes(getattr(codes.SCT, category), getattr(codes.SCT, kind))


def _known_words(name: str) -> str:
    words = re.findall(r"[a-z]+", name.lower())
    text = f" {' '.join(_SPELLINGS.get(word, word) for word in words)} "
    found = [known for known in _BY_WORDS if f" {known} " in text]
    # What is abnormal says more than where it lies: a liver tumour is a tumour.
    return max(found, key=lambda known: (_BY_WORDS[known][0] != _STRUCTURE, len(known)), default="")
