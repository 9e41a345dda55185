"""TensorBoard event files, through MONAI's handler."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ecs_med.errors import MissingExtraError
from ecs_med.training.trainer import MethodTrainer

__all__ = ["attach_tensorboard"]


def attach_tensorboard(trainer: MethodTrainer, folder: Path) -> None:
    """Write every iteration's losses into `folder`/tensorboard.

    Raises:
        MissingExtraError: If TensorBoard is not installed.
    """
    if find_spec("tensorboard") is None:
        raise MissingExtraError("--tensorboard", "tensorboard")
    from monai.handlers import TensorBoardStatsHandler

    def losses(output: dict[str, Any]) -> dict[str, float]:
        return {name: value.item() for name, value in output["losses"].items()}

    handler = TensorBoardStatsHandler(
        log_dir=str(folder / "tensorboard"), epoch_log=False, output_transform=losses
    )
    handler.attach(trainer)
