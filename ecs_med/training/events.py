"""What a run tells whoever listens, without knowing of a terminal."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

__all__ = ["Listener", "Silence"]


class Listener(Protocol):
    """Receives what happens during training, in this order; rows are those of `history.jsonl`."""

    def started(self, plan: Mapping[str, Any]) -> None:
        """Everything is decided; training is about to begin."""

    def preparing(self, done: int, total: int) -> None:
        """`done` of `total` images are decoded and cached."""

    def trained(self, row: Mapping[str, Any]) -> None:
        """Some iterations are done."""

    def validated(self, row: Mapping[str, Any]) -> None:
        """The model was scored on the validation cases."""

    def warned(self, sentence: str) -> None:
        """Something deserves a look."""

    def finished(self, run: Path, metrics: Mapping[str, Any]) -> None:
        """The run folder is complete."""


class Silence:
    """A listener that ignores everything."""

    def started(self, plan: Mapping[str, Any]) -> None:
        """Ignore."""

    def preparing(self, done: int, total: int) -> None:
        """Ignore."""

    def trained(self, row: Mapping[str, Any]) -> None:
        """Ignore."""

    def validated(self, row: Mapping[str, Any]) -> None:
        """Ignore."""

    def warned(self, sentence: str) -> None:
        """Ignore."""

    def finished(self, run: Path, metrics: Mapping[str, Any]) -> None:
        """Ignore."""
