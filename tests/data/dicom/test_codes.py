"""Codes of segments: known structures by name, and generic ones where a guess might be wrong."""

import pytest
from pydicom.sr.codedict import codes

from ecs_med.data.readers.dicom import codes as table
from ecs_med.data.readers.dicom.codes import codes_of


@pytest.mark.parametrize("name", sorted(table._BY_WORDS))
def test_every_structure_of_the_table_has_codes(name: str) -> None:
    found = codes_of(name)
    assert found.type.scheme_designator == found.category.scheme_designator == "SCT"
    assert found.type != codes.SCT.Tissue


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("Liver", "10200004"), ("left_kidney", "64033007"), ("LeftKidney", "64033007"),
        ("Hippocampus_anterior", codes.SCT.Hippocampus.value), ("liver tumour", "108369006"),
        ("enhancing tumors", "108369006"), ("gall-bladder", codes.SCT.Gallbladder.value),
        # Not the whole of what they name, or not at all.
        ("bone marrow", codes.SCT.Tissue.value), ("no tumor", codes.SCT.Tissue.value),
        ("class 1", codes.SCT.Tissue.value), ("", codes.SCT.Tissue.value),
        ("left atrium", codes.SCT.LeftAtrium.value), ("Lymph nodes", codes.SCT.LymphNode.value),
        ("superior_vena_cava", codes.SCT.SuperiorVenaCava.value), ("left lung", "39607008"),
        # Of two things, one is where the other lies, and none of our words says which.
        ("kidney vein", codes.SCT.Tissue.value), ("pancreas_fat", codes.SCT.Tissue.value),
        ("lesion-free liver", codes.SCT.Tissue.value), ("PortalVein", codes.SCT.PortalVein.value),
        ("Polyp", codes.SCT.Lesion.value), ("foie", codes.SCT.Tissue.value),
        ("delivery", codes.SCT.Tissue.value),
    ],
)  # fmt: skip
def test_a_name_gives_the_code_of_what_it_names(name: str, wanted: str) -> None:
    assert codes_of(name).type.value == wanted
