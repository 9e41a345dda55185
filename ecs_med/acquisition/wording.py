"""What the sentences of several acquisitions say of a candidate."""

from collections.abc import Sequence

from ecs_med.acquisition.base import Pool

__all__ = ["drawn", "place_of", "standing_out"]


def place_of(scores: Sequence[float], index: int) -> str:
    """How many of the candidates have a higher score, and how many there are, in words."""
    higher = sum(score > scores[index] for score in scores)
    return f"Number {higher + 1} of {len(scores)} candidates"


def standing_out(pool: Pool, index: int) -> str:
    """Of a volume, the slices that stand out."""
    layers = pool.looks[index].layers
    if not layers:
        return ""
    numbers = ", ".join(map(str, layers))
    return f" (most of all slice{'s' * (len(layers) > 1)} {numbers}, counted from 0 as stored)"


def drawn(pool: Pool, index: int) -> str:
    """What the model draws, by class."""
    pixels = pool.looks[index].pixels
    shares = {
        name: 100 * number / max(1, sum(pixels))
        for name, number in zip(pool.class_names[1:], pixels[1:], strict=False)
        if number
    }
    if not shares:
        return "the model draws nothing there"
    parts = [f"{name} on {max(share, 0.1):.1f} %" for name, share in shares.items()]
    return f"the model draws {', '.join(parts)} of it"
