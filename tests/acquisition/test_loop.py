"""Suggest, annotate, train on, suggest again; hidden masks are the annotator."""

import shutil
from pathlib import Path

import pytest

import ecs_med
from ecs_med.acquisition.suggest import suggest
from ecs_med.runs import RunFolder
from ecs_med.splits import SplitDocument
from ecs_med_datasets.phantom import write_phantom

TINY = {
    "method": "supervised",
    "iterations": 4,
    "batch": 2,
    "crop": 32,
    "evaluate_every": 2,
    "encoder": "test_resnet",
    "encoder_weights": "none",
    "device": "cpu",
}


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_two_rounds_from_suggestion_to_suggestion(tmp_path: Path) -> None:
    data, hidden = tmp_path / "data", tmp_path / "hidden"
    write_phantom(tmp_path / "parts", num_images=24, seed=0, size=32)
    # Without parts of its own, so that test cases are drawn from those that have masks.
    for kind in ("images", "masks"):
        (data / kind).mkdir(parents=True)
        for file in sorted((tmp_path / "parts").glob(f"*/{kind}/*.png")):
            shutil.move(file, data / kind / file.name)
    masks = sorted((data / "masks").iterdir())
    hidden.mkdir()
    for mask in masks[10:]:
        shutil.move(mask, hidden / mask.name)
    settings = {**TINY, "data": data, "cache": tmp_path / "cache"}
    run = ecs_med.train({**settings, "run": tmp_path / "round0"})
    first = _split(run)
    assert len(first.ids("unlabeled")) == 14
    held = {*first.ids("validation"), *first.ids("test")}
    labeled = set(first.ids("labeled"))
    for number, by in enumerate(("entropy", "foreground"), start=1):
        report = suggest(data, run, count=3, by=by, output=tmp_path / f"suggestions{number}")
        asked = [one.case for one in report.suggestions]
        assert len(set(asked)) == 3
        assert not set(asked) & (labeled | held)
        for case in asked:
            name = f"{Path(case).name}.png"
            shutil.move(hidden / name, data / "masks" / name)
        # Another seed would draw other test cases, some of which the last round was trained on.
        then = {**settings, "run": tmp_path / f"round{number}", "start_from": run, "seed": number}
        run = ecs_med.train(then)
        split = _split(run)
        labeled |= set(asked)
        assert set(split.ids("labeled")) == labeled
        assert {*split.ids("validation"), *split.ids("test")} == held
        assert split.ids("test") == first.ids("test")
        warnings = RunFolder(run).read_manifest().warnings
        assert not any("was trained on" in warning for warning in warnings)
    assert len(labeled) == len(first.ids("labeled")) + 6
    # A fold tests on masks that were trained on, and it is said.
    crossed = ecs_med.train(
        {**settings, "run": tmp_path / "crossed", "start_from": run, "fold": 0, "folds": 2}
    )
    told = " ".join(RunFolder(crossed).read_manifest().warnings)
    assert "round2: was trained on" in told
    assert "scores come out too high" in told


def _split(run: Path) -> SplitDocument:
    return SplitDocument.read(RunFolder(run).split_file)
