"""Layout `video`: which frames are cases, whose they are, and what is refused."""

import re
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ecs_med.config import ReadingSettings
from ecs_med.data.checks import contents
from ecs_med.data.checks.examination import diagnose
from ecs_med.data.layout import open_data
from ecs_med.data.video import frame_list
from ecs_med.errors import DataError, MissingExtraError
from ecs_med.splits import draw_split
from ecs_med.types import CaseCollection, Problem

av = pytest.importorskip("av", reason="needs the extra video")

SIZE = (24, 32)


@pytest.fixture(autouse=True)
def _quiet() -> None:
    av.logging.set_level(av.logging.PANIC)


def video(path: Path, num_frames: int = 20, rate: int = 5, seed: int = 0, step: int = 1) -> Path:
    """Noise that wanders by `step` pixels a frame."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 255, (*SIZE, 3), np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=rate)
        stream.width, stream.height, stream.pix_fmt = SIZE[1], SIZE[0], "yuv420p"
        for index in range(num_frames):
            frame = av.VideoFrame.from_ndarray(np.roll(noise, step * index, 1), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def mask(path: Path, size: tuple[int, int] = SIZE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.zeros(size, np.uint8)
    values[4:12, 6:20] = 255
    Image.fromarray(values).save(path)
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three videos of 20 frames; of two of them frames 0, 3, 6, 9 have a mask, of one none has."""
    for seed, name in enumerate(("exam1.mp4", "exam2.mkv", "exam3.mov", "exam4.mp4")):
        video(tmp_path / "videos" / name, seed=seed)
    for name in ("exam1", "exam2", "exam3"):
        for number in (0, 3, 6, 9):
            mask(tmp_path / "masks" / name / f"{number:06d}.png")
    return tmp_path


def found_in(root: Path, **settings: object) -> CaseCollection:
    return open_data(root, ReadingSettings.model_validate(settings))


def errors(collection: CaseCollection) -> list[str]:
    return [p.sentence() for p in collection.problems if p.severity == "error"]


def test_frames_with_masks_and_one_a_second(root: Path) -> None:
    found = found_in(root)
    assert found.layout == "video"
    assert not errors(found)
    assert [(c.id, c.frame, c.mask is not None) for c in found.cases if "exam2" in c.id] == [
        ("exam2/000000", 0, True),
        ("exam2/000003", 3, True),
        ("exam2/000005", 5, False),
        ("exam2/000006", 6, True),
        ("exam2/000009", 9, True),
        ("exam2/000010", 10, False),
        ("exam2/000015", 15, False),
    ]
    assert [c.frame for c in found.cases if "exam4" in c.id] == [0, 5, 10, 15]
    assert not [p for p in found.problems if p.severity == "warning"]
    note = found.problems[0].message
    assert note.startswith("of 80 frames of 4 video(s) the 12 with a mask are cases, and one of ev")
    assert found == found_in(root, layout="video")


@pytest.mark.parametrize(("step", "number"), [(0, 12), (1, 80), (7, 21), (100, 13)])
def test_frame_step(root: Path, step: int, number: int) -> None:
    found = found_in(root, frame_step=step)
    assert len(found.cases) == number
    assert sum(case.mask is not None for case in found.cases) == 12


@pytest.mark.parametrize("patient", ["auto", "none", r"regex:exam(\d)"])
@pytest.mark.parametrize("labeled", ["all", "1", "50%"])
def test_no_video_is_in_two_parts(root: Path, patient: str, labeled: str) -> None:
    found = found_in(root, patient=patient)
    diagnosis = diagnose(found)
    for seed in range(8):
        split = draw_split(found.cases, labeled, seed, joined=diagnosis.joined)
        parts: dict[str, set[str]] = {}
        for id_, role in split.roles().items():
            # What is left out with a tested video is used by nobody.
            if role != "unused":
                part = "training" if role in ("labeled", "unlabeled") else role
                parts.setdefault(id_.partition("/")[0], set()).add(part)
        assert all(len(part) == 1 for part in parts.values())
        assert not any("show what another one shows" in text for text in split.warnings)


def test_rules_put_videos_of_one_patient_together(root: Path) -> None:
    found = found_in(root, patient=r"regex:exam([12])\.")
    assert {case.patient for case in found.cases if "exam1" in case.id} == {"1"}
    assert {case.patient for case in found.cases if "exam4" in case.id} == {"videos/exam4.mp4"}
    for name in ("exam1.mp4", "exam2.mkv", "exam3.mov"):
        (root / "videos" / f"patient{name[4]}").mkdir()
        (root / "videos" / name).rename(root / "videos" / f"patient{name[4]}" / name)
        (root / "masks" / name[:5]).rename(root / "masks" / f"patient{name[4]}-")
        (root / "masks" / f"patient{name[4]}").mkdir()
        target = root / "masks" / f"patient{name[4]}" / name[:5]
        (root / "masks" / f"patient{name[4]}-").rename(target)
    video(root / "videos" / "patient1" / "again.mp4")
    (root / "videos" / "exam4.mp4").unlink()
    found = found_in(root)
    assert not errors(found)
    by_patient = {case.patient: set() for case in found.cases}
    for case in found.cases:
        by_patient[case.patient].add(case.images[0].name)
    assert by_patient["patient1"] == {"exam1.mp4", "again.mp4"}


def test_parts_of_the_data_set(root: Path) -> None:
    for name in ("videos/exam3.mov", "masks/exam3"):
        (root / name).parent.joinpath("test").mkdir()
        (root / name).rename((root / name).parent / "test" / Path(name).name)
    found = found_in(root)
    assert not errors(found)
    tested = {case.id for case in found.cases if case.partition == "test"}
    assert len(tested) == 7
    assert all(id_.startswith("test/exam3/") for id_ in tested)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("exam1/000020.png", "is of frame 20, and .*exam1.mp4 has 20, numbered from 0; correct"),
        ("exam1/3.png", "is a second mask of frame 3 of .*, beside 000003.png; keep one of them"),
        ("exam1/first.png", "its name does not tell the frame by a single number; call it by"),
        ("exam1/1_2.png", "its name does not tell the frame by a single number; call it by"),
        (
            "exam9/000001.png",
            "exam9: 1 mask.s., such as 000001.png, of a video that is not there; ",
        ),
        ("000001.png", "lies in no folder of a video; put masks of exam1.mp4 into a folder exam1"),
    ],
)
def test_a_mask_that_fits_no_frame(root: Path, name: str, message: str) -> None:
    path = mask(root / "masks" / name)
    (told,) = errors(found_in(root))
    assert told.startswith((f"{path}: ", f"{path.parent}: "))
    assert re.search(message, told)
    assert not [p for p in found_in(root).problems if p.severity == "warning"]


@pytest.mark.parametrize("name", ["12.png", "frame_0012.png", "exam1_12_mask.png", "exam1-f12.tif"])
def test_names_of_masks(root: Path, name: str) -> None:
    path = mask(root / "masks" / "exam1" / name)
    found = found_in(root)
    assert not errors(found)
    assert {c.id: c.mask for c in found.cases}["exam1/000012"] == path


def test_a_mask_of_another_size(root: Path) -> None:
    path = mask(root / "masks" / "exam1" / "000003.png", (24, 30))
    (told,) = (p.sentence() for p in diagnose(found_in(root)).problems if p.severity == "error")
    assert told.startswith(f"{path}: is 24 x 30 (height x width), but its picture")
    assert told.endswith("store both in one size.")


def test_videos_of_one_name_and_bad_ones(root: Path) -> None:
    video(root / "videos" / "exam1.mkv")
    content = (root / "videos" / "exam2.mkv").read_bytes()
    (root / "videos" / "exam2.mkv").write_bytes(content[: len(content) // 2])
    (root / "videos" / "exam3.mov").write_bytes(b"no video at all")
    told = errors(found_in(root))
    assert len(told) == 3
    assert all("\n" not in text for text in told)
    assert "exam1.mp4: is called as exam1.mkv, up to the suffix; rename or remove one" in told[0]
    assert "exam2.mkv: " in told[1]
    assert told[1].endswith("where it is whole with FFmpeg.")
    assert "exam3.mov: is no video that can be opened" in told[2]
    notes = [p.sentence() for p in found_in(root).problems if p.severity == "note"]
    assert sum("4 mask(s) are not used, because their video cannot" in text for text in notes) == 2


def test_what_is_no_such_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no videos here; expected videos/ with"):
        found_in(tmp_path, layout="video")
    video(tmp_path / "videos" / "exam1.mp4")
    with pytest.raises(DataError, match=r"`frame_step=0` takes no others"):
        found_in(tmp_path, frame_step=0)
    (told,) = errors(found_in(tmp_path))
    assert "4 image(s) and not one mask" in told
    assert "masks/exam1/000123.png" in told
    # Pictures beside masks are what they were, whatever recordings lie there.
    mask(tmp_path / "images" / "a.png")
    mask(tmp_path / "masks" / "a.png")
    assert found_in(tmp_path).layout == "folder"


def test_without_pyav(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frame_list._listed.cache_clear()
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'ecs-med\[video\]'"):
        found_in(root)


def test_equal_frames_of_one_video_are_no_finding(root: Path) -> None:
    video(root / "videos" / "exam4.mp4", seed=9, step=0)
    problems: list[Problem] = list(diagnose(found_in(root)).problems)
    assert not [p for p in problems if p.severity == "warning"]


def test_a_video_is_hashed_and_listed_once(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Path] = []
    digest = contents._digest

    def counted(path: Path) -> bytes:
        read.append(path)
        return digest(path)

    monkeypatch.setattr(contents, "_digest", counted)
    contents._digest_of_state.cache_clear()
    frame_list._listed.cache_clear()
    found = diagnose(found_in(root, frame_step=1))
    videos = [path for path in read if path.parent.name == "videos"]
    assert len(found.facts) == 80
    assert len(videos) == 4
    assert len({fact.content.image for fact in found.facts.values()}) == 80
    assert frame_list._listed.cache_info().misses == 4
