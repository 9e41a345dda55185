"""The benchmark of speed: its timing by a fake clock, registry, results, page, guard, its twins."""

import json
from pathlib import Path

import pytest
import torch
from torch import nn

import bench
from ecs_med.errors import SettingsError
from ecs_med.methods import available_methods
from speed_suite import registry
from speed_suite.guard import MARGINS, Margin, missed, verdict
from speed_suite.literals import LITERALS
from speed_suite.measurements.floor import ByteCounter, count_flops
from speed_suite.page import page
from speed_suite.registry import MEASUREMENTS, Measurement, Options, chosen
from speed_suite.results import Results, Row, compared, single
from speed_suite.steppers import noise, pair
from speed_suite.timing import Spread, in_turns, ratio_of


class Clock:
    """Goes on by what works say that they take."""

    def __init__(self) -> None:
        self.now = 100.0
        self.order: list[str] = []

    def __call__(self) -> float:
        return self.now

    def work(self, name: str, *seconds: float) -> "Work":
        return Work(self, name, list(seconds))


class Work:
    """Takes so long the first time, the second, and so on; then as long as the last time."""

    def __init__(self, clock: Clock, name: str, seconds: list[float]) -> None:
        self.clock, self.name, self.seconds = clock, name, seconds

    def __call__(self) -> None:
        self.clock.order.append(self.name)
        self.clock.now += self.seconds.pop(0) if len(self.seconds) > 1 else self.seconds[0]


def test_works_take_turns_and_the_first_turn_does_not_count() -> None:
    clock = Clock()
    works = {"ours": clock.work("a", 50, 2, 3, 2), "theirs": clock.work("b", 90, 4, 6, 8)}
    found = in_turns(works, repeats=3, clock=clock, wall=clock)
    assert found == {"ours": [2, 3, 2], "theirs": [4, 6, 8]}
    assert clock.order == ["a", "b"] * 4
    assert ratio_of(found["ours"], found["theirs"]).median == 0.5


def test_three_turns_count_however_long_they_take() -> None:
    clock = Clock()
    found = in_turns(
        {"slow": clock.work("s", 40)}, repeats=9, most_seconds=10, clock=clock, wall=clock
    )
    assert found == {"slow": [40, 40, 40]}
    # One that does not count and four that do are begun before 45 seconds are over.
    found = in_turns(
        {"quick": clock.work("q", 10)}, repeats=9, most_seconds=45, clock=clock, wall=clock
    )
    assert found == {"quick": [10] * 4}


def test_the_spread_is_that_of_quartiles() -> None:
    assert Spread.of([4.0, 1.0, 2.0, 3.0, 5.0]) == Spread(median=3, low=2, high=4, count=5)
    assert Spread.of([7.0]) == Spread(median=7, low=7, high=7, count=1)


def test_every_measurement_can_be_loaded_and_says_how_it_measures() -> None:
    fields = set(Options.__dataclass_fields__)
    for measurement in MEASUREMENTS.values():
        _, words = measurement.load()
        assert words.count("\n\n") >= 1
        assert set(measurement.uses) <= fields


def test_measurements_are_chosen_by_name_in_the_order_of_the_page() -> None:
    assert [m.name for m in chosen("step, startup")] == ["startup", "step"]
    assert [m.name for m in chosen(None)] == [*MEASUREMENTS]
    with pytest.raises(SettingsError, match="did you mean 'startup'"):
        chosen("start-up")


ROWS = (
    compared("a step", [1.0, 1.2, 1.4], "literal", [2.0, 2.0, 2.0], limit=0.65, note="same losses"),
    compared("a start", [0.75], "typer", [0.25], limit=0.5, limits="value"),
    single("pictures", [1234.5], "images/s", limit=1000.0, at_least=True),
)


def test_rows_are_judged_by_ratio_value_and_side() -> None:
    assert [row.is_met for row in ROWS] == [True, False, True]
    assert single("no limit", [1.0]).is_met is None


def suite_of_one(monkeypatch: pytest.MonkeyPatch) -> list[Options]:
    """One measurement that gives `ROWS`; the options of each call."""
    asked: list[Options] = []

    class Fixed(Measurement):
        def load(self) -> object:  # type: ignore[override]
            return (lambda options: asked.append(options) or ROWS), "By hand.\n\nMore.\n"

    for place in (registry, bench):
        monkeypatch.setattr(place, "MEASUREMENTS", {"fixed": Fixed("fixed", "Fixed", ("size",))})
    return asked


def test_results_are_kept_until_they_are_asked_for_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    threads, asked = torch.get_num_threads(), suite_of_one(monkeypatch)
    try:
        for words in (["--remark", "Alone."], [], ["--anew"], ["--repeats", "3"], ["--size", "64"]):
            assert bench.main(["--output", str(tmp_path / "out"), *words]) == 0
        assert [options.size for options in asked] == [128, 128, 64]
        assert bench.main(["--output", str(tmp_path), "--only", "nothing"]) == 2
    finally:
        torch.set_num_threads(threads)
    assert "unknown measurement 'nothing'" in capsys.readouterr().err
    stored = json.loads((tmp_path / "out" / "speed.json").read_text())
    assert stored["sections"]["fixed"]["settings"] == {"size": 64}
    results = Results.read(tmp_path / "out" / "speed.json")
    written = (tmp_path / "out" / "speed.md").read_text()
    assert page(results, bench.MEASUREMENTS) == written
    lines = [line for line in written.splitlines() if line.startswith("| Fixed")]
    assert lines == [
        "| Fixed | a step | 1.20 (1.10 to 1.30) s | literal | 2.00 (2.00 to 2.00) s "
        "| 0.600 (0.550 to 0.650) | at most 0.650: met | same losses |",
        "| Fixed | a start | 0.750 s | typer | 0.250 s | 3.00 | at most 0.500 s: **missed** |  |",
        "| Fixed | pictures | 1,234 images/s |  |  |  | at least 1,000 images/s: met |  |",
    ]
    assert "By hand." in written
    assert "\nAlone.\n" in written
    assert results.sections["fixed"].machine in written


def row_with(ratio: float) -> Row:
    return compared("a step", [ratio], "literal", [1.0])


def test_the_guard_names_what_is_missed() -> None:
    most, least = Margin(lambda _: row_with(1), 0.8), Margin(lambda _: row_with(1), 3, True)
    assert verdict(row_with(0.8), most) is None
    sentence = verdict(row_with(0.9), most)
    assert sentence == "a step, against literal: the ratio is 0.90 and should be at most 0.80."
    assert verdict(row_with(3.5), least) is None
    assert "at least 3.00" in (verdict(row_with(2.5), least) or "")


def test_a_ratio_is_missed_when_it_is_missed_twice(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    once, always = iter([0.9, 0.7]), iter([0.9, 0.95])
    margins = [
        Margin(lambda _: row_with(next(once)), 0.8),
        Margin(lambda _: row_with(next(always)), 0.8),
    ]
    [sentence] = missed(margins)
    assert "0.95" in sentence
    for found, code in (([], 0), ([sentence], 1)):
        monkeypatch.setattr(bench, "missed", lambda found=found, **_: found)
        assert bench.main(["--check"]) == code
    assert capsys.readouterr().err == f"bench-check: {sentence}\n"
    assert len(MARGINS) >= 4


@pytest.mark.parametrize("groups", [1, 16])
def test_operations_of_a_convolution_are_those_by_hand(groups: int) -> None:
    layer = nn.Conv2d(16, 16, 3, padding=1, groups=groups, bias=False)
    images = torch.randn(2, 16, 8, 8, requires_grad=True)
    # Two for each weight and pixel; forward, and back to images and to weights.
    by_hand = 3 * 2 * (2 * 64) * 16 * (16 // groups) * 9
    assert count_flops(lambda: layer(images).sum().backward()) == by_hand


def test_bytes_are_those_that_are_read_and_written() -> None:
    left, right = torch.ones(256), torch.ones(16, 16)
    with ByteCounter() as counter:
        left.view(16, 16).add_(right)
    assert counter.num_bytes == 3 * 256 * 4


def test_methods_without_a_literal_step_are_known() -> None:
    assert {*available_methods()} - {*LITERALS} == {
        *("bcp", "corrector", "ecmt", "ecs-plus", "unimatch", "unimatch-v2")
    }


@pytest.mark.parametrize(
    "name",
    [
        name if name == "supervised" else pytest.param(name, marks=pytest.mark.slow)
        for name in LITERALS
    ],
)
def test_twins_have_the_same_losses(name: str) -> None:
    # These two draw and make things in float32 of their own.
    is_single = name in ("advsemiseg", "s4gan+mlmt")
    dtype, tolerance = (torch.float32, 1e-5) if is_single else (torch.float64, 1e-12)
    found = pair(name, noise(2, 64), dropout=False, alike=True, dtype=dtype)
    assert found.literal is not None
    torch.manual_seed(0)
    ours = found.ours()
    torch.manual_seed(0)
    assert ours == pytest.approx(found.literal(), abs=tolerance)
