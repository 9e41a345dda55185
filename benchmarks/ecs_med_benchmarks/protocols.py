"""The protocols, one a data set: the paper's two, then data sets that it has no figures for."""

from typing import Any

from ecs_med.config import AugmentationSettings, OptimizerSettings
from ecs_med.errors import SettingsError
from ecs_med.registry import nearest
from ecs_med_benchmarks.protocol import Protocol

__all__ = [
    "CAMVID",
    "CITYSCAPES",
    "CVC_CLINICDB",
    "HIPPOCAMPUS",
    "KVASIR",
    "PROTOCOLS",
    "VOC",
    "protocol_named",
]

_PAPER: dict[str, Any] = {
    "is_published": True,
    "budgets": ("1/8", "1/4", "1/2"),
    "min_size": 0,
    "encoder": "resnet50",
    "corrector_encoder": "resnet34",
    "encoder_weights": "imagenet",
    # The paper reports the validation set and names no other set to choose on.
    "keep": "last",
    "optimizers": {
        "segmenter": OptimizerSettings(name="sgd", lr=0.01),
        "corrector": OptimizerSettings(name="adam", lr=1e-4),
    },
}
"""Mendel et al. 2020, sections 4.3 (encoders) and 4.4; it has figures of these in tables 1 to 4."""

_OWN: dict[str, Any] = {
    "is_published": False,
    "seeds": (0, 1, 2),
    # As the default of `ecs-med train`; from 10,000 iterations on the optimisers are the paper's.
    "batch": 8,
    "iterations": 10_000,
}

_MEDICAL: dict[str, Any] = {**_OWN, "budgets": ("10%", "15%", "20%", "30%", "50%")}
"""The budgets are those of the literature on polyps."""

VOC = Protocol(
    **_PAPER,
    name="voc",
    title="PASCAL VOC 2012 with SBD",
    crop=512,  # zero-padded, images are 500 pixels wide or high
    batch=14,
    iterations=22_000,
)
"""PASCAL VOC 2012 with SBD as in Mendel et al. 2020, sections 4.2 to 4.5.

Layout: `VOCdevkit/VOC2012` beside `benchmark_RELEASE/dataset`; 10,582 training images (the
union of VOC train and SBD without VOC's validation images), 1,449 validation images, 20
classes and background, borders (255) ignored. The budgets are 1,322, 2,645 and 5,291 labelled
images. The validation images are scored at full resolution, at one scale, and choose nothing.
Images come from Flickr and are for research.

Expected mIoU in percent, mean of ten seeds (Table 1): supervised 65.20 (0.86) at 1/8, 69.78
(0.59) at 1/4, 73.42 (0.49) at 1/2, 76.29 (0.12) with all labels; ECS 70.22 (0.75), 72.60
(0.44), 74.63 (0.19).
"""

CITYSCAPES = Protocol(
    **_PAPER,
    name="cityscapes",
    title="Cityscapes",
    crop=768,
    tile=2048,  # full resolution in one piece
    batch=6,
    iterations=15_000,
    image_threshold=0.7,  # Mittal et al. 2019
)
"""Cityscapes as in Mendel et al. 2020, sections 4.1 to 4.5.

Layout: `leftImg8bit/` beside `gtFine/`, each with train (2,975 images of 2,048 x 1,024) and
val (500); 34 label ids become 19 classes, the others are ignored. The budgets are 372, 744 and
1,488 labelled images. The validation images are scored whole at full resolution, at one scale, and
choose nothing. Licence: non-commercial research, with a free account.

Expected mIoU in percent, mean of ten seeds (Table 1): supervised 63.12 (0.79) at 1/8, 67.31
(0.61) at 1/4, 71.22 (0.74) at 1/2, 74.76 (0.08) with all labels; ECS 67.38 (0.96), 70.70
(0.68), 72.89 (0.54).
"""

CAMVID = Protocol(
    **_OWN,
    name="camvid",
    title="CamVid",
    budgets=("1/8", "1/4", "1/2"),  # as the paper's for the other street scenes
    crop=352,  # the largest multiple of 32 within the height of 360
)
"""CamVid as prepared for SegNet (Badrinarayanan et al. 2017).

Layout: `train/` beside `trainannot/`, and so `val` and `test`: 367, 101 and 233 frames of 480
x 360 from four videos; 11 classes, void (11) ignored. Its authors state no licence; it was
published for research. Frames of one video are alike, so the parts are not independent. The model
is chosen on val and tested once on test.
"""

KVASIR = Protocol(
    **_MEDICAL,
    name="kvasir",
    title="Kvasir-SEG",
    crop=352,  # the size that the literature trains at
    max_size=352,  # scores are taken on the original grid
)
"""Kvasir-SEG: polyps in colonoscopy (Jha et al. 2020), one class.

Layout: 1,000 images in `images/`, their masks in `masks/` (JPEG, thresholded); or divided into
train/ (800), validation/ (100) and test/ (100), the split published with EffiSegNet. Without
test/, half of validation/ chooses the model and the other half is tested on; without any
division 10 % and 20 % are drawn. Licence: research and education.

For orientation (`published.csv`, other networks and splits): Dice 89.7 at 15 % and 90.6 at 30 %
labels, semi-supervised; Dice 94.8 and mIoU 90.6 with all.
"""

CVC_CLINICDB = Protocol(
    **_MEDICAL,
    name="cvc-clinicdb",
    title="CVC-ClinicDB",
    crop=288,  # the height of the frames
)
"""CVC-ClinicDB: polyps in colonoscopy (Bernal et al. 2015), one class.

Layout: 612 images of 384 x 288 in `Original/`, masks of the same names in `Ground Truth/` (or
`images/` and `masks/`). They are frames of 31 sequences whose numbers the files do not tell; a
list with a patient column (`patient=column`) keeps sequences together, without one the score
is too good. 70/10/20 % are drawn by the seed. Research use, terms on its page.
"""

HIPPOCAMPUS = Protocol(
    **{**_MEDICAL, "iterations": 5_000},  # so that the optimisers are those of short runs
    name="hippocampus",
    title="MSD Hippocampus",
    crop=128,
    min_size=128,  # the decoder, at a quarter of it, is too coarse for slices of 35 x 50 voxels
    # No flip: left and right are not alike in a head.
    augmentation=AugmentationSettings(
        flip=False, flip_vertical=False, rotate=False, scale=(0.85, 1.2)
    ),
)
"""Task04 of the Medical Segmentation Decathlon (Antonelli et al. 2022).

Layout: `imagesTr/`, `labelsTr/` and `dataset.json`: 260 MRI volumes of about 35 x 50 x 36
voxels of 1 mm with anterior and posterior hippocampus. A volume is one case; 70/10/20 % are
drawn by the seed, since the labels of imagesTs are not public. Volumes are segmented slice by
slice. Licence: CC-BY-SA 4.0.
"""

PROTOCOLS = {
    protocol.name: protocol
    for protocol in (VOC, CITYSCAPES, CAMVID, KVASIR, CVC_CLINICDB, HIPPOCAMPUS)
}
"""Every protocol by its name."""


def protocol_named(name: str) -> Protocol:
    """The protocol called `name`.

    Raises:
        SettingsError: If there is none; names the nearest.
    """
    if name in PROTOCOLS:
        return PROTOCOLS[name]
    raise SettingsError(f"Unknown benchmark '{name}'; {nearest(name, PROTOCOLS)}")
