"""Names of methods, classes, cases and files, warnings and settings: shown, never acted upon."""

import csv
import io
import json
import re
import shutil
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image
from rich.console import Console
from sweep_folders import METHODS, SweepSpec, fail, write_run, write_sweep

from ecs_med.config import TrainConfig
from ecs_med.names import as_cell, file_name, visible
from ecs_med.reporting.plots import draw_for_page, is_picture
from ecs_med.reporting.run.gallery import GalleryItem, write_gallery
from ecs_med.reporting.run.report import write_report
from ecs_med.reporting.sweep.report import write_budget_report
from ecs_med.reporting.table import Column, PrintedTable, Table
from ecs_med.runs import Failure, RunFolder
from ecs_med.sweep.plan import cell_name
from ecs_med.training.resolve import default_run_folder
from ecs_med_benchmarks.documents import FigureDocument
from ecs_med_benchmarks.page import write_page
from ecs_med_cli.app import main
from ecs_med_cli.console import Terminal, plain_table
from ecs_med_cli.progress import ProgressDisplay

LIVE = '"><img src=x onerror=alert(1)>'
HOSTILE = (
    LIVE,
    "</title></style></svg><script>alert(1)</script>",
    "$x^2$ $\\frac{",
    'font-family: "url(#a) id="b" href="#c" d="0.123456" #010101',
    "{{ 7 * 7 }}{% raw %}",
    "\x1b[2J\x00\x07\u202e[red]",
)
KEPT = {
    *("labeled", "asked", "started", "finished", "time", "format", "role", "unit"),
    *("encoder", "corrector_encoder", "precision"),
}
"""Keys of values that are no free text: budgets, times, words of a fixed set."""


class Structure(HTMLParser):
    """The elements of a page with the names of their attributes, and its text."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.elements, self.texts = [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, sorted(name for name, _ in attrs)))

    def handle_endtag(self, tag):
        self.elements.append((f"/{tag}", []))

    def handle_data(self, data):
        self.texts.append(data)


def poisoned(value, words, keep=False):
    """Every free text of a record with `words` in front, so that names stay apart and in order."""
    if isinstance(value, dict):
        return {k: poisoned(v, words, keep or k in KEPT) for k, v in value.items()}
    if isinstance(value, list):
        return [poisoned(v, words, keep) for v in value]
    return words + value if isinstance(value, str) and not keep else value


def poison(folder, words, *names):
    """Rewrite records of a run folder, those that readers take in their poisoned form."""
    for name in names:
        path = folder / name
        if path.exists():
            content = json.loads(path.read_text(encoding="utf-8"))
            path.write_text(json.dumps(poisoned(content, words)), encoding="utf-8")


def poison_run(folder, words):
    poison(folder, words, "manifest.json", "metrics.json", "test_cases.json", "failure.json")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    for key in ("data", "device", "encoder"):
        config[key] = words + str(config.get(key))
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    split = json.loads((folder / "split.json").read_text(encoding="utf-8"))
    for key in ("notes", "warnings"):
        split[key] = poisoned(split.get(key, []), words)
    for case in split["cases"]:
        case["id"] = words + case["id"]
    (folder / "split.json").write_text(json.dumps(split), encoding="utf-8")
    for gallery in folder.glob("*/gallery.json"):
        content = json.loads(gallery.read_text(encoding="utf-8"))
        content["class_names"] = poisoned(content["class_names"], words)
        for entry in content["items"]:
            entry["case_id"] = words + entry["case_id"]
        gallery.write_text(json.dumps(content), encoding="utf-8")
    history = folder / "history.jsonl"
    rows = [json.loads(line) for line in history.read_text(encoding="utf-8").splitlines()]
    for row in rows:
        if "losses" in row:
            row["losses"] = {words + name: value for name, value in row["losses"].items()}
    history.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")


def gallery_items(words):
    for index in range(3):
        image = np.full((24, 30, 3), 60 * index, np.uint8)
        labels = np.zeros((24, 30), np.uint8)
        labels[4:12, 5 : 15 + index] = 1
        yield GalleryItem(
            case_id=f"{words}test/{index}",
            image=image,
            reference=labels,
            prediction=np.roll(labels, index, 1),
            scores={"foreground_dice": index / 3},
        )


SMALL = SweepSpec(budgets=("1/16", "1/4", "1/2"), seeds=(0, 1), num_samples=1, num_test=6)


@pytest.fixture(scope="module")
def benign(tmp_path_factory):
    """A small sweep, one of whose runs has failed, and the structure of its two reports."""
    out = tmp_path_factory.mktemp("benign")
    folders = sorted(write_sweep(out, SMALL))
    fail(folders[-1])
    write_gallery(folders[1], gallery_items(""), SMALL.class_names)
    page = write_budget_report(out / "report", folders).read_text(encoding="utf-8")
    write_report(folders[1])
    return out, Structure(page), Structure(RunFolder(folders[1]).report_file.read_text("utf-8"))


@pytest.fixture(scope="module", params=range(len(HOSTILE)))
def reports(request, benign, tmp_path_factory):
    """The same with hostile words in front of every text of every record."""
    words = HOSTILE[request.param]
    out = shutil.copytree(benign[0], tmp_path_factory.mktemp("hostile") / "sweep")
    shutil.rmtree(out / "report")
    folders = [out / "runs" / path.name for path in sorted((out / "runs").iterdir())]
    for folder in folders:
        poison_run(folder, words)
    write_budget_report(out / "report", folders)
    write_report(folders[1])
    return words, out, folders


def test_a_method_in_the_sweep_report_is_text(reports, benign):
    words, out, _ = reports
    page = Structure((out / "report/budget.html").read_text(encoding="utf-8"))
    assert page.elements == benign[1].elements
    assert visible(words) in "".join(page.texts)


def test_every_text_of_a_run_report_is_text(reports, benign):
    words, _, folders = reports
    page = Structure(RunFolder(folders[1]).report_file.read_text(encoding="utf-8"))
    assert page.elements == benign[2].elements
    assert visible(words) in "".join(page.texts)


def test_figures_are_xml_and_lie_in_their_folder(reports):
    _, out, _ = reports
    figures = list((out / "report/figures").glob("*.svg"))
    assert len(figures) >= 4
    for path in figures:
        assert re.fullmatch(r"[\w.+-]+", path.name), path.name
        tags = {element.tag.split("}")[-1] for element in ElementTree.parse(path).iter()}
        assert tags <= {"svg", "metadata", "defs", "style", "g", "path", "use", "text", "tspan"} | {
            *("clipPath", "rect", "RDF", "Work", "title", "date", "format", "type", "Agent"),
            "creator",
        }
    assert {p.name for p in out.parent.iterdir()} == {"sweep"}
    assert {p.name for p in out.iterdir()} == {"runs", "report"}


def test_tables_for_papers_hold_no_markup_of_a_name(reports):
    _, out, _ = reports
    markdown = (out / "report/tables/paper.md").read_text(encoding="utf-8")
    assert "<" not in markdown
    assert not re.search(r"(?<!\\)[`|]", re.sub(r"^\| | \| | \|$", "", markdown, flags=re.M))
    latex = (out / "report/tables/paper.tex").read_text(encoding="utf-8")
    assert "\x1b" not in latex + markdown
    body = [line for line in latex.splitlines() if not line.startswith("%")]
    assert r"\frac" not in "\n".join(body)


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=HYPERLINK(1)", "'=HYPERLINK(1)"),
        ("+1+1", "'+1+1"),
        ("-2+3", "'-2+3"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\tx", "'\tx"),
        ("\rx", "\\rx"),
        ("-0.5", "-0.5"),
        ("+1e-3", "+1e-3"),
        ("polyp", "polyp"),
        ("a=b", "a=b"),
    ],
)
def test_a_csv_cell_is_no_formula(text, cell):
    assert as_cell(text) == cell
    table = Table("t", "T", (Column("name"), Column("value")), ({"name": text, "value": -0.5},))
    (row,) = csv.DictReader(io.StringIO(table.to_csv(), newline=""))
    assert row == {"name": cell, "value": "-0.5"}


@pytest.mark.parametrize(
    "text",
    [
        *(
            "../../../evil",
            "/etc/passwd",
            "C:\\evil",
            "CON",
            "con.txt",
            "nul",
            "",
            ".",
            "...",
            "a/b",
        ),
        *("x" * 5000, "ä" * 300, "name\x00", "\udcff", ".hidden", "-rf", "new\nline", "a\u202eb"),
    ],
)
def test_a_file_name_stays_in_its_folder(tmp_path, text):
    folder = tmp_path / "inside"
    folder.mkdir()
    name = file_name(text)
    (folder / f"{name}.png").write_bytes(b"x")
    assert [p.name for p in folder.iterdir()] == [f"{name}.png"]
    assert [p.name for p in tmp_path.iterdir()] == ["inside"]
    assert re.fullmatch(r"[\w+][\w.+-]*", name) or name.startswith("+")
    assert len(name.encode()) <= 120
    assert name.split(".")[0].lower() not in ("con", "nul")


def test_ordinary_file_names_stay_and_others_never_meet():
    assert file_name("kvasir-seg-ecs-12.5pct-s0") == "kvasir-seg-ecs-12.5pct-s0"
    assert file_name("Prüfung_1+2") == "Prüfung_1+2"
    assert file_name("a-b", distinct=True) == "a-b"
    assert len({file_name(text, distinct=True) for text in ("a/b", "a b", "a-b", "a?b")}) == 4


def test_markdown_and_latex_show_names_as_they_are():
    table = PrintedTable(("*a*", "[x](http://y)"), (("<b>|`c`", r"\input{/etc/passwd}"),))
    heading, _, row = table.to_markdown().splitlines()
    assert heading == r"| \*a\* | \[x\](http\://y) |"
    assert row == r"| &lt;b&gt;\|\`c\` | \\input{/etc/passwd} |"
    assert r"\textbackslash{}input\{/etc/passwd\}" in table.to_latex("50 %\n\\input{evil}")
    assert not any(
        line.startswith(r"\input") for line in table.to_latex("a\n\\input{b}").split("\n")
    )


def test_a_stored_figure_is_taken_only_if_it_does_nothing_but_draw():
    drawn = draw_for_page("f", lambda figure, pen: figure.text(0.5, 0.5, LIVE), LIVE)
    assert is_picture(drawn)
    assert Structure(drawn).elements[0][0] == "svg"
    for bad in (
        drawn.replace("<g", '<g onload="alert(1)"', 1),
        drawn.replace("</svg>", "<script>alert(1)</script></svg>"),
        drawn.replace("</svg>", '<a href="javascript:alert(1)"></a></svg>'),
        drawn.replace("</svg>", '<use href="http://x/y.svg#a"/></svg>'),
        drawn.replace("</svg>", '<path style="fill: url(http://x)"/></svg>'),
        drawn.replace("</svg>", "<image/></svg>"),
        drawn + LIVE,
        '<!DOCTYPE svg [<!ENTITY a "b">]>' + drawn,
        "",
    ):
        assert not is_picture(bad), bad[-80:]


def test_names_in_a_figure_change_nothing_around_them():
    def tags(name):
        drawn = draw_for_page("f", lambda figure, pen: figure.text(0.5, 0.5, name), "alt")
        return [element.tag for element in ElementTree.fromstring(drawn).iter()], drawn

    assert tags("font-family:")[0] == tags("ECS")[0]
    assert "#010101 url(#a)" in tags("#010101 url(#a)")[1]


NAMES = ("\x1b[2Jgone", "[red]x[/red]", "[/]", "[bold", "a\x07b\u202e", ":heart:", "[link=x]", "\\")


@pytest.mark.parametrize("name", NAMES)
def test_the_terminal_shows_names_and_obeys_none(name, capsys, monkeypatch):
    terminal = Terminal()
    terminal.console = Console(force_terminal=True, width=200, color_system="truecolor")
    terminal.say(f"run {name} done")
    table = plain_table("method", name, title=name)
    table.add_row(name, "1.0")
    terminal.show(table)
    terminal.complain(name)
    told = capsys.readouterr()
    # What rich itself writes to a terminal are colours alone.
    seen = re.sub(r"\x1b\[[\d;]*m", "", told.out)
    assert seen.count(visible(name)) == 4
    assert visible(name) in told.err
    assert not re.search(r"[\x07\x1b\u202e]", seen)


@pytest.mark.parametrize("name", NAMES)
def test_the_progress_of_training_shows_names(name, capsys):
    display = ProgressDisplay(Console(width=200))
    display.warned(f"class {name} is rare")
    assert f"class {visible(name)} is rare" in capsys.readouterr().out


def test_check_and_errors_show_file_names(tmp_path, capsys):
    folder = tmp_path / "data"
    bad = "a\x1b[2J[red]b"
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True)
        for index in range(4):
            pixels = np.full((40, 40), (index * 40 if kind == "images" else index % 2), np.uint8)
            pixels[:20] = 0
            Image.fromarray(pixels).save(folder / kind / f"{index}.png")
    (folder / "images" / f"{bad}.png").write_bytes(b"no picture")
    (folder / "masks" / f"{bad}.png").write_bytes(b"no picture")
    with pytest.raises(SystemExit) as end:
        main(["check", str(folder)])
    assert end.value.code == 2
    told = capsys.readouterr().out
    assert "\x1b[2J" not in told
    assert "[2J[red]b" in "".join(told.split())
    with pytest.raises(SystemExit):
        main(["predict", str(tmp_path / bad), "--model", str(tmp_path / "none\x1b[2J")])
    assert "\x1b" not in capsys.readouterr().err


def test_a_failed_run_with_a_hostile_sentence_and_name(tmp_path, benign):
    out = shutil.copytree(benign[0], tmp_path / "sweep")
    folders = sorted((out / "runs").iterdir())
    bad = out / "runs" / "<img src=x onerror=alert(1)> =1+1"
    folders[-1].rename(bad)
    Failure(sentence="=cmd|' /C calc'!A0", exit_code=2, time="2026-01-02T03:04:05+00:00").write(
        bad / "failure.json"
    )
    report = write_budget_report(out / "report", [*folders[:-1], bad])
    assert Structure(report.read_text(encoding="utf-8")).elements == benign[1].elements
    written = (out / "report/tables/failures.csv").read_text(encoding="utf-8")
    (row,) = csv.DictReader(io.StringIO(written, newline=""))
    assert row["reason"] == "'=cmd|' /C calc'!A0"


@pytest.mark.parametrize("words", [*HOSTILE, "../../../", "/abs/"])
def test_case_ids_name_no_file_of_a_gallery(tmp_path, words):
    run = tmp_path / "run"
    run.mkdir()
    write_gallery(run, gallery_items(words), ("background", words))
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    names = {path.name for path in (run / "gallery").iterdir()} - {"gallery.json"}
    assert all(re.fullmatch(r"\d{3}-[a-z]+\.png|\.ecs-med-outputs", name) for name in names)


def test_methods_whose_names_look_alike_keep_figures_of_their_own(tmp_path):
    """`a/b` and `a-b`, which once had one file."""
    facts = {
        name: METHODS[kind].model_copy(update={"name": name, "short_name": name})
        for name, kind in (("a/b", "supervised"), ("a-b", "ecs"))
    }
    spec = SweepSpec(
        methods=tuple(facts), budgets=("1/8", "1/4"), num_samples=0, num_test=6, facts=facts
    )
    folders = []
    for index, name in enumerate(facts):
        for labeled in spec.budgets:
            folder = tmp_path / "runs" / f"{index}-{labeled.replace('/', '-')}"
            write_run(folder, spec, method=name, labeled=labeled, seed=0, miou=0.6)
            folders.append(folder)
    write_budget_report(tmp_path / "report", folders)
    figures = [path.name for path in (tmp_path / "report/figures").glob("classes-*.svg")]
    assert len(figures) == 3
    assert "classes-a-b.svg" in figures


def test_a_run_folder_named_by_a_hostile_data_set_stays_below_runs():
    config = TrainConfig.parse({"data": "x", "method": "ecs", "labeled": "10%", "seed": 0})
    folder = default_run_folder(config, "../../../evil\x1b[2J")
    assert folder.parts == ("runs", "evil-2J-ecs-10pct-s0")
    assert cell_name("ecs", "1/8", 3) == "ecs-1-8-s3"


def test_scores_of_evaluate_hold_no_formula(tmp_path):
    """`evaluate` writes case ids of the data into cases.csv."""
    from ecs_med.inference.evaluation_run import write_evaluation

    class Report:
        class evaluation:  # noqa: N801
            @staticmethod
            def rows():
                return [{"case": "=1+1", "dice": -0.5}]

        @staticmethod
        def to_dict():
            return {}

    write_evaluation(Report(), tmp_path / "out")
    assert (tmp_path / "out/cases.csv").read_text(encoding="utf-8") == "case,dice\n'=1+1,-0.5\n"


def test_a_figure_of_a_benchmark_that_brings_more_than_a_drawing_is_text(tmp_path):
    drawn = draw_for_page("f", lambda figure, pen: figure.text(0.5, 0.5, LIVE), LIVE)

    def page(picture):
        FigureDocument(
            number="3",
            title=LIVE,
            dataset=LIVE,
            trial=None,
            deviations=(LIVE,),
            remarks=(LIVE,),
            caption=LIVE,
            picture=picture,
            rows=(),
        ).write(tmp_path / "figures" / "figure-3.json")
        return Structure(write_page(tmp_path, LIVE).read_text(encoding="utf-8"))

    (tmp_path / "figures").mkdir()
    tags = [tag for tag, _ in page(drawn).elements]
    assert "svg" in tags
    assert not {"img", "script"} & set(tags)
    tags = [tag for tag, _ in page(drawn + LIVE).elements]
    assert not {"svg", "img", "script"} & set(tags)
