"""File listing: suffixes, litter, links that loop, unreadable folders."""

import os
from pathlib import Path

import pytest

from ecs_med_datasets.scanning import index_files, list_folders


def touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_suffixes_are_compared_without_case_and_nifti_loses_both(tmp_path: Path) -> None:
    touch(tmp_path, "a.PNG", "b.nii.gz", "c.Jpeg", "d.e.tif", "notes.txt", "scan.svs", "noname")
    index = index_files(tmp_path)
    assert index.suffixes == {"a": ".PNG", "b": ".nii.gz", "c": ".Jpeg", "d.e": ".tif"}
    assert index.foreign == ["noname", "notes.txt", "scan.svs"]
    assert index.findings("image") == index.findings("mask") == []
    assert index.path("d.e") == tmp_path / "d.e.tif"


def test_litter_is_passed_over(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "._a.png", ".hidden/b.png", "__MACOSX/a.png", "Thumbs.db", ".DS_Store")
    index = index_files(tmp_path)
    assert list(index.suffixes) == ["a"]
    assert index.foreign == []
    assert list_folders(tmp_path) == []


def test_same_name_with_two_suffixes_is_a_double(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "a.jpg", "sub/a.png")
    index = index_files(tmp_path)
    assert sorted(index.suffixes) == ["a", "sub/a"]
    assert index.doubles == ["a.png"]


def test_links_that_loop_end(tmp_path: Path) -> None:
    touch(tmp_path, "data/images/a.png", "data/masks/a.png")
    images = tmp_path / "data" / "images"
    (images / "up").symlink_to(tmp_path / "data")
    (images / "here").symlink_to(images)
    (images / "self").symlink_to(images / "self")
    index = index_files(images)
    assert list(index.suffixes) == ["a"]


def test_link_to_a_folder_elsewhere_is_followed_once(tmp_path: Path) -> None:
    touch(tmp_path, "pool/b.png", "images/a.png")
    (tmp_path / "images" / "more").symlink_to(tmp_path / "pool")
    (tmp_path / "images" / "same").symlink_to(tmp_path / "pool")
    assert sorted(index_files(tmp_path / "images").suffixes) == ["a", "more/b"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads everything")
def test_unreadable_subfolder_is_told(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "secret/b.png")
    (tmp_path / "secret").chmod(0)
    try:
        index = index_files(tmp_path)
    finally:
        (tmp_path / "secret").chmod(0o700)
    assert list(index.suffixes) == ["a"]
    assert [problem.path for problem in index.problems] == [tmp_path / "secret"]


def test_missing_folder_is_told(tmp_path: Path) -> None:
    index = index_files(tmp_path / "absent")
    assert not index.suffixes
    assert "cannot be read" in index.problems[0].message
