"""Options in the place of settings, and the names of what is installed, in what a user reads."""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

__all__ = ["EXTENSIONS", "in_options", "installed", "spoken_by", "with_installed"]

EXTENSIONS = ("methods", "networks", "readers", "layouts")
"""What other packages can add, each by the entry-point group `ecs_med.<name>`."""

_SETTING = re.compile(r"`([a-z][a-z0-9_]*)(?:=([^`]*))?`")
_OTHER_NAMES = {"flip": "no_flip"}
"""Setting -> parameter of the option that sets it, where they are not called alike."""

_flags: ContextVar[Mapping[str, str]] = ContextVar("flags")


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
