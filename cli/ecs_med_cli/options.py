"""The options that several commands share, each declared once.

A command takes them by the group with `with_options`, or one by one as
`Annotated[Path, OUTPUT.info(...)]`; options of its own it declares itself.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ecs_med_cli.declaration import Option


def _parts(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _integers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in _parts(text))
    except ValueError:
        raise ValueError(
            f"'{text}' is not a list of whole numbers; write 0,1,2 with commas"
        ) from None


def _color(text: str) -> tuple[int, ...]:
    try:
        red, green, blue = bytes.fromhex(text.removeprefix("#"))
    except ValueError:
        raise ValueError(
            f"'{text}' is not a colour; write six hexadecimal digits, such as #ff0000, with commas "
            "between colours"
        ) from None
    return red, green, blue


def _colors(text: str) -> tuple[tuple[int, ...], ...]:
    return tuple(_color(part) for part in _parts(text))


def _pairs(texts: Sequence[str]) -> dict[str, str]:
    pairs = {}
    for text in texts:
        key, _, value = (part.strip() for part in text.partition("="))
        if not (key and value):
            raise ValueError(f"'{text}' is not a pair; write KEY=VALUE, such as partition=gpu")
        pairs[key] = value
    return pairs


def _not(typed: bool) -> bool:
    return not typed


def _of(section: str, *options: Option) -> tuple[Option, ...]:
    """The options, each as a setting of that section."""
    return tuple(replace(o, setting=f"{section}.{o.setting or o.name}") for o in options)


DATA = Option("--data", Path, "Folder or list file (see `ecs-med check`).")
OUTPUT = Option("-o --output", Path, "Folder of what comes out.")
OUT = "--out"
"""Second name of `--output` where it was called so first."""
MODEL = Option("--model", Path, "Run folder; else the newest below runs.")
CONFIG = Option("--config", Path, "YAML or JSON file of settings; options here override it.")
JSON = Option("--json", bool, "Print one JSON object, nothing else.")

SEED = Option("--seed", int, "Draws the labelled cases, the order, the weights.")
SEEDS = Option("--seeds", str, "0..4 (both included) or 0,1,7; else 0..2.")
BUDGETS = Option("--budgets", str, "Labelled budgets, 1 being all; else 1/16,1/8,1/4,1/2,1.")
METHOD = Option("--method", str, "Training method: {methods}.")
METHODS = Option(
    "--methods", str, "Methods to compare ({methods}); else the default one and its baseline."
)
DRAW = Option(
    "--draw",
    str,
    "How labels are drawn: random, foreground, stratified, or by a rule of `suggest`: coldstart, "
    "entropy, doubt, clasp.",
)
EXCLUDE = Option(
    "--exclude", Path, "Masks not to be used: decisions.json of an audit, or a list of ids."
)
FOLDS = Option("--folds", int, "How many parts there are; else 5.")
FOLD = (
    Option("--fold", int, "Test on this part of all labelled cases, from 0, in cross-validation."),
    FOLDS,
)
UNIT = (
    Option("--unit", str, "What is labelled at a time: a case, or a slice of a volume."),
    Option("--slices-per-volume", int, "Labelled slices of each labelled volume."),
    Option("--slice-choice", str, "Which: even, random, content, or given; else even."),
    Option(
        "--learn-unlabeled-slices",
        bool,
        "Learn from the other slices as unlabelled ones; else yes.",
        has_opposite=True,
    ),
    Option(
        "--learn-unlabeled-pixels",
        bool,
        "Learn from pixels that nobody has annotated as from unlabelled images; else yes.",
        has_opposite=True,
    ),
)

ITERATIONS = Option("--iterations", int, "Training steps; else 1000, on a GPU 10000.")
STEPS = (
    Option("--batch", int, "Labelled images per step, and as many unlabelled; else 8."),
    Option("--crop", int, "Side of the training crop in pixels."),
    Option("--max-size --resize", int, "Longer side to bring images down to first; 0: never."),
)
ENCODERS = (
    Option("--encoder", str, "Segmenter's encoder, by its name in timm or segmentation-models."),
    Option("--corrector-encoder", str, "Corrector's encoder."),
    Option("--encoder-weights", str, "imagenet, none, or a file."),
)
DEVICE = Option("--device", str, "auto, cpu, cuda, cuda:1, mps.")
BACKEND = Option(
    "--backend", str, "torch, or on a CPU onnx: ONNX Runtime, in less time (extra onnx)."
)
MACHINE = (
    DEVICE,
    Option("--precision", str, "auto, fp32, bf16."),
    Option("--compile", bool, "Compile the networks, for long runs on a GPU.", has_opposite=True),
    Option("--evaluate-every", int, "Steps between validations; else a tenth of all."),
    Option("--workers", int, "Processes that prepare batches; else on a GPU up to 8."),
)
KEEP_NAMES = Option(
    "--keep-names", bool, "Call cases of DICOM as their files, which may name patients."
)
RESAMPLE = Option("--resample", bool, "Bring tilted or uneven slices of DICOM onto a grid.")
LAYOUT, *_OF_CASES = _of(
    "reading",
    Option("--layout", str, "{layouts}; else recognised."),
    Option(
        "--patient",
        str,
        "Whose image it is: none, folder, column (of a list), regex:PATTERN with one group.",
    ),
    KEEP_NAMES,
    RESAMPLE,
    Option(
        "--frame-step", int, "Of videos, every frame of so many is unlabelled; else one a second."
    ),
    Option("--mask-folder", str, "Folder of masks beside the images, where there are several."),
)
MASKS = _of(
    "reading",
    Option(
        "--mask-values",
        str,
        "Stored value of each class in order, such as 0,50,100.",
        read=_integers,
    ),
    Option("--mask-threshold", int, "Two classes: stored values from here on are class 1."),
    Option(
        "--mask-colors",
        str,
        "Colour of each class in order, such as '#000000,#ff0000,#00ff00'.",
        read=_colors,
    ),
    Option("--void-values", str, "Stored values to ignore, such as 255.", read=_integers),
    Option(
        "--unlabeled-values --unlabeled-value",
        str,
        "Stored values of pixels that nobody has annotated, such as 0 in scribbles.",
        read=_integers,
    ),
    Option("--outside-mask", str, "What a mask of a volume leaves out: background or void."),
)
READING = (
    LAYOUT,
    *_OF_CASES,
    *MASKS,
    *_of(
        "reading",
        Option(
            "--class-names",
            str,
            "Names in order, background first: background,polyp; of DICOM masks, which structures.",
            read=_parts,
        ),
        Option(
            "--window", tuple[float, float], "CT window in HU, lower and upper, such as -160 240."
        ),
    ),
)

TRAINING = (
    ITERATIONS,
    *STEPS,
    Option("--min-size --enlarge", int, "Longer side to bring smaller images up to; 0: never."),
    Option("--field-of-view", str, "auto: leave out borders of endoscopic pictures; else off."),
    Option("--plane", str, "Slices of volumes: axial, coronal, sagittal; auto: by their voxels."),
    Option("--spacing", str, "Pixels of volumes in mm, or none; auto: one where they differ much."),
    Option("--dims", str, "Volumes in 2 (slices), 2.5, 3 dimensions; auto: by size and spacing."),
    Option("--context", int, "Neighbours of a slice on either side to look at, such as 1."),
    Option("--network", str, "Segmenter's architecture: {networks}."),
    *ENCODERS,
    Option("--freeze-encoder", bool, "Keep the segmenter's encoder as it begins: a cheaper step."),
    *MACHINE,
    *_of(
        "augmentation",
        Option("--scale", tuple[float, float], "Random zoom, lowest and highest, such as 0.5 2.0."),
        Option("--jitter", float, "Random brightness and contrast, 0 to 1."),
        Option("--no-flip", bool, "Never mirror left and right.", "flip", _not),
        Option(
            "--flip-vertical",
            bool,
            "Mirror top and bottom; else of colour pictures that are no photographs.",
            has_opposite=True,
        ),
        Option("--rotate", bool, "Turn by quarters; else as --flip-vertical.", has_opposite=True),
        Option(
            "--strong-jitter",
            float,
            "Jitter of strong views, for methods that use them; else 0.5.",
            "strong.jitter",
        ),
        Option(
            "--cutmix",
            float,
            "Share of strong views with a box of another image; else 0.5.",
            "strong.cutmix",
        ),
    ),
    *READING,
)
"""How a run is trained, however many there are."""

COUNT = Option("--count", int, "How many cases.")
DRY_RUN = Option("--dry-run", bool, "Print the plan and how long it will take.")
PLACE = (
    Option("--executor", str, "processes, inline, ray or slurm; else processes.", "name"),
    Option("--jobs", int, "Runs at once; else one per GPU, up to 4 on a CPU."),
    Option("--gpus-per-run", float, "Share of a GPU for a run, such as 0.5."),
    Option("--ray-address", str, "Ray cluster that is there already."),
    Option(
        "--slurm",
        list[str],
        "KEY=VALUE for SLURM, such as partition=gpu; repeatable.",
        read=_pairs,
    ),
)
MINUTES_PER_LABEL = Option(
    "--minutes-per-label",
    str,
    "An expert's minutes for one label, or by form: outline=6,draft=2,slice=1.5,scribble=0.5.",
)
COST_PER_HOUR = Option("--cost-per-hour", float, "Price of an expert's hour.")
