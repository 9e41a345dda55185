"""Videos: every frame once, with its own stamp; damaged files as far as they go."""

import csv
import json
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from ecs_med.data.video.decoding import open_video
from ecs_med.errors import (
    DataError,
    MissingExtraError,
    SettingsError,
    SomeInputsFailed,
    UnreadableFileError,
)
from ecs_med.inference.predict import predict, predict_files
from ecs_med.inference.predictor import segment
from ecs_med.inference.video_writing import video_writer

av = pytest.importorskip("av", reason="needs the extra video")

SIZE = (48, 64)
EVEN = range(0, 30 * 512, 512)
UNEVEN = [0, 512, 700, 2048, 2049, 9000, 9001, 12_000]


@pytest.fixture(autouse=True)
def _in_tmp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def pictures(number: int) -> Iterator[np.ndarray]:
    """A bright square that wanders over a dark ground."""
    for index in range(number):
        picture = np.full((*SIZE, 3), 20, np.uint8)
        left = (3 * index) % 40
        picture[8:24, left : left + 16] = 230
        yield picture


def make_video(
    path: Path,
    stamps: range | list[int] = EVEN,
    *,
    codec: str = "libx264",
    time_base: Fraction = Fraction(1, 12_800),
    pix_fmt: str = "yuv420p",
    **metadata: str,
) -> Path:
    with av.open(str(path), "w") as container:
        container.metadata.update(metadata)
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = SIZE[1], SIZE[0], pix_fmt
        stream.time_base = stream.codec_context.time_base = time_base
        for stamp, picture in zip(stamps, pictures(len(stamps)), strict=True):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = stamp, time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def times(path: Path) -> list[Fraction]:
    with av.open(str(path)) as container:
        return [frame.pts * frame.time_base for frame in container.decode(video=0)]


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_areas_and_overlay_of_each_frame(make_model, tmp_path):
    make_video(tmp_path / "clip.mp4")
    report = predict("clip.mp4", model=make_model(), certainty=True)
    assert [str(p) for p in report.files[Path("clip.mp4")]] == [
        "predictions/clip.csv",
        "predictions/clip-overlay.mp4",
    ]
    rows = table(report.written[Path("clip.mp4")])
    assert [int(row["frame"]) for row in rows] == list(range(30))
    assert [float(row["seconds"]) for row in rows] == pytest.approx([i * 0.04 for i in range(30)])
    # Compression shifts the border of the square of 256 by some pixels at most.
    assert [int(row["bright pixels"]) for row in rows] == pytest.approx([256] * 30, abs=20)
    share = int(rows[0]["bright pixels"]) / (SIZE[0] * SIZE[1])
    assert float(rows[0]["bright share"]) == pytest.approx(share, abs=1e-6)
    # The corrector of the fixture is sure by 0.8 where it is dark, by 0.5 where it is bright.
    assert float(rows[0]["certainty"]) == pytest.approx(0.8 - 0.3 * share, abs=1e-3)
    outcome = report.videos[Path("clip.mp4")]
    assert (outcome.frames, outcome.segmented, outcome.problem) == (30, 30, None)
    assert times(tmp_path / "predictions/clip-overlay.mp4") == times(tmp_path / "clip.mp4")


def test_labels_are_those_of_the_frames_as_pictures(make_model, tmp_path):
    model = make_model()
    make_video(tmp_path / "clip.mkv", codec="ffv1", pix_fmt="bgr0", time_base=Fraction(1, 1000))
    with open_video(tmp_path / "clip.mkv") as video:
        frames = list(video.frames())
    for frame, picture in zip(frames, pictures(30), strict=True):
        np.testing.assert_array_equal(frame.picture, picture)
    predict("clip.mkv", model=model)
    found = [int(row["bright pixels"]) for row in table(Path("predictions/clip.csv"))]
    from PIL import Image

    for index, frame in enumerate(frames[:3]):
        Image.fromarray(frame.picture).save("frame.png")
        assert segment(model, "frame.png").labels.sum() == found[index] == 256


@pytest.mark.parametrize(
    ("name", "codec", "stamps", "time_base"),
    [
        ("vfr.mp4", "libx264", UNEVEN, Fraction(1, 12_800)),
        ("late.mp4", "libx264", range(5_120, 15_000, 512), Fraction(1, 12_800)),
        ("ntsc.mp4", "libx264", range(0, 20 * 1001, 1001), Fraction(1, 30_000)),
        ("vfr.webm", "libvpx-vp9", [0, 40, 41, 300, 1_000], Fraction(1, 1000)),
    ],
)
def test_stamps_are_kept(make_model, tmp_path, name, codec, stamps, time_base):
    make_video(tmp_path / name, stamps, codec=codec, time_base=time_base)
    assert times(tmp_path / name) == [stamp * time_base for stamp in stamps]
    predict(name, model=make_model())
    overlay = tmp_path / "predictions" / f"{Path(name).stem}-overlay.mp4"
    assert times(overlay) == times(tmp_path / name)
    seconds = [
        float(row["seconds"]) for row in table(Path("predictions") / f"{Path(name).stem}.csv")
    ]
    assert seconds == pytest.approx([float(stamp * time_base) for stamp in stamps], abs=1e-6)


def test_every_third_frame(make_model, tmp_path):
    make_video(tmp_path / "clip.mp4")
    report = predict("clip.mp4", model=make_model(), every=3)
    assert [int(row["frame"]) for row in table(Path("predictions/clip.csv"))] == [*range(0, 30, 3)]
    assert times(Path("predictions/clip-overlay.mp4")) == times(tmp_path / "clip.mp4")[::3]
    outcome = report.videos[Path("clip.mp4")]
    assert (outcome.frames, outcome.segmented) == (30, 10)


def test_a_truncated_video_gives_what_can_be_read(make_model, tmp_path):
    whole = make_video(
        tmp_path / "whole.webm",
        range(0, 1_200, 40),
        codec="libvpx-vp9",
        time_base=Fraction(1, 1000),
    )
    content = whole.read_bytes()
    (tmp_path / "cut.webm").write_bytes(content[: len(content) * 6 // 10])
    report = predict_files(make_model(), ["cut.webm", "whole.webm"])
    assert report.videos[Path("whole.webm")].problem is None
    outcome = report.videos[Path("cut.webm")]
    assert 0 < outcome.frames < 30
    rows = table(Path("predictions/cut.csv"))
    assert len(rows) == outcome.frames
    end = float(rows[-1]["seconds"])
    assert outcome.problem is not None
    assert outcome.problem.startswith(f"cut.webm: read {outcome.frames} of 30 frames, ")
    assert " of 1.2 seconds, then it ends; the results hold what could be read" in outcome.problem
    assert float(outcome.problem.split()[6]) == pytest.approx(end, abs=0.1)
    assert len(times(Path("predictions/cut-overlay.mp4"))) == outcome.frames
    with pytest.raises(SomeInputsFailed, match="1 of 2 inputs failed"):
        report.raise_failures()
    failures = json.loads(Path("predictions/failures.json").read_text())
    assert failures == {"cut.webm": outcome.problem}


def test_a_damaged_video_is_told(make_model, tmp_path):
    content = bytearray(make_video(tmp_path / "clip.mp4").read_bytes())
    middle = content.index(b"mdat") + 4 + 700
    content[middle : middle + 400] = np.random.default_rng(0).bytes(400)
    (tmp_path / "clip.mp4").write_bytes(content)
    report = predict_files(make_model(), "clip.mp4")
    problem = report.failures[Path("clip.mp4")]
    assert "parts are damaged" in problem
    assert len(table(Path("predictions/clip.csv"))) == report.videos[Path("clip.mp4")].frames > 0


@pytest.mark.parametrize("content", [b"", b"not a video\n" * 100, b"#EXTM3U\n/etc/passwd\n"])
def test_what_is_no_video_is_refused(make_model, tmp_path, content):
    (tmp_path / "clip.mp4").write_bytes(content)
    with pytest.raises(UnreadableFileError, match=r"^clip\.mp4: is no video that can be opened; "):
        predict("clip.mp4", model=make_model())
    assert not list(Path("predictions").glob("*"))


def test_head_of_a_truncated_mp4_is_missing(make_model, tmp_path):
    content = make_video(tmp_path / "whole.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(content[: len(content) // 2])
    with pytest.raises(UnreadableFileError, match=r"^cut\.mp4: "):
        predict("cut.mp4", model=make_model())


def test_no_tag_of_the_source_is_passed_on(make_model, tmp_path):
    make_video(tmp_path / "clip.mp4", title="SENTINEL", comment="SENTINEL", artist="SENTINEL")
    assert b"SENTINEL" in (tmp_path / "clip.mp4").read_bytes()
    predict("clip.mp4", model=make_model())
    for path in Path("predictions").rglob("*"):
        assert path.is_dir() or b"SENTINEL" not in path.read_bytes()


def test_a_turned_video_is_segmented_upright(make_model, tmp_path):
    content = bytearray(make_video(tmp_path / "clip.mp4").read_bytes())
    # The matrix of the track header, as phones write it that are held upright: a quarter clockwise.
    place = content.index(b"tkhd") + 4 + 40
    matrix = [0, 1 << 16, 0, -(1 << 16), 0, 0, SIZE[0] << 16, 0, 1 << 30]
    content[place : place + 36] = b"".join(n.to_bytes(4, "big", signed=True) for n in matrix)
    (tmp_path / "turned.mp4").write_bytes(content)
    with open_video(tmp_path / "clip.mp4") as video:
        straight = next(video.frames()).picture
    with open_video(tmp_path / "turned.mp4") as video:
        np.testing.assert_array_equal(next(video.frames()).picture, np.rot90(straight, -1))


def test_odd_sides_are_drawn_too(tmp_path):
    picture = np.random.default_rng(0).integers(0, 255, (33, 47, 3)).astype(np.uint8)
    with video_writer(tmp_path / "out.mp4", Fraction(25), Fraction(1, 25)) as writer:
        writer.write(picture, 0)
    with av.open(str(tmp_path / "out.mp4")) as container:
        frame = next(container.decode(video=0))
    assert (frame.height, frame.width) == (34, 48)


def test_in_folders_beside_pictures(make_model, write_picture, tmp_path):
    (tmp_path / "in" / "b").mkdir(parents=True)
    make_video(tmp_path / "in/b/clip.mp4", EVEN[:3])
    make_video(tmp_path / "in/b/clip.mkv", EVEN[:3])
    write_picture(tmp_path / "in/a.png", np.zeros((8, 8)))
    report = predict("in", model=make_model(), output="out")
    assert sorted(map(str, report.written.values())) == [
        "out/a.png",
        "out/b/clip_mkv.csv",
        "out/b/clip_mp4.csv",
    ]
    with pytest.raises(DataError, match="written by ecs-med itself: 3"):
        predict("out", model=make_model(), output="again")


def test_models_of_volumes_take_none(make_model, write_volume, tmp_path):
    make_video(tmp_path / "in.mp4", EVEN[:3])
    model = make_model("volume")
    with pytest.raises(SettingsError, match=r"^in\.mp4: "):
        predict("in.mp4", model=model)
    (tmp_path / "in").mkdir()
    (tmp_path / "in.mp4").rename(tmp_path / "in/clip.mp4")
    write_volume(tmp_path / "in/a.nii.gz", np.zeros((5, 6, 7), np.float32))
    report = predict("in", model=model)
    assert [path.name for path in report.written] == ["a.nii.gz"]
    assert report.passed_over == {
        Path("in/clip.mp4"): "videos, and the model was trained on volumes"
    }


def test_what_cannot_be_asked_of_videos(make_model, tmp_path):
    make_video(tmp_path / "clip.mp4", EVEN[:3])
    with pytest.raises(SettingsError, match="`every=0`"):
        predict("clip.mp4", model=make_model(), every=0)
    with pytest.raises(SettingsError, match="leave out `to`"):
        predict("clip.mp4", model=make_model(), to="png")
    with pytest.raises(SettingsError, match=r"^out\.csv: names one file"):
        predict("clip.mp4", model=make_model(), output="out.csv")


def test_results_that_are_there_are_left_alone(make_model, tmp_path):
    make_video(tmp_path / "clip.mp4", EVEN[:3])
    predict("clip.mp4", model=make_model())
    before = Path("predictions/clip.csv").stat().st_mtime_ns
    report = predict("clip.mp4", model=make_model(), skip_existing=True)
    assert report.skipped == {Path("clip.mp4"): Path("predictions/clip.csv")}
    assert Path("predictions/clip.csv").stat().st_mtime_ns == before


def test_without_the_extra_it_is_named(make_model, tmp_path, monkeypatch):
    make_video(tmp_path / "clip.mp4", EVEN[:3])
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    with pytest.raises(MissingExtraError, match=r"ecs-med\[video\]"):
        predict("clip.mp4", model=make_model())
