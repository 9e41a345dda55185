"""Prediction from file to file, against a plain loop.

`predict_files` with an untrained model against what one would write by hand with the same network:
read the file, normalise, MONAI's `sliding_window_inference` with the same tiles and overlap, of a
volume slice by slice, `argmax`, write the file. Another row has a loop over a volume that shows
the network eight slices at a time. The processor's time of one thread. The note says
in how many pixels both give the same class.
"""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import nibabel
import numpy as np
import torch
from monai.inferers import sliding_window_inference
from PIL import Image
from torch import nn

from ecs_med.config import Preparation
from ecs_med.data.masks.label_scheme import LabelScheme
from ecs_med.inference.copies import QuickCopies
from ecs_med.inference.model import Model
from ecs_med.inference.predict import predict_files
from ecs_med.inference.predictor import BATCH
from ecs_med.networks import Initialization, build_segmenter
from ecs_med.networks.modes import in_layout
from ecs_med.networks.quick import quicken
from ecs_med.runs import ModelSpec
from speed_suite.registry import Options
from speed_suite.results import Row, compared
from speed_suite.timing import in_turns

ENCODER, TILE, PATCH = "tf_efficientnet_lite0", 512, 48
MOST = 0.5
"""Of the plain loop's time, for a volume by slices."""
WINDOW = (-160.0, 240.0)
Plain = Callable[[Model, nn.Module, Path, Path], None]


def measure(options: Options) -> Sequence[Row]:
    """Small pictures, a large one in tiles, a volume by slices, a volume by patches."""
    return [
        *rows_of_pictures(options),
        *rows_of_pictures(options, side=1536, number=1),
        *_rows_of_volumes(options),
    ]


def rows_of_pictures(options: Options, *, side: int = 256, number: int = 16) -> list[Row]:
    """Some pictures of one size."""
    what = f"{number} picture{'s' if number > 1 else ''} of {side} px"
    what += f" in tiles of {TILE}" if side > TILE else ""
    with TemporaryDirectory(prefix="ecs-med-bench-") as name:
        files = [_picture(Path(name) / "data" / f"{i}.png", side, i) for i in range(number)]
        return [_row(what, _model("picture"), files, _plain_picture, options)]


def _rows_of_volumes(options: Options) -> list[Row]:
    with TemporaryDirectory(prefix="ecs-med-bench-") as name:
        volume = [_volume(Path(name) / "volume" / "0.nii.gz", (256, 256, 200))]
        block = [_volume(Path(name) / "block" / "0.nii.gz", (96, 96, 72))]
        by_slices = ("a volume of 256 x 256 x 200 by slices", _model("volume"), volume)
        by_patches = (f"a volume of 96 x 96 x 72 in patches of {PATCH}", _model("volume", 3), block)
        return [
            _row(*by_slices, _plain_slices, options, limit=MOST),
            _row(f"{by_slices[0]}, beside eight at once", *by_slices[1:], _plain_batches, options),
            _row(*by_patches, _plain_patches, options),
        ]


def _row(
    what: str,
    built: tuple[Model, nn.Module],
    files: Sequence[Path],
    plain: Plain,
    options: Options,
    limit: float | None = None,
) -> Row:
    model, network = built
    folder = files[0].parent
    ours, theirs = folder.with_name("ours"), folder.with_name("plain")
    theirs.mkdir(exist_ok=True)

    def loop() -> None:
        for file in files:
            plain(model, network, file, theirs / file.name)

    seconds = in_turns(
        {"ours": partial(predict_files, model, folder, ours), "plain": loop},
        repeats=options.repeats,
        most_seconds=options.seconds,
    )
    same = np.mean([np.mean(_read(ours / f.name) == _read(theirs / f.name)) for f in files])
    note = f"the same class in {same:.3%}"
    return compared(what, seconds["ours"], "plain loop", seconds["plain"], note=note, limit=limit)


def _model(kind: str, dims: int = 2) -> tuple[Model, nn.Module]:
    """Ours, and the network as its library builds it, in the usual memory format."""
    volume, network = kind == "volume", "unet3d" if dims == 3 else "deeplabv3plus"
    channels = 1 if volume else 3
    weights = Initialization(network, "network") if dims == 3 else Initialization(ENCODER, "none")
    settings = {"channels": [16, 32, 64]} if dims == 3 else {}
    built = []
    for _ in range(2):
        torch.manual_seed(0)
        built.append(
            build_segmenter(
                weights, in_channels=channels, num_classes=3, network=network, settings=settings
            ).eval()
        )
    spec = ModelSpec(
        method="supervised",
        labels=LabelScheme(class_names=("background", "one", "two")),
        preparation=Preparation(window=WINDOW) if volume else Preparation(),
        kind="volume" if volume else "picture",
        in_channels=channels,
        mean=(0.5,) * channels,
        std=(0.25,) * channels,
        spatial_dims=3 if dims == 3 else 2,
        network=network,
        network_settings=settings,
        encoder=None if dims == 3 else ENCODER,
        corrector_encoder=None,
        crop=PATCH if dims == 3 else 128,
        patch=(PATCH,) * 3 if dims == 3 else None,
        tile=TILE,
        initialization="none",
    )
    ours = in_layout(quicken(built[0]))
    cpu, run = torch.device("cpu"), Path("none")
    # As `load_model` gives it.
    return Model(spec, ours, None, device=cpu, run=run, quick=QuickCopies()), built[1]


@torch.inference_mode()
def _plain_picture(model: Model, network: nn.Module, file: Path, output: Path) -> None:
    pixels = torch.from_numpy(np.array(Image.open(file).convert("RGB"))).movedim(-1, 0)[None]
    images = (pixels.float() / 255 - 0.5) / 0.25
    sides = [min(side, TILE) for side in images.shape[2:]]
    logits = sliding_window_inference(images, sides, 1, network, overlap=0.25, mode="gaussian")
    assert isinstance(logits, torch.Tensor)
    Image.fromarray(logits.argmax(1)[0].byte().numpy()).save(output)


def _normalised(file: Path) -> tuple[torch.Tensor, nibabel.Nifti1Image]:
    """The volume as `(x, y, z)` in the range that networks expect."""
    image = nibabel.load(file)
    values = torch.from_numpy(image.get_fdata(dtype=np.float32))
    values = ((values - WINDOW[0]) / (WINDOW[1] - WINDOW[0])).clamp(0, 1)
    return (values - 0.5) / 0.25, image


@torch.inference_mode()
def _plain_slices(model: Model, network: nn.Module, file: Path, output: Path) -> None:
    def logits_of(slices: torch.Tensor) -> torch.Tensor:
        sides = [min(side, TILE) for side in slices.shape[2:]]
        found = sliding_window_inference(slices, sides, 1, network, overlap=0.25, mode="gaussian")
        assert isinstance(found, torch.Tensor)
        return found

    _write_by_slices(logits_of, 1, file, output)


@torch.inference_mode()
def _plain_batches(model: Model, network: nn.Module, file: Path, output: Path) -> None:
    _write_by_slices(network, BATCH, file, output)


def _write_by_slices(
    logits_of: Callable[[torch.Tensor], torch.Tensor], number: int, file: Path, output: Path
) -> None:
    values, image = _normalised(file)
    slices = values.permute(2, 0, 1)[:, None]
    labels = torch.cat([logits_of(part).argmax(1) for part in slices.split(number)])
    _save(labels.permute(1, 2, 0), image, output)


@torch.inference_mode()
def _plain_patches(model: Model, network: nn.Module, file: Path, output: Path) -> None:
    values, image = _normalised(file)
    block = values.permute(2, 0, 1)[None, None]
    patch = (PATCH,) * 3
    logits = sliding_window_inference(block, patch, 1, network, overlap=0.25, mode="gaussian")
    assert isinstance(logits, torch.Tensor)
    _save(logits.argmax(1)[0].permute(1, 2, 0), image, output)


def _save(labels: torch.Tensor, image: nibabel.Nifti1Image, output: Path) -> None:
    nibabel.save(nibabel.Nifti1Image(labels.byte().numpy(), image.affine), output)


def _picture(path: Path, side: int, seed: int) -> Path:
    path.parent.mkdir(exist_ok=True)
    rows, columns = np.mgrid[:side, :side] / 40 + seed
    wave = np.sin(rows) * np.cos(columns) * 60 + np.random.default_rng(seed).normal(
        127, 12, (side, side)
    )
    pixels = np.stack([wave, 0.8 * wave, 0.6 * wave], axis=-1).clip(0, 255).astype(np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def _volume(path: Path, shape: tuple[int, int, int]) -> Path:
    path.parent.mkdir(exist_ok=True)
    place = np.indices(shape, np.float32) / 16
    values = np.sin(place[0]) * np.cos(place[1]) * np.sin(place[2]) * 200
    values += np.random.default_rng(0).normal(0, 12, shape)
    nibabel.save(nibabel.Nifti1Image(values.astype(np.int16), np.diag([1.0, 1, 1, 1])), path)
    return path


def _read(path: Path) -> np.ndarray:
    if path.suffix == ".png":
        return np.array(Image.open(path))
    return np.asanyarray(nibabel.load(path).dataobj)
