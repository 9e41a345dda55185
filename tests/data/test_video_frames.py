"""Frames of videos by number: bit by bit what decoding all in order gives, whoever asks when."""

import os
import random
import shutil
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from ecs_med.data.readers import read_header, read_scan
from ecs_med.data.video import frame_access
from ecs_med.data.video.decoding import open_video
from ecs_med.data.video.frame_access import frame_picture
from ecs_med.data.video.frame_list import list_frames
from ecs_med.errors import UnreadableFileError

av = pytest.importorskip("av", reason="needs the extra video")

SIZE = (48, 64)
UNEVEN = [0, 3, 4, 11, 12, 13, 20, 40, 41, 60, 61, 62, 63, 64, 65, 90, 91, 92, 95, 100]
OPEN_GOP = "keyint=8:min-keyint=8:scenecut=0:bframes=3:b-adapt=0"
KINDS = {
    "open.mp4": ("libx264", {"x264-params": f"open-gop=1:{OPEN_GOP}"}, range(40)),
    "open.mkv": ("libx264", {"x264-params": f"open-gop=1:{OPEN_GOP}"}, range(40)),
    "open265.mp4": ("libx265", {"x265-params": f"open-gop=1:{OPEN_GOP}:log-level=0"}, range(40)),
    "refresh.mp4": ("libx264", {"x264-params": "intra-refresh=1:keyint=8:bframes=0"}, range(40)),
    "uneven.mp4": ("libx264", {"x264-params": f"open-gop=1:{OPEN_GOP}"}, UNEVEN),
    "late.mp4": ("libx264", {"x264-params": OPEN_GOP}, range(50, 90)),
    "one_key.mov": ("libx264", {"x264-params": "keyint=1000:bframes=3"}, range(30)),
    "vp9.webm": ("libvpx-vp9", {"g": "9", "lag-in-frames": "8", "auto-alt-ref": "1"}, range(40)),
    "uneven.webm": ("libvpx-vp9", {"g": "9", "lag-in-frames": "8"}, UNEVEN),
    "mpeg4.avi": ("mpeg4", {"g": "8", "bf": "2"}, range(30)),
    "mpeg2.mpg": ("mpeg2video", {"g": "8", "bf": "2"}, range(30)),
    "h264.m2ts": ("libx264", {"x264-params": OPEN_GOP}, range(30)),
}


@pytest.fixture(autouse=True)
def _quiet() -> None:
    av.logging.set_level(av.logging.PANIC)


def make(path: Path, codec: str, options: dict[str, str], stamps: range | list[int]) -> Path:
    """Blocks of noise that wander, so that every frame differs and is predicted from others."""
    noise = np.random.default_rng(0).integers(0, 255, (SIZE[0] // 4, SIZE[1] // 4, 3), np.uint8)
    noise = noise.repeat(4, axis=0).repeat(4, axis=1)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = SIZE[1], SIZE[0], "yuv420p"
        for index, stamp in enumerate(stamps):
            picture = np.roll(noise, index, 1)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = stamp, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return make(tmp_path / "clip.mp4", *KINDS["open.mp4"])


def in_order(path: Path) -> list[np.ndarray]:
    """Every frame by a decoder of its own, from the start."""
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("order", ["forward", "backward", "shuffled", "every seventh"])
def test_each_frame_is_that_of_decoding_in_order(name: str, order: str, tmp_path: Path) -> None:
    path = make(tmp_path / name, *KINDS[name])
    truth = in_order(path)
    numbers = list(range(len(truth)))
    assert len(list_frames(path)) == len(truth) == len(KINDS[name][2])
    if order == "shuffled":
        random.Random(1).shuffle(numbers)
    steps = {"backward": slice(None, None, -1), "every seventh": slice(None, None, 7)}
    for number in numbers[steps.get(order, slice(None))]:
        np.testing.assert_array_equal(frame_picture(path, number), truth[number])


@pytest.mark.parametrize("name", ["open.mp4", "uneven.webm"])
def test_numbers_are_those_of_prediction(name: str, tmp_path: Path) -> None:
    path = make(tmp_path / name, *KINDS[name])
    with open_video(path) as video:
        for frame in video.frames():
            assert list_frames(path).stamps[frame.index] == frame.stamp
            np.testing.assert_array_equal(frame_picture(path, frame.index), frame.picture)


def test_a_scan_is_the_upright_frame(clip: Path, tmp_path: Path) -> None:
    turned = tmp_path / "phone.mp4"
    with av.open(str(clip)) as source, av.open(str(turned), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        stream.set_display_rotation(90)
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                target.mux(packet)
    with open_video(turned) as video:
        shown = [frame.picture for frame in video.frames()]
    scan = read_scan(turned, 11)
    assert scan.spatial_shape == SIZE[::-1] == read_header([turned], 11).shape
    np.testing.assert_array_equal(scan.array, shown[11].transpose(2, 0, 1))
    np.testing.assert_array_equal(np.rot90(shown[11], -1), in_order(turned)[11])


def test_threads_that_ask_at_once_get_their_own_frames(clip: Path) -> None:
    truth = in_order(clip)
    numbers = [number for number in range(40) for _ in range(3)]
    random.Random(2).shuffle(numbers)
    with ThreadPoolExecutor(4) as pool:
        for number, picture in zip(
            numbers, pool.map(lambda n: frame_picture(clip, n), numbers), strict=True
        ):
            np.testing.assert_array_equal(picture, truth[number])


@pytest.fixture
def starts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Where decoding started anew, each time: at a key frame, or at the beginning."""
    found: list[str] = []
    for name in ("_seek", "_reopen"):
        original = getattr(frame_access._Decoder, name)

        def noted(self: frame_access._Decoder, *args: int, name=name, original=original):
            found.append(name)
            return original(self, *args)

        monkeypatch.setattr(frame_access._Decoder, name, noted)
    return found


def test_frames_in_order_are_decoded_once(clip: Path, starts: list[str]) -> None:
    for number in range(40):
        frame_picture(clip, number)
    assert starts == ["_seek", "_reopen"]
    # Another key frame lies between: what is passed over is not decoded.
    frame_picture(clip, 0), frame_picture(clip, 39)
    assert starts[2:] == ["_seek", "_seek"]


@pytest.mark.parametrize("name", ["open.mp4", "open.mkv", "open265.mp4", "uneven.mp4"])
def test_frames_shown_before_their_key_start_at_the_one_before(
    name: str, tmp_path: Path, starts: list[str]
) -> None:
    frames = list_frames(make(tmp_path / name, *KINDS[name]))
    leading = [
        number
        for number, (place, stamp) in enumerate(zip(frames.places, frames.stamps, strict=True))
        if any(key[0] < place and key[1] > stamp for key in frames.keys)
    ]
    assert len(leading) >= 3
    for number in reversed(leading):
        frame_picture(tmp_path / name, number)
    # The first one opens the file; none was tried in vain.
    assert starts.count("_seek") == len(leading)
    assert starts.count("_reopen") == 1


def test_keys_that_are_none_are_tried_once(tmp_path: Path, starts: list[str]) -> None:
    path = make(tmp_path / "refresh.mp4", *KINDS["refresh.mp4"])
    truth = in_order(path)
    np.testing.assert_array_equal(frame_picture(path, 18), truth[18])
    # Two keys before it, the first one real.
    assert starts == ["_seek", "_reopen", "_seek", "_seek"]
    np.testing.assert_array_equal(frame_picture(path, 22), truth[22])
    assert len(starts) == 4


def test_a_process_that_was_forked_reads_on(clip: Path) -> None:
    truth = in_order(clip)
    frame_picture(clip, 5)
    child = os.fork()
    if child == 0:
        same = all(np.array_equal(frame_picture(clip, n), truth[n]) for n in (30, 6, 7))
        os._exit(0 if same else 1)
    for number in (6, 31, 8):
        np.testing.assert_array_equal(frame_picture(clip, number), truth[number])
    assert os.waitpid(child, 0)[1] == 0


def test_a_video_that_changed_is_read_anew(clip: Path, tmp_path: Path) -> None:
    assert len(list_frames(clip)) == 40
    shutil.copy(make(tmp_path / "other.mp4", "libx264", {}, range(7)), clip)
    assert len(list_frames(clip)) == 7
    np.testing.assert_array_equal(frame_picture(clip, 6), in_order(clip)[6])


def test_h264_in_avi_does_not_say_when_frames_are_shown(tmp_path: Path) -> None:
    path = make(tmp_path / "a.avi", "libx264", {"x264-params": OPEN_GOP}, range(20))
    with pytest.raises(UnreadableFileError, match=r"a\.avi: does not say when.*FFmpeg to MP4\.$"):
        list_frames(path)


@pytest.mark.parametrize("name", ["vp9.webm", "open.mkv", "open.mp4", "mpeg4.avi"])
def test_what_was_cut_off_is_told(name: str, tmp_path: Path) -> None:
    path = make(tmp_path / name, *KINDS[name])
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(UnreadableFileError) as caught:
        list_frames(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_what_is_not_there_is_told(clip: Path) -> None:
    for number in (40, -1):
        with pytest.raises(UnreadableFileError, match=r"clip\.mp4: has no frame"):
            frame_picture(clip, number)
    with pytest.raises(UnreadableFileError, match="single frames are cases"):
        read_scan(clip)
    with pytest.raises(UnreadableFileError, match="is no channel"):
        read_scan([clip, clip], 3)
    clip.unlink()
    with pytest.raises(UnreadableFileError, match="No such file"):
        list_frames(clip)
