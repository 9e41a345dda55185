"""Words that come from files, made safe to be shown, to name a file, and to stand in a table.

Names of methods, classes, cases, files and folders, warnings and settings are written by others: a
run folder may come from anywhere. What shows them goes through here.
"""

import hashlib
import re

__all__ = ["as_cell", "file_name", "visible"]

_UNSEEN = re.compile(
    # Control characters but tab and line feed, those that turn the direction of writing, lone
    # surrogates, and what XML does not allow.
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)
_NOT_IN_NAMES = re.compile(r"[^\w.+-]+")
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
_LONGEST = 120
_FORMULA = ("=", "+", "-", "@", "\t", "\n")


def visible(text: str) -> str:
    r"""The same with every character that acts instead of being seen written out.

    Example:
        >>> print(visible("red\x1b[31m"))
        red\x1b[31m
    """
    return _UNSEEN.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def file_name(text: str, *, distinct: bool = False) -> str:
    """A name for a file or folder: letters, digits and `_.+-`, a hyphen for everything else.

    It names no folder above and nothing hidden, no device of Windows, and has at most 120
    bytes.

    Args:
        text: What it shall remind of.
        distinct: Add a digest where the name is not the text itself, so that two texts never get
            one name.

    Example:
        >>> file_name("1/8"), file_name("../../../evil"), file_name("CON"), file_name("..")
        ('1-8', 'evil', '_CON', 'unnamed')
    """
    name = _NOT_IN_NAMES.sub("-", text).lstrip(".-").rstrip(".") or "unnamed"
    if _RESERVED.fullmatch(name):
        name = f"_{name}"
    digest = hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:8]
    too_long = len(name.encode("utf-8")) > _LONGEST
    if too_long:
        name = name.encode("utf-8")[: _LONGEST - 9].decode("utf-8", "ignore")
    return f"{name}-{digest}" if too_long or (distinct and name != text) else name


def as_cell(text: str) -> str:
    """A text as a cell of a CSV file: what a spreadsheet would compute begins with an apostrophe.

    Example:
        >>> as_cell("=1+1"), as_cell("-0.5"), as_cell("polyp")
        ("'=1+1", '-0.5', 'polyp')
    """
    # The csv module of Python leaves a lone carriage return unquoted, which ends a row for others.
    text = text.replace("\r", r"\r")
    if not text.startswith(_FORMULA):
        return text
    try:
        float(text)
    except ValueError:
        return f"'{text}"
    return text
