"""The options that several commands share, each declared once, and how a command takes them.

A command declares the options of its own in its signature, as typer has it. Those that it shares
with others it takes from here: one by one as `Annotated[Path, OUTPUT.info(...)]`, or by the group
with `with_options`. This module is loaded for every `--help` and imports nothing heavy.
"""

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from ecs_med.errors import SettingsError

__all__ = [
    "AUGMENTATION",
    "BUDGETS",
    "CONFIG",
    "COST_PER_HOUR",
    "DATA",
    "DEVICE",
    "DRAW",
    "DRY_RUN",
    "ENCODERS",
    "ITERATIONS",
    "JSON",
    "LAYOUT",
    "MACHINE",
    "MASKS",
    "MINUTES_PER_LABEL",
    "MIN_SIZE",
    "MODEL",
    "NETWORK",
    "OUT",
    "OUTPUT",
    "PLACE",
    "READING",
    "SEED",
    "SEEDS",
    "STEPS",
    "Given",
    "Option",
    "with_options",
]

Given = Mapping[str, Any]
"""What was typed of a group of options: values by setting, in sections where it is dotted."""


@dataclass(frozen=True, slots=True)
class Option:
    """An option of the command line.

    Attributes:
        flags: As typed, separated by blanks; the first long one names the parameter.
        type: Of the value; `bool` for one that takes none.
        help: One line for `--help`; `{methods}`, `{networks}` and `{layouts}` stand for the names
            of what is installed.
        setting: What it sets, dotted, where that is not the setting of its own name.
        read: From what is typed to the value of the setting; a `ValueError` says what is wrong.
    """

    flags: str
    type: Any
    help: str
    setting: str = ""
    read: Callable[[Any], Any] | None = None

    @property
    def flag(self) -> str:
        """The first long name: `--max-size`."""
        return next(flag for flag in self.flags.split() if flag.startswith("--"))

    @property
    def name(self) -> str:
        """Name of the parameter: `max_size`."""
        return self.flag[2:].replace("-", "_")

    def but(self, text: str, *more_flags: str) -> "Option":
        """The same for one command, where it means something narrower.

        Args:
            text: The command's own help.
            *more_flags: Further names.
        """
        return replace(self, help=text, flags=" ".join((self.flags, *more_flags)))

    def info(self, text: str | None = None) -> Any:
        """The declaration for `Annotated` in a signature, with the command's own help if given."""
        return typer.Option(*self.flags.split(), help=text or self.help)

    def parameter(self) -> inspect.Parameter:
        """The parameter of a command that takes this option."""
        is_flag = self.type is bool
        return inspect.Parameter(
            self.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=False if is_flag else None,
            annotation=Annotated[bool if is_flag else self.type | None, self.info()],
        )

    def put(self, typed: Any, values: dict[str, Any]) -> None:
        """Put what was typed into nested `values`; nothing if it was not typed.

        Raises:
            SettingsError: If `read` cannot make anything of it.
        """
        if typed is None or typed is False:
            return
        try:
            value = typed if self.read is None else self.read(typed)
        except ValueError as error:
            raise SettingsError(f"{self.flag}: {error}.") from None
        *sections, name = (self.setting or self.name).split(".")
        for section in sections:
            values = values.setdefault(section, {})
        values[name] = value


Command = Callable[..., None]


def with_options(**groups: Sequence[Option]) -> Callable[[Command], Command]:
    """Let a command take whole groups of options, each as one mapping.

    In `--help` a group stands where the parameter of its name stands in the signature.

    Args:
        **groups: Options by parameter of the command; all of its parameters are keyword-only.

    Example:
        >>> @with_options(settings=(ITERATIONS, *AUGMENTATION))
        ... def show(*, settings: Given, as_json: bool = False) -> None:
        ...     print(settings, as_json)
        >>> show(iterations=5, scale=None, jitter=None, no_flip=True)
        {'iterations': 5, 'augmentation': {'flip': False}} False
    """

    def decorate(command: Command) -> Command:
        parameters: list[inspect.Parameter] = []
        for own in inspect.signature(command, eval_str=True).parameters.values():
            group = groups.get(own.name)
            parameters += [own] if group is None else [option.parameter() for option in group]

        @functools.wraps(command)
        def take(**typed: Any) -> None:
            given: dict[str, dict[str, Any]] = {name: {} for name in groups}
            for name, options in groups.items():
                for option in options:
                    option.put(typed.pop(option.name), given[name])
            command(**typed, **given)

        take.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        take.__annotations__ = {each.name: each.annotation for each in parameters}
        return take

    return decorate


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
DRAW = Option("--draw", str, "How labels are drawn: random, foreground, or stratified.")

ITERATIONS = Option("--iterations", int, "Training steps; else 1000, on a GPU 10000.")
STEPS = (
    Option("--batch", int, "Labelled images per step, and as many unlabelled; else 8."),
    Option("--crop", int, "Side of the training crop in pixels."),
    Option("--max-size --resize", int, "Longer side to bring images down to first; 0: never."),
)
MIN_SIZE = Option(
    "--min-size --enlarge", int, "Longer side to bring smaller images up to; 0: never."
)
NETWORK = Option("--network", str, "Segmenter's architecture: {networks}.")
ENCODERS = (
    Option("--encoder", str, "Segmenter's encoder, by its name in timm or segmentation-models."),
    Option("--corrector-encoder", str, "Corrector's encoder."),
    Option("--encoder-weights", str, "imagenet, none, or a file."),
)
DEVICE = Option("--device", str, "auto, cpu, cuda, cuda:1, mps.")
MACHINE = (
    DEVICE,
    Option("--precision", str, "auto, fp32, bf16."),
    Option("--evaluate-every", int, "Steps between validations; else a tenth of all."),
    Option("--workers", int, "Processes that prepare batches; else none."),
)
AUGMENTATION = _of(
    "augmentation",
    Option("--scale", tuple[float, float], "Random zoom, lowest and highest, such as 0.5 2.0."),
    Option("--jitter", float, "Random brightness and contrast, 0 to 1."),
    Option("--no-flip", bool, "Never mirror left and right.", "flip", _not),
)

LAYOUT, *_OF_CASES = _of(
    "reading",
    Option("--layout", str, "{layouts}; else recognised."),
    Option(
        "--patient",
        str,
        "Whose image it is: none, folder, column (of a list), regex:PATTERN with one group.",
    ),
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
)
READING = (
    LAYOUT,
    *_OF_CASES,
    *MASKS,
    *_of(
        "reading",
        Option(
            "--class-names", str, "Names in order, background first: background,polyp.", read=_parts
        ),
        Option("--axis", str, "Axis along which volumes are sliced: 0, 1, 2; else the coarsest."),
        Option(
            "--window", tuple[float, float], "CT window in HU, lower and upper, such as -160 240."
        ),
    ),
)

DRY_RUN = Option("--dry-run", bool, "Print the plan and how long it will take.")
PLACE = (
    Option("--executor", str, "processes, inline, ray or slurm; else processes.", "name"),
    Option("--jobs", int, "Runs at once; else one per GPU, one on a CPU."),
    Option("--gpus-per-run", float, "Share of a GPU for a run, such as 0.5."),
    Option("--ray-address", str, "Ray cluster that is there already."),
    Option(
        "--slurm",
        list[str],
        "KEY=VALUE for SLURM, such as partition=gpu; repeatable.",
        read=_pairs,
    ),
)
MINUTES_PER_LABEL = Option("--minutes-per-label", float, "An expert's minutes for one label.")
COST_PER_HOUR = Option("--cost-per-hour", float, "Price of an expert's hour.")
