"""`train`: one run, from settings to a finished run folder."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from ecs_med.config import TrainConfig
from ecs_med.data.batches import OwnTransform
from ecs_med.distributed import is_main_process, process_group, wait_for_all
from ecs_med.errors import DeviceMemoryError, SettingsError
from ecs_med.files import remedy_of_writing
from ecs_med.memory import kept_heap
from ecs_med.networks.compiling import failure_of_compiling
from ecs_med.training.handlers import check_handlers
from ecs_med.training.interruption import Interruption, StopToken
from ecs_med.training.listener import Listener, NullListener
from ecs_med.training.run import Doors, Run

__all__ = ["train"]

_REMEDY = "free disk space or choose another folder, then go on with `resume`"


def train(
    config: TrainConfig | Mapping[str, Any],
    listener: Listener | None = None,
    *,
    resume: bool = False,
    handlers: Sequence[Any] = (),
    transform: OwnTransform | None = None,
    stop: StopToken | None = None,
) -> Path:
    """Train, choose the best model on validation, test it once, write the report.

    Under `torchrun` the batch is divided among the processes, with the result of one process; the
    first of them validates and writes, and is the only one that `listener` hears.

    Args:
        config: Settings, or a mapping of them.
        listener: Told what happens; `None` for silence.
        resume: Go on with the run of the same folder, to the same end as if it had never stopped.
        handlers: MONAI's or Ignite's, anything with `attach(engine)`; attached to the trainer,
            whose `engine.state.output` `MethodTrainer` describes.
        transform: A dictionary transform of MONAI for whole training slices, before crop and flip:
            `image` `(C, H, W)` in 0..1, `valid` and, for labelled slices, `labels` `(1, H, W)`,
            which are to be transformed by nearest neighbour. Seeded for each sample. To resume,
            the same one is given again.
        stop: A stop token such as `threading.Event`; once set, the run ends after the current
            iteration as by SIGTERM, in any thread.

    Returns:
        The run folder.

    Raises:
        EcsMedError: One of its kinds, for everything that a user can mend.
        TrainingInterrupted: After SIGTERM, Ctrl-C or `stop`, when everything is saved.

    Example:
        >>> import ecs_med
        >>> made = ecs_med.train({**settings, "data": folder, "labeled": "50%", "run": "runs/mine"})
        >>> sorted(path.name for path in made.glob("*.json"))[:3]
        ['config.json', 'data.json', 'manifest.json']
    """
    if not isinstance(config, TrainConfig):
        config = TrainConfig.parse(config)
    check_handlers(handlers)
    with process_group(config.device), remedy_of_writing(_REMEDY), ExitStack() as held:
        if listener is None or not is_main_process():
            listener = NullListener()
        doors = Doors(handlers, transform, held.enter_context(Interruption(stop)), held)
        run = Run(config, listener, doors, resume=resume)
        with _errors_in_words(run.config), kept_heap():
            run.train()
            if is_main_process():
                listener.finished(run.folder.path, run.finish())
            wait_for_all()
    return run.folder.path


@contextmanager
def _errors_in_words(config: TrainConfig) -> Iterator[None]:
    """Running out of memory, or what cannot be compiled, becomes one sentence with the remedy."""
    try:
        yield
    except RuntimeError as error:  # torch.OutOfMemoryError is one, and the CPU has no own
        text = str(error).lower()
        if "out of memory" in text or "can't allocate memory" in text:
            raise DeviceMemoryError(
                f"{config.device} ran out of memory at batch {config.batch} and crop "
                f"{config.crop}; lower `batch` or `crop` (or `max_size`) and start a new run."
            ) from error
        failure = failure_of_compiling(error)
        if failure is not None:
            raise SettingsError(
                f"`compile`: PyTorch cannot compile the networks of this run ({failure}); "
                "start a new run without `compile`."
            ) from error
        raise
