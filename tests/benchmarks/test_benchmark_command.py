"""`ecs-med benchmark` end to end on miniature data sets: every table beside the paper's."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from miniatures import write_cityscapes, write_voc

from ecs_med_benchmarks.published import select
from ecs_med_cli.app import main

Refused = Callable[..., str]

TINY = (
    *("--encoder", "test_resnet", "--corrector-encoder", "test_resnet"),
    *("--encoder-weights", "none", "--device", "cpu", "--batch", "2"),
    *("--executor", "inline", "--scale", "0.0002", "--seeds", "0"),
)


def benchmark(*arguments: str | Path) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["benchmark", *(str(argument) for argument in arguments)])
    return int(ended.value.code or 0)


@pytest.fixture(scope="module")
def voc(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_voc(tmp_path_factory.mktemp("voc"))


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all tables, so that they share runs as they do for a user."""
    return tmp_path_factory.mktemp("benchmark")


@pytest.mark.slow
@pytest.mark.parametrize("table", ["1", "2", "3", "4"])
def test_every_table_of_voc(
    voc: Path, out: Path, table: str, capsys: pytest.CaptureFixture[str]
) -> None:
    budgets = ("--budgets", "1/4,1") if table == "1" else ("--budgets", "1/4")
    code = benchmark("voc", "--data", voc, "--out", out, "--table", table, *budgets, *TINY)
    printed = capsys.readouterr()
    assert code == 0, printed.err
    assert "TRIAL at scale 0.0002" in printed.out
    document = json.loads((out / "tables" / f"table-{table}.json").read_text())
    assert document["missing"] == []
    assert all(line["num_runs"] == 1 for line in document["lines"])
    paper = {line["label"]: line["published"] for line in document["lines"]}
    if table == "2":
        assert paper["λ = 0.1, cross-entropy"] == 68.39
    elif table == "3":
        assert paper["AdvSemiSeg [14]"] == 70.48
        assert paper["AdvSemiSeg [14], DeepLabv3+ as discriminator"] == 65.83
    for line in document["lines"]:
        if line["published"] is not None:
            assert line["difference"] == pytest.approx(line["miou"] - line["published"])
    assert "TRIAL" in (out / "tables" / f"table-{table}.md").read_text()
    assert "TRIAL" in (out / "tables" / f"table-{table}.tex").read_text()
    page = (out / "benchmark.html").read_text()
    assert f"Table {table}:" in page
    assert "TRIAL at scale" in page


@pytest.mark.slow
def test_table_1_has_every_class_and_a_second_start_trains_nothing(
    voc: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("voc", "--data", voc, "--out", out, "--budgets", "1/4,1", *TINY)
    assert benchmark(*arguments, "--json") == 0
    capsys.readouterr()
    before = {path: path.stat().st_mtime_ns for path in out.glob("runs/*/metrics.json")}
    assert benchmark(*arguments, "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert {p: p.stat().st_mtime_ns for p in out.glob("runs/*/metrics.json")} == before
    (table,) = answer["tables"]
    assert [line["budget"] for line in table["lines"]] == ["1/1", "1/4", "1/4"]
    assert all(len(line["classes"]) == 21 for line in table["lines"])
    with (out / "tables" / "table-1.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["class"] == "aeroplane"]
    assert [float(row["published"]) for row in rows] == [86.99, 84.78, 86.85]
    assert all(row["trial"].startswith("TRIAL") for row in rows)


@pytest.mark.slow
@pytest.mark.parametrize("figure", ["3", "4"])
def test_both_figures_of_voc(
    voc: Path, out: Path, figure: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("voc", "--data", voc, "--out", out, "--budgets", "1/4", "--figure", figure, *TINY)
    assert benchmark(*arguments) == 0, capsys.readouterr().err
    document = json.loads((out / "figures" / f"figure-{figure}.json").read_text())
    assert document["trial"].startswith("TRIAL")
    with (out / "figures" / f"figure-{figure}.csv").open() as file:
        rows = list(csv.DictReader(file))
    if figure == "3":
        losses = {(row["loss"], float(row["class_weight"])) for row in rows}
        assert losses == {(name, w) for name in ("cross_entropy", "focal") for w in (1.0, 2.0)}
        assert all(0 <= float(row["miou"]) <= 1 for row in rows)
    else:
        assert {row["images"] for row in rows} == {"labeled", "unlabeled"}
        assert {row["class"] for row in rows} > {"background", "aeroplane", "all pixels"}
        assert all(-1 <= float(row["rho"]) <= 1 for row in rows if row["rho"])
    assert (out / "figures" / f"figure-{figure}.png").read_bytes().startswith(b"\x89PNG")
    assert f"Figure {figure}:" in (out / "benchmark.html").read_text()
    capsys.readouterr()


@pytest.mark.slow
def test_cityscapes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = write_cityscapes(tmp_path / "cityscapes")
    out = tmp_path / "out"
    assert benchmark("cityscapes", "--data", data, "--out", out, "--budgets", "1/4", *TINY) == 0
    document = json.loads((out / "tables" / "table-1.json").read_text())
    ecs = document["lines"][-1]
    (figure,) = select(table="1", dataset="cityscapes", method="ecs", labeled="1/4", metric="miou")
    assert (ecs["published"], ecs["published_deviation"]) == (figure.value, figure.deviation)
    assert [entry["name"] for entry in ecs["classes"]][:3] == ["road", "sidewalk", "building"]
    capsys.readouterr()


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Refused:
    def ask(*arguments: str | Path) -> str:
        assert benchmark(*arguments) == 2
        return capsys.readouterr().err

    return ask


def test_wrong_use_is_told_in_one_sentence(
    refused: Refused, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ECS_MED_DATA", raising=False)
    assert "did you mean 'cityscapes'?" in refused("cityscape")
    assert "--table 7 does not exist; choose 1, 2, 3 or 4." in refused("voc", "--table", "7")
    assert "--scale is above 0" in refused("voc", "--scale", "0")
    missing = refused("voc", "--data", tmp_path)
    assert "SegmentationClass" in missing
    assert "host.robots.ox.ac.uk" in missing or "thor.robots.ox.ac.uk" in missing
    assert "fetches voc only" in refused("cityscapes", "--download", "--data", tmp_path)
    assert "free account" in refused("cityscapes", "--data", tmp_path)


def test_list_names_every_benchmark(capsys: pytest.CaptureFixture[str]) -> None:
    assert benchmark("list") == 0
    told = capsys.readouterr().out
    for name in ("voc", "cityscapes", "camvid", "kvasir", "cvc-clinicdb", "hippocampus"):
        assert name in told


def test_split_files_are_written_and_read(
    voc: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    splits, out = tmp_path / "splits", tmp_path / "out"
    shared = ("--data", voc, "--out", out, "--budgets", "1/4", *TINY)
    assert benchmark("voc", "--write-splits", splits, *shared) == 0
    (file,) = splits.iterdir()
    assert file.name == "1-4-s0.json"
    other = json.loads(file.read_text())
    chosen = {case["id"] for case in other["cases"] if case["role"] == "labeled"}
    # Somebody else's subset, as a list of names.
    file.unlink()
    names = sorted(c["id"] for c in other["cases"] if c["role"] == "unlabeled")[:3]
    (splits / "1-4-s0.txt").write_text("".join(f"{name}\n" for name in names))
    code = benchmark("voc", "--splits", splits, *shared)
    assert code == 0, capsys.readouterr().err
    run = json.loads((out / "runs" / "ecs-1-4-s0" / "split.json").read_text())
    labeled = {case["id"] for case in run["cases"] if case["role"] == "labeled"}
    assert labeled == set(names) != chosen
    capsys.readouterr()
