"""What other files say about the project agrees with pyproject.toml."""

import tomllib
from importlib.metadata import entry_points, version
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_installed_version_is_the_project_version() -> None:
    assert version("ecs-med") == PROJECT["version"]


def test_citation_names_this_version_and_the_paper() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == PROJECT["version"]
    assert citation["license"] == PROJECT["license"]
    (paper,) = citation["references"]
    assert paper["doi"] == "10.1007/978-3-030-58526-6_9"
    assert [author["family-names"] for author in paper["authors"]] == [
        "Mendel",
        "de Souza",
        "Rauber",
        "Papa",
        "Palm",
    ]


def test_licence_is_the_whole_apache_text() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text


@pytest.mark.parametrize("group", ["ecs_med.layouts", "ecs_med.readers"])
def test_declared_plug_ins_can_be_loaded(group: str) -> None:
    declared = PROJECT["entry-points"][group]
    found = {entry.name: entry.load() for entry in entry_points(group=group)}
    assert set(found) == set(declared)
    assert {member.name for member in found.values()} == set(declared)


def test_environment_of_make_takes_extras_that_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (line,) = [line for line in makefile.splitlines() if line.startswith("EXTRAS ?=")]
    wanted = line.split("=")[1].strip().split(",")
    assert set(wanted) <= set(PROJECT["optional-dependencies"])
