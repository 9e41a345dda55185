"""Whole files of every kind that ecs-med reads, and what reads each of them."""

import csv
import gzip
import io
import json
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from sweep_folders import SweepSpec, write_run
from tiny_networks import pixelwise

from ecs_med.archives import extract_archive
from ecs_med.config import (
    OptimizerSettings,
    Preparation,
    ReadingSettings,
    Settings,
    TrainConfig,
    read_settings,
)
from ecs_med.data.checks.examination import examine
from ecs_med.data.layout import open_data
from ecs_med.data.masks.label_scheme import LabelScheme
from ecs_med.data.masks.reading import read_labels, understand_masks
from ecs_med.data.prepare import prepare_scan
from ecs_med.data.readers import read_header, read_scan
from ecs_med.errors import DataError, SettingsError
from ecs_med.inference.model import Model
from ecs_med.inference.predictor import segment
from ecs_med.inference.storing import load_model, save_model
from ecs_med.methods.supervised import Supervised
from ecs_med.networks import Initialization, build_segmenter
from ecs_med.reporting.run.report import write_report
from ecs_med.runs import (
    Failure,
    Origin,
    PlannedRun,
    RunFolder,
    SweepFolder,
    SweepPlan,
    TestCases,
    read_history,
)
from ecs_med.runs.history import HistoryFile
from ecs_med.runs.spec import ModelSpec
from ecs_med.splits import SplitDocument
from ecs_med.splits.case_list import read_case_list
from ecs_med.splits.document import is_split_document
from ecs_med.sweep.state import read_state
from ecs_med.training.checkpoint import Progress, load_checkpoint, save_checkpoint
from ecs_med.types import Case

__all__ = ["KINDS", "Kind", "write_samples"]

CASES = [Case(id=f"i{n}", images=(Path(f"i{n}.png"),), mask=Path(f"m{n}.png")) for n in range(4)]
SPACING = np.diag([1.0, 1.0, 2.0, 1.0])


@dataclass(frozen=True)
class Kind:
    """One kind of file.

    Attributes:
        name: Of the kind.
        file: Where it lies among the samples; what is mutated.
        form: How it is made up: `json`, `nifti`, `nifti.gz`, `tensors`, `tar.gz`, `png` and so on.
        read: Reads it and what belongs to it, as the commands do, from a copy of the samples.
        weight: How often it is drawn.
    """

    name: str
    file: str
    form: str
    read: Callable[[Path], object]
    weight: int = 2

    @property
    def folder(self) -> str:
        """What has to be copied."""
        return self.file.split("/", maxsplit=1)[0]


def write_samples(root: Path) -> None:
    """Write one whole file of each kind, in a folder of its own with what belongs to it."""
    random = np.random.default_rng(0)
    _write_pictures(root, random)
    _write_volumes(root, random)
    _write_lists(root)
    _write_run(root / "run")
    _write_model(root / "model")
    _write_checkpoints(root / "checkpoints")
    _write_archives(root / "archives")


def _write_pictures(root: Path, random: np.random.Generator) -> None:
    folder = root / "pictures"
    folder.mkdir(parents=True)
    pixels = random.integers(0, 255, (40, 36, 3), np.uint8)
    picture = Image.fromarray(pixels)
    labels = np.zeros((40, 36), np.uint8)
    labels[10:20, 8:30] = 1
    for name in ("picture.png", "picture.jpg", "picture.bmp", "reference.png"):
        picture.save(folder / name)
    picture.save(folder / "picture.tif", compression="tiff_lzw")
    Image.fromarray(pixels[..., 0].astype(np.uint16) * 200).save(folder / "deep.tif")
    Image.fromarray(labels * 255).save(folder / "mask.png")
    palette = Image.fromarray(labels).convert("P")
    palette.putpalette([0, 0, 0, 200, 0, 0])
    palette.putdata(labels.ravel().tolist())
    palette.save(folder / "palette.png")
    Image.fromarray(labels).save(folder / "mask.tif")


def _write_volumes(root: Path, random: np.random.Generator) -> None:
    folder = root / "volumes"
    folder.mkdir(parents=True)
    values = random.normal(0, 100, (12, 11, 6)).astype(np.int16)
    labels = np.zeros((12, 11, 6), np.uint8)
    labels[3:7, 2:9, 1:4] = 1
    for name in ("volume.nii", "volume.nii.gz"):
        nibabel.Nifti1Image(values, SPACING).to_filename(folder / name)
    nibabel.Nifti2Image(values, SPACING).to_filename(folder / "second.nii")
    for name in ("labels.nii", "labels.nii.gz"):
        nibabel.Nifti1Image(labels, SPACING).to_filename(folder / name)
    _write_text_headers(folder, values, labels)
    for number in range(2):
        for part, array in (("imagesTr", values), ("labelsTr", labels)):
            path = root / "set" / part / f"case_{number}.nii.gz"
            path.parent.mkdir(parents=True, exist_ok=True)
            nibabel.Nifti1Image(array, SPACING).to_filename(path)
    description = {
        "name": "set",
        "modality": {"0": "CT"},
        "channel_names": {"0": "CT"},
        "labels": {"0": "background", "1": "object"},
        "numTraining": 2,
        "file_ending": ".nii.gz",
        "training": [
            {"image": f"./imagesTr/case_{n}.nii.gz", "label": f"./labelsTr/case_{n}.nii.gz"}
            for n in range(2)
        ],
        "test": [],
    }
    (root / "set" / "dataset.json").write_text(json.dumps(description))


def _write_text_headers(
    folder: Path, values: npt.NDArray[np.int16], labels: npt.NDArray[np.uint8]
) -> None:
    """NRRD and MetaImage, plain and deflated, with their voxels inside and beside them."""
    place = "space directions: {}(1,0,0) (0,1,0) (0,0,2)\nspace origin: (5,6,7)\n"
    nrrd = "NRRD0004\ntype: {}\ndimension: {}\nspace: left-posterior-superior\nsizes: {}\n"
    nrrd += place + "kinds: {}domain domain domain\nendian: little\nencoding: {}\n{}\n"
    meta = "ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\n"
    meta += "CompressedData = {}\nTransformMatrix = 1 0 0 0 1 0 0 0 1\nOffset = 5 6 7\n"
    meta += "ElementSpacing = 1 1 2\nDimSize = 12 11 6\nElementType = MET_SHORT\n"
    meta += "ElementDataFile = {}\n"
    plain, both = values.tobytes(order="F"), np.stack([labels, np.roll(labels, 5, 0)])
    segments = "".join(
        f"Segment{n}_LabelValue:=1\nSegment{n}_Layer:={n}\nSegment{n}_Name:=part {n}\n"
        for n in range(2)
    )
    image = ("short", 3, "12 11 6", "", "")
    (folder / "volume.raw").write_bytes(plain)
    for name, header, voxels in (
        ("volume.nrrd", nrrd.format(*image, "raw", ""), plain),
        ("packed.nrrd", nrrd.format(*image, "gzip", ""), gzip.compress(plain, mtime=0)),
        ("volume.nhdr", nrrd.format(*image, "raw", "data file: volume.raw\n"), b""),
        ("volume.mha", meta.format("False", "LOCAL"), plain),
        ("packed.mha", meta.format("True", "LOCAL"), zlib.compress(plain)),
        ("volume.mhd", meta.format("False", "volume.raw"), b""),
        (
            "labels.seg.nrrd",
            nrrd.format("uchar", 4, "2 12 11 6", "none ", "list ", "raw", segments),
            both.tobytes(order="F"),
        ),
    ):
        (folder / name).write_bytes(header.encode() + voxels)


def _write_lists(root: Path) -> None:
    folder = root / "lists"
    folder.mkdir(parents=True)
    rows = []
    for number, part in enumerate(("training", "training", "validation", "test")):
        Image.fromarray(np.full((8, 8), 60 * number, np.uint8)).save(folder / f"i{number}.png")
        Image.fromarray(np.eye(8, dtype=np.uint8) * 255).save(folder / f"m{number}.png")
        image, mask = f"i{number}.png", f"m{number}.png"
        rows.append({"image": image, "mask": mask, "patient": f"p{number}", "partition": part})
    (folder / "cases.json").write_text(json.dumps(rows))
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    (folder / "cases.csv").write_text(stream.getvalue())
    parts: dict[str, object] = {"labels": {"0": "background", "255": "object"}}
    for row in rows:
        entries = parts.setdefault(row["partition"], [])
        assert isinstance(entries, list)
        entries.append({"image": row["image"], "label": row["mask"]})
    (folder / "parts.json").write_text(json.dumps(parts))
    (folder / "labeled.json").write_text(json.dumps({"labeled": ["i0", "i1"]}))
    (folder / "labeled.csv").write_text("id\ni0\ni1\n")
    (folder / "settings.yaml").write_text("crop: 64\naugmentation:\n  flip: false\n")


def _write_run(run: Path) -> None:
    spec = SweepSpec(num_test=6)
    write_run(run, spec, method="ecs", labeled="1/8", seed=0, miou=0.7)
    (run / "samples").rename(run / "gallery")
    cells = (PlannedRun(method="ecs", labeled="1/8", seed=0, folder=Path("runs/a")),)
    SweepPlan(
        data=Path("data"),
        budgets=("1/8",),
        methods=("ecs",),
        seeds=(0,),
        settings={"iterations": 4, "crop": 64},
        cells=cells,
    ).write(run / "sweep.json")
    Failure(sentence="It failed.", exit_code=2, time="2026-01-02").write(run / "failure.json")
    Origin(run=run, spec=_model_spec(), warnings=("A word.",)).write(run / "start.json")


def _model_spec() -> ModelSpec:
    return ModelSpec(
        method="supervised",
        labels=LabelScheme(class_names=("background", "object")),
        preparation=Preparation(),
        kind="picture",
        in_channels=3,
        mean=(0.5,) * 3,
        std=(0.5,) * 3,
        encoder="test_resnet",
        corrector_encoder=None,
        crop=32,
        initialization="none",
    )


def _write_model(run: Path) -> None:
    run.mkdir(parents=True)
    torch.manual_seed(0)
    first = Initialization("test_resnet", "none")
    segmenter = build_segmenter(first, in_channels=3, num_classes=2)
    save_model(Model(_model_spec(), segmenter, None, device=torch.device("cpu"), run=run))
    pixels = np.random.default_rng(0).integers(0, 255, (40, 36, 3), np.uint8)
    Image.fromarray(pixels).save(run / "picture.png")


def _tiny_method() -> Supervised:
    torch.manual_seed(0)
    adam = OptimizerSettings(name="adam", lr=0.01)
    method = Supervised(
        {"segmenter": pixelwise(3, 2)}, Settings(), {"segmenter": adam}, num_classes=2
    )
    loss = method.segmenter(torch.ones(1, 3, 8, 8)).square().mean()
    loss.backward()
    method.optimizers["segmenter"].step()
    return method


def _write_checkpoints(run: Path) -> None:
    run_folder = RunFolder(run)
    run_folder.create()
    (run / "config.json").write_text('{"data": "data", "iterations": 9}')
    progress = Progress(started="2026-01-01T00:00:00+00:00", best_score=0.5)
    save_checkpoint(run_folder.checkpoints, _tiny_method(), 5, progress)


def _write_archives(folder: Path) -> None:
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    files = {f"top/{n}.bin": random.bytes(600 + 700 * n) for n in range(4)}
    files["top/deep/text.txt"] = b"text " * 300
    for name, mode in (("set.tar.gz", "w:gz"), ("set.tar", "w")):
        with tarfile.open(folder / name, mode) as archive:  # type: ignore[call-overload]
            for path, content in files.items():
                info = tarfile.TarInfo(path)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    with zipfile.ZipFile(folder / "set.zip", "w", zipfile.ZIP_DEFLATED) as zipped:
        for path, content in files.items():
            zipped.writestr(path, content)


def _picture(name: str) -> Callable[[Path], object]:
    def read(folder: Path) -> object:
        read_header([folder / name])
        return prepare_scan(read_scan(folder / name), Preparation(max_size=64))

    return read


def _mask(name: str, image: str) -> Callable[[Path], object]:
    def read(folder: Path) -> object:
        scheme, problems = understand_masks([folder / name], ReadingSettings())
        for problem in problems:
            if problem.severity == "error":
                raise DataError(f"{problem.path}: {problem.message}")
        return read_labels([folder / image], folder / name, scheme)

    return read


def _data(name: str = "") -> Callable[[Path], object]:
    return lambda folder: examine(open_data(folder / name if name else folder))


def _history(folder: Path) -> object:
    path = folder / "history.jsonl"
    read_history(path, validation_only=True)
    found = read_history(path)
    write_report(folder)
    HistoryFile(path).rewind(200)
    return found


def _split(folder: Path) -> object:
    is_split_document(folder / "split.json")
    return SplitDocument.read(folder / "split.json")


def _reported(folder: Path) -> object:
    write_report(folder)
    return RunFolder(folder).read_metrics(), RunFolder(folder).read_manifest()


def _config(folder: Path) -> object:
    read_state(folder)
    RunFolder(folder).progress()
    write_report(folder)
    return RunFolder(folder).read_config()


def _model(folder: Path) -> object:
    return segment(load_model(folder, "cpu"), folder / "picture.png")


def _checkpoint(folder: Path) -> object:
    read_state(folder)
    return load_checkpoint(folder / "checkpoints", _tiny_method())


def _archive(name: str) -> Callable[[Path], object]:
    return lambda folder: extract_archive(folder / name, folder / "unpacked")


def _case_list(name: str) -> Callable[[Path], object]:
    return lambda folder: read_case_list(folder / name, CASES)


def _settings(folder: Path) -> object:
    values = read_settings(folder / "settings.yaml")
    try:
        return TrainConfig.parse({"data": "data", **values})
    except SettingsError as error:  # the command line says which setting, of all that are given
        raise SettingsError(f"settings.yaml: {error}") from error


KINDS: tuple[Kind, ...] = (
    Kind("PNG picture", "pictures/picture.png", "png", _picture("picture.png"), 3),
    Kind("JPEG picture", "pictures/picture.jpg", "jpeg", _picture("picture.jpg"), 3),
    Kind("TIFF picture", "pictures/picture.tif", "tiff", _picture("picture.tif"), 3),
    Kind("TIFF of 16 bits", "pictures/deep.tif", "tiff", _picture("deep.tif"), 2),
    Kind("BMP picture", "pictures/picture.bmp", "bmp", _picture("picture.bmp"), 2),
    Kind("PNG mask", "pictures/mask.png", "png", _mask("mask.png", "reference.png")),
    Kind("palette mask", "pictures/palette.png", "png", _mask("palette.png", "reference.png")),
    Kind("TIFF mask", "pictures/mask.tif", "tiff", _mask("mask.tif", "reference.png")),
    Kind("NIfTI", "volumes/volume.nii", "nifti", _picture("volume.nii"), 5),
    Kind("NIfTI, gzip", "volumes/volume.nii.gz", "nifti.gz", _picture("volume.nii.gz"), 5),
    Kind("NIfTI 2", "volumes/second.nii", "bytes", _picture("second.nii")),
    Kind("NIfTI mask", "volumes/labels.nii", "nifti", _mask("labels.nii", "volume.nii"), 3),
    Kind(
        "NIfTI mask, gzip",
        "volumes/labels.nii.gz",
        "nifti.gz",
        _mask("labels.nii.gz", "volume.nii.gz"),
        3,
    ),
    Kind("NRRD", "volumes/volume.nrrd", "header", _picture("volume.nrrd"), 4),
    Kind("NRRD, gzip", "volumes/packed.nrrd", "header", _picture("packed.nrrd"), 3),
    Kind("NRRD, beside", "volumes/volume.nhdr", "header", _picture("volume.nhdr"), 3),
    Kind(
        "NRRD mask", "volumes/labels.seg.nrrd", "header", _mask("labels.seg.nrrd", "volume.nrrd"), 3
    ),
    Kind("MHA", "volumes/volume.mha", "header", _picture("volume.mha"), 4),
    Kind("MHA, zlib", "volumes/packed.mha", "header", _picture("packed.mha"), 3),
    Kind("MHD", "volumes/volume.mhd", "header", _picture("volume.mhd"), 3),
    Kind("dataset.json", "set/dataset.json", "json", _data(), 5),
    Kind("list, JSON", "lists/cases.json", "json", _data("cases.json"), 4),
    Kind("list by part", "lists/parts.json", "json", _data("parts.json"), 4),
    Kind("list, CSV", "lists/cases.csv", "text", _data("cases.csv"), 4),
    Kind("cases, JSON", "lists/labeled.json", "json", _case_list("labeled.json")),
    Kind("cases, CSV", "lists/labeled.csv", "text", _case_list("labeled.csv")),
    Kind("settings, YAML", "lists/settings.yaml", "text", _settings),
    Kind("config.json", "run/config.json", "json", _config, 6),
    Kind("split.json", "run/split.json", "json", _split, 4),
    Kind("history.jsonl", "run/history.jsonl", "jsonl", _history, 5),
    Kind("manifest.json", "run/manifest.json", "json", _reported, 5),
    Kind("metrics.json", "run/metrics.json", "json", _reported, 5),
    Kind("gallery.json", "run/gallery/gallery.json", "json", _reported, 3),
    Kind("failure.json", "run/failure.json", "json", lambda f: Failure.read(f / "failure.json")),
    Kind(
        "test_cases.json",
        "run/test_cases.json",
        "json",
        lambda f: TestCases.read(f / "test_cases.json"),
        3,
    ),
    Kind("sweep.json", "run/sweep.json", "json", lambda f: SweepFolder(f).read_plan(), 3),
    Kind("start.json", "run/start.json", "json", lambda f: RunFolder(f).read_origin(), 3),
    Kind("model.json", "model/model.json", "json", _model, 8),
    Kind("weights", "model/model.safetensors", "tensors", _model, 6),
    Kind(
        "checkpoint", "checkpoints/checkpoints/iteration-00000005.safetensors", "tensors",
        _checkpoint, 8,
    ),
    Kind("tar.gz", "archives/set.tar.gz", "tar.gz", _archive("set.tar.gz"), 5),
    Kind("tar", "archives/set.tar", "tar", _archive("set.tar"), 3),
    Kind("zip", "archives/set.zip", "bytes", _archive("set.zip"), 4),
)  # fmt: skip
"""Every kind, with the command's own way of reading it."""
