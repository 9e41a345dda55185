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
    "blood vessel": (_STRUCTURE, "BloodVessel"),
    "bone": (_STRUCTURE, "Bone"),
    "brain": (_STRUCTURE, "Brain"),
    "breast": (_STRUCTURE, "Breast"),
    "cerebellum": (_STRUCTURE, "Cerebellum"),
    "clavicle": (_STRUCTURE, "Clavicle"),
    "colon": (_STRUCTURE, "Colon"),
    "cyst": (_ABNORMAL, "Cyst"),
    "duodenum": (_STRUCTURE, "Duodenum"),
    "edema": (_ABNORMAL, "Edema"),
    "esophagus": (_STRUCTURE, "Esophagus"),
    "eye": (_STRUCTURE, "Eye"),
    "fat": (_STRUCTURE, "Fat"),
    "femur": (_STRUCTURE, "Femur"),
    "gall bladder": (_STRUCTURE, "Gallbladder"),
    "gallbladder": (_STRUCTURE, "Gallbladder"),
    "gray matter": (_STRUCTURE, "GrayMatter"),
    "heart": (_STRUCTURE, "Heart"),
    "hemorrhage": (_ABNORMAL, "Hemorrhage"),
    "hippocampus": (_STRUCTURE, "Hippocampus"),
    "humerus": (_STRUCTURE, "Humerus"),
    "inferior vena cava": (_STRUCTURE, "InferiorVenaCava"),
    "instrument": (_OBJECT, "InstrumentDevice"),
    "kidney": (_STRUCTURE, "Kidney"),
    "left atrium": (_STRUCTURE, "LeftAtrium"),
    "left ventricle": (_STRUCTURE, "LeftVentricle"),
    "lesion": (_ABNORMAL, "Lesion"),
    "liver": (_STRUCTURE, "Liver"),
    "lung": (_STRUCTURE, "Lung"),
    "lymph node": (_STRUCTURE, "LymphNode"),
    "mandible": (_STRUCTURE, "Mandible"),
    "mass": (_ABNORMAL, "Mass"),
    "muscle": (_STRUCTURE, "Muscle"),
    "necrosis": (_ABNORMAL, "Necrosis"),
    "nodule": (_ABNORMAL, "Nodule"),
    "optic disc": (_STRUCTURE, "OpticDiscStructure"),
    "optic nerve": (_STRUCTURE, "OpticNerve"),
    "pancreas": (_STRUCTURE, "Pancreas"),
    "polyp": (_ABNORMAL, "Lesion"),
    "portal vein": (_STRUCTURE, "PortalVein"),
    "prostate": (_STRUCTURE, "Prostate"),
    "rectum": (_STRUCTURE, "Rectum"),
    "retina": (_STRUCTURE, "Retina"),
    "rib": (_STRUCTURE, "Rib"),
    "right atrium": (_STRUCTURE, "RightAtrium"),
    "right ventricle": (_STRUCTURE, "RightVentricle"),
    "sacrum": (_STRUCTURE, "Sacrum"),
    "scapula": (_STRUCTURE, "Scapula"),
    "skin": (_STRUCTURE, "Skin"),
    "small bowel": (_STRUCTURE, "SmallIntestine"),
    "small intestine": (_STRUCTURE, "SmallIntestine"),
    "spinal cord": (_STRUCTURE, "SpinalCord"),
    "spleen": (_STRUCTURE, "Spleen"),
    "stomach": (_STRUCTURE, "Stomach"),
    "superior vena cava": (_STRUCTURE, "SuperiorVenaCava"),
    "thalamus": (_STRUCTURE, "Thalamus"),
    "thyroid gland": (_STRUCTURE, "Thyroid"),
    "thyroid": (_STRUCTURE, "Thyroid"),
    "trachea": (_STRUCTURE, "Trachea"),
    "tumor": (_ABNORMAL, "Neoplasm"),
    "urinary bladder": (_STRUCTURE, "Bladder"),
    "uterus": (_STRUCTURE, "Uterus"),
    "vein": (_STRUCTURE, "Vein"),
    "vena cava": (_STRUCTURE, "VenaCava"),
    "vertebra": (_STRUCTURE, "Vertebra"),
    "vessel": (_STRUCTURE, "BloodVessel"),
    "white matter": (_STRUCTURE, "WhiteMatter"),
}
"""Category and type by words of a class name, as pydicom's table of SNOMED CT calls them."""

_SPELLINGS = {
    "tumour": "tumor", "tumours": "tumor", "tumors": "tumor", "neoplasm": "tumor",
    "cancer": "tumor", "carcinoma": "tumor", "oedema": "edema", "oesophagus": "esophagus",
    "haemorrhage": "hemorrhage", "arteries": "artery", "bones": "bone", "cysts": "cyst",
    "instruments": "instrument", "kidneys": "kidney", "lesions": "lesion", "lungs": "lung",
    "muscles": "muscle", "nodules": "nodule", "polyps": "polyp", "ribs": "rib",
    "grey": "gray", "nodes": "node", "tool": "instrument", "tools": "instrument", "veins": "vein",
    "vertebrae": "vertebra", "vessels": "vessel",
}  # fmt: skip

_QUALIFIERS = frozenset(
    ("left", "right", "anterior", "posterior", "superior", "inferior", "upper", "lower")
) | {"l", "r", "of", "the", "structure", "organ", "class"}
"""Words that leave a structure what it is; any other may make it a part, as of bone marrow."""

_NEGATIONS = frozenset(
    ("no", "non", "not", "without", "free", "absent", "healthy", "normal", "background", "outside")
)


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
        Those given; else of the known words in the name, if they are of one thing and its other
        words do not make something else of it (a vein of the kidney is neither); else a tissue
        that is an anatomical structure, for which the label of the segment has to speak.
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
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    words = [_SPELLINGS.get(word, word) for word in re.findall(r"[^\W\d_]+", spaced.lower())]
    text = f" {' '.join(words)} "
    found = [known for known in _BY_WORDS if f" {known} " in text]
    # A gall bladder is no bladder.
    found = [known for known in found if sum(f" {known} " in f" {x} " for x in found) == 1]
    # What is abnormal says more than where it lies: a liver tumour is a tumour.
    special = [known for known in found if _BY_WORDS[known][0] != _STRUCTURE]
    if _NEGATIONS.intersection(words) or len(special or found) != 1:
        return ""
    known_words = {word for known in found for word in known.split()}
    is_whole = all(word in known_words or word in _QUALIFIERS for word in words)
    return (special or found)[0] if special or is_whole else ""
