"""How an option is declared, taken by a command, filled into `--help`, and named in a sentence.

This module is loaded for every `--help` and imports nothing heavy.
"""

import functools
import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Annotated, Any

import typer

from ecs_med.errors import SettingsError

__all__ = [
    "EXTENSIONS",
    "Given",
    "Option",
    "in_options",
    "installed",
    "spoken_by",
    "with_installed",
    "with_options",
]

EXTENSIONS = ("methods", "networks", "readers", "layouts")
"""What other packages can add, each by the entry-point group `ecs_med.<name>`."""

_SETTING = re.compile(r"`([a-z][a-z0-9_]*)(?:=([^`]*))?`")
_OTHER_NAMES = {"flip": "no_flip", "out": "output"}
"""Setting -> parameter of the option that sets it, where they are not called alike."""

_flags: ContextVar[Mapping[str, str]] = ContextVar("flags")

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
        has_opposite: Whether `--no-NAME` says the opposite of `--NAME`, which takes no value;
            neither leaves the setting open.
    """

    flags: str
    type: Any
    help: str
    setting: str = ""
    read: Callable[[Any], Any] | None = None
    has_opposite: bool = False

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
        flags = self.flags.split()
        if self.has_opposite:
            flags = [f"{self.flag}/--no-{self.flag[2:]}"]
        return typer.Option(*flags, help=text or self.help)

    def parameter(self) -> inspect.Parameter:
        """The parameter of a command that takes this option."""
        is_flag = self.type is bool and not self.has_opposite
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
        if typed is None or (typed is False and not self.has_opposite):
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
        >>> steps = Option("--iterations", int, "Training steps.")
        >>> still = Option("--no-flip", bool, "Never mirror.", "augmentation.flip", lambda _: False)
        >>> @with_options(settings=(steps, still))
        ... def show(*, settings: Given, as_json: bool = False) -> None:
        ...     print(settings, as_json)
        >>> show(iterations=5, no_flip=True)
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


@contextmanager
def spoken_by(commands: Iterable[Any]) -> Iterator[None]:
    """Let `in_options` know the options of these commands; where two differ the first one holds.

    Args:
        commands: Commands of typer, the one that runs before the others.
    """
    flags: dict[str, str] = {}
    for parameter in (each for command in commands for each in command.params):
        long = [flag for flag in parameter.opts if flag.startswith("--")]
        if long:
            flags.setdefault(parameter.name, long[0])
    flags |= {name: flags[known] for name, known in _OTHER_NAMES.items() if known in flags}
    token = _flags.set(flags)
    try:
        yield
    finally:
        _flags.reset(token)


def in_options(sentence: str) -> str:
    """A sentence of the engine: a setting in backticks becomes its option, `x=1` becomes `--x 1`.

    What has no option stays as it is, as does everything outside of a command.
    """
    flags = _flags.get({})

    def option(found: re.Match[str]) -> str:
        flag, value = flags.get(found[1]), found[2]
        if flag is None:
            return found[0]
        if value is None:
            return flag
        return f"{flag}={value}" if value.startswith("-") else f"{flag} {value}"

    return _SETTING.sub(option, sentence)


def installed(kind: str) -> dict[str, str]:
    """Distribution by name of what is installed of a kind, none of it loaded.

    Args:
        kind: One of `EXTENSIONS`.
    """
    from importlib.metadata import entry_points

    found = entry_points(group=f"ecs_med.{kind}")
    return {each.name: each.dist.name if each.dist else "?" for each in found}


def with_installed(text: str) -> str:
    """Help with the names in the place of `{methods}`, `{networks}`, `{readers}`, `{layouts}`."""
    for kind in EXTENSIONS:
        if f"{{{kind}}}" in text:
            names = ", ".join(installed(kind)) or "see `ecs-med doctor`"
            text = text.replace(f"{{{kind}}}", names)
    return text
