"""Training batches alone, beside a training step.

Images per second of one process, of the processor's time: what training gets from `data/`, in turn
with steps of the fastest method (supervised). A ratio of 10 says that loading takes a tenth of
what the step takes. "From the cache" is the usual case: files were decoded and brought to size
before the first step, which is the row of preparing.
"""

from collections.abc import Sequence
from itertools import count

from speed_suite.registry import Options
from speed_suite.results import Row, compared, single
from speed_suite.small_run import SOURCE_SIZE, SmallRun, opened, phantom
from speed_suite.timing import in_turns


def measure(options: Options) -> Sequence[Row]:
    """Preparing, then batches of labelled images, then of all with strong views."""
    with phantom() as folder:
        supervised = opened(folder, "supervised", options.size, options.batch)
        varied = opened(folder, "unimatch", options.size, options.batch)
        wall, processor = supervised.prepare_seconds
        number = supervised.num_prepared
        what = f"preparing {number} pictures of {SOURCE_SIZE} px for {options.size} px"
        note = f"{number / wall:.0f} by the clock, in several threads"
        rows = [single(what, [number / processor], "images/s", note=note)]
        images = options.batch
        rows.append(_row("labelled, from the cache", supervised, supervised, images, options))
        # Labelled, unlabelled, and of these two views.
        what = "labelled and unlabelled with two strong views"
        rows.append(_row(what, varied, supervised, 4 * images, options))
    return rows


def labeled_row(options: Options) -> Row:
    """Batches of labelled images alone."""
    with phantom() as folder:
        run = opened(folder, "supervised", options.size, options.batch)
        return _row("labelled, from the cache", run, run, options.batch, options)


def _row(what: str, run: SmallRun, stepping: SmallRun, images: int, options: Options) -> Row:
    numbers, batch = count(), stepping.batch(0)

    def step() -> None:
        stepping.method.train_mode()
        stepping.method.step(batch)

    seconds = in_turns(
        {"batch": lambda: run.batch(next(numbers)), "step": step},
        repeats=options.repeats,
        most_seconds=options.seconds,
    )
    labeled = len(batch.images)
    rates = [images / taken for taken in seconds["batch"]]
    consumed = [labeled / taken for taken in seconds["step"]]
    share = sum(seconds["batch"]) / sum(seconds["step"])
    note = f"a batch takes {share:.1%} of a supervised step"
    more = {"unit": "images/s", "note": note}
    return compared(what, rates, "supervised step", consumed, **more)
