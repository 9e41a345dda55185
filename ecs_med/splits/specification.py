"""What `labeled` can say: a share, a number of cases, everything, or a split file."""

import math
import os
import re
from dataclasses import dataclass
from fractions import Fraction
from numbers import Integral, Rational, Real
from pathlib import Path

from ecs_med.errors import BudgetError

__all__ = ["SPLIT_FILE_SUFFIXES", "Budget", "Count", "Share", "SplitFile", "parse_labeled"]

SPLIT_FILE_SUFFIXES = (".csv", ".json", ".txt")
"""Suffixes by which a budget is known to be a file."""

_ACCEPTED = (
    "write a share (10%, 1/8, 0.1), a number of cases (50), all, "
    "or a split file (.json, .txt, .csv)"
)
_DECIMAL = r"(?:[0-9]{1,18}\.[0-9]{1,18}|\.[0-9]{1,18})"
_COUNT = re.compile(r"[0-9]{1,18}")
_SHARE = re.compile(_DECIMAL)
_PERCENT = re.compile(rf"((?:{_DECIMAL}|[0-9]{{1,18}}))\s*%")
_RATIO = re.compile(r"([0-9]{1,18})\s*/\s*([0-9]{1,18})")


@dataclass(frozen=True, slots=True)
class Share:
    """A share of the training cases that have masks: exact, above 0, at most 1."""

    fraction: Fraction
    text: str
    """As it was asked for."""

    def target(self, available: int) -> int:
        """Number of cases out of `available`: rounded half up, at least 1 (so it never shrinks)."""
        return max(1, round_half_up(self.fraction * available))


@dataclass(frozen=True, slots=True)
class Count:
    """A number of cases, at least 1."""

    count: int
    text: str

    def target(self, available: int) -> int:
        """The count itself.

        Raises:
            BudgetError: If fewer than that are available.
        """
        if self.count > available:
            raise BudgetError(
                f"`labeled={self.text}` asks for more cases than the {available} training "
                "cases that have masks; ask for fewer, or for all."
            )
        return self.count


@dataclass(frozen=True, slots=True)
class SplitFile:
    """An existing file that names the labelled cases, or the role of every case."""

    path: Path
    text: str


Budget = Share | Count | SplitFile


def round_half_up(value: Fraction) -> int:
    """Nearest integer; exact halves go up, unlike `round`, so that targets grow evenly."""
    return math.floor(value + Fraction(1, 2))


def parse_labeled(labeled: str | float | Rational | os.PathLike[str]) -> Budget:
    """Understand a labelled budget.

    `1` is one case; `1.0`, `1/1`, `100%` and `all` are all of them. Decimals are
    taken as they are written, so that `0.1` is exactly a tenth.

    Args:
        labeled: `10%`, `12.5%`, `1/8`, `0.1`, `50`, `all`, the path of an existing
            `.json`, `.txt` or `.csv` file; or an integer (a count), a float or a
            `Fraction` (a share).

    Raises:
        BudgetError: If it is none of these, nothing, negative, or more than everything.

    Example:
        >>> parse_labeled("12.5%").fraction
        Fraction(1, 8)
        >>> parse_labeled("1").count
        1
    """
    if isinstance(labeled, os.PathLike):
        return _parse_path(os.fspath(labeled))
    if isinstance(labeled, str):
        return _parse_text(labeled.strip())
    return _parse_number(labeled)


def _parse_number(number: float | Rational) -> Budget:
    text = str(number)
    if isinstance(number, bool) or not isinstance(number, Real) or not math.isfinite(number):
        raise _refused(text, "is not a budget")
    if isinstance(number, Integral):
        return _count(int(number), text)
    if isinstance(number, Rational):
        return _share(Fraction(int(number.numerator), int(number.denominator)), text)
    # Through its shortest decimal form: the float 0.1 stands for a tenth.
    return _share(Fraction(repr(float(number))), text)


def _parse_text(text: str) -> Budget:
    if text.lower() == "all":
        return Share(Fraction(1), text)
    if _COUNT.fullmatch(text):
        return _count(int(text), text)
    if _SHARE.fullmatch(text):
        return _share(Fraction(text), text)
    if match := _PERCENT.fullmatch(text):
        return _share(Fraction(match[1]) / 100, text)
    if match := _RATIO.fullmatch(text):
        if int(match[2]) == 0:
            raise _refused(text, "divides by zero")
        return _share(Fraction(int(match[1]), int(match[2])), text)
    if Path(text).suffix.lower() in SPLIT_FILE_SUFFIXES or _is_file(Path(text)):
        return _parse_path(text)
    raise _refused(text, "is not a budget")


def _parse_path(text: str) -> SplitFile:
    path = Path(text)
    if path.suffix.lower() not in SPLIT_FILE_SUFFIXES:
        raise BudgetError(
            f"{path}: not known as a split file by its name; give it the suffix "
            f"{', '.join(SPLIT_FILE_SUFFIXES[:-1])} or {SPLIT_FILE_SUFFIXES[-1]}."
        )
    if not _is_file(path):
        raise BudgetError(f"{path}: no such split file; check the path given to `labeled`.")
    return SplitFile(path, text)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        # Too long a name, or a null byte: no file can have it.
        return False


def _count(count: int, text: str) -> Count:
    if count < 1:
        raise _refused(text, "leaves nothing to learn from")
    return Count(count, text)


def _share(fraction: Fraction, text: str) -> Share:
    if fraction <= 0:
        raise _refused(text, "leaves nothing to learn from")
    if fraction > 1:
        raise _refused(text, "is more than all cases")
    return Share(fraction, text)


def _refused(text: str, reason: str) -> BudgetError:
    return BudgetError(f"`labeled={text or '(empty)'}` {reason}; {_ACCEPTED}.")
