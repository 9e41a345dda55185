"""What ecs-med wrote is known again, and what others wrote is not."""

from pathlib import Path

from ecs_med.runs.outputs import MARKER, mark_files, mark_folder, own_outputs


def test_a_folder_without_a_marker_is_not_ours(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"1")
    assert not own_outputs(tmp_path).whole
    assert not own_outputs(tmp_path).holds("a.png")


def test_a_marked_folder_is_ours_with_everything_in_it(tmp_path: Path) -> None:
    mark_folder(tmp_path)
    mark_folder(tmp_path)
    assert own_outputs(tmp_path).whole
    assert own_outputs(tmp_path).holds("whatever.png")
    assert len((tmp_path / MARKER).read_text().splitlines()) == 1


def test_a_written_file_is_ours_until_somebody_changes_it(tmp_path: Path) -> None:
    ours, theirs, corrected = (tmp_path / name for name in ("ours.png", "theirs.png", "fixed.png"))
    for path in (ours, theirs, corrected):
        path.write_bytes(b"labels")
    mark_files([ours])
    mark_files([corrected])
    corrected.write_bytes(b"corrected by a person")
    found = own_outputs(tmp_path)
    assert [found.holds(path.name) for path in (ours, theirs, corrected)] == [True, False, False]


def test_a_file_written_again_is_ours(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    for content in (b"first", b"second"):
        path.write_bytes(content)
        mark_files([path])
    assert own_outputs(tmp_path).holds("a.png")


def test_a_damaged_marker_hides_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"1")
    (tmp_path / MARKER).write_bytes(b'[1]\n{"whole": true}\n{"file": 3, "digest": []}\n\xff{')
    assert own_outputs(tmp_path) == own_outputs(tmp_path / "nowhere").__class__(tmp_path)
