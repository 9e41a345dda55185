"""A training step of every method, on a batch that lies ready in memory.

With the packaged encoder, in one thread and float32: the processor's time, in turn with a step of
supervised training and with the literal step (`literal_*.py`): the equations in plain PyTorch, in
its usual memory format, with its optimisers as it chooses to run them, a forward pass a term.
All take their turns with the memory kept that training keeps (`ecs_med.memory`), from which the
literal step gains as well. Strong views and the loading of batches are not part of a step. Both
losses of a first step without dropout are compared in the note. Methods without a row against a
literal step have none that was written for speed.
"""

from collections.abc import Sequence

import torch

from ecs_med.memory import kept_heap
from ecs_med.methods import available_methods, method_class
from speed_suite.registry import Options
from speed_suite.results import Row, compared, single
from speed_suite.steppers import noise, pair
from speed_suite.timing import in_turns

LIMITS = {128: {"ecs": 0.65, "supervised": 0.75}, 256: {"ecs": 0.55, "supervised": 0.75}}
"""Ratio to the literal step that is to be kept to, by size of the images."""


def measure(options: Options) -> Sequence[Row]:
    """Rows of every method."""
    rows: list[Row] = []
    asked = [name.strip() for name in options.methods.split(",") if name.strip()]
    for name in asked:
        method_class(name)  # an unknown one is told with the nearest
    names = sorted(asked or available_methods(), key=lambda name: (name != "supervised", name))
    for name in names:
        rows += rows_of(name, options)
    return rows


def rows_of(name: str, options: Options, *, beside: bool = True) -> list[Row]:
    """Against the literal step, and against the supervised one where `beside`."""
    images = noise(options.batch, options.size)
    found = pair(name, images)
    works = {"ours": found.ours}
    if found.literal is not None:
        works["literal"] = found.literal
    if beside and name != "supervised":
        works["supervised"] = pair("supervised", images).ours
    with kept_heap():
        seconds = in_turns(works, repeats=options.repeats, most_seconds=options.seconds)
    rows, what = [], f"{name}, {options.size} px, batch {options.batch}"
    if found.literal is not None:
        note = f"losses within {largest_difference(name, options):.1e}"
        limit = LIMITS.get(options.size, {}).get(name)
        literal = "plain PyTorch" if name == "supervised" else "literal"
        more = {"note": note, "limit": limit}
        rows.append(compared(what, seconds["ours"], literal, seconds["literal"], **more))
    if "supervised" in seconds:
        rows.append(compared(what, seconds["ours"], "supervised", seconds["supervised"]))
    return rows or [single(what, seconds["ours"])]


def largest_difference(name: str, options: Options) -> float:
    """Between the losses of a first step, ours and literal, without dropout."""
    found = pair(name, noise(options.batch, options.size), dropout=False, alike=True)
    assert found.literal is not None
    torch.manual_seed(2)
    ours = found.ours()
    torch.manual_seed(2)
    literal = found.literal()
    return max(abs(ours[name] - literal[name]) for name in literal)
