"""Options: declared once, of settings that exist, said where the engine names a setting."""

import ast
import inspect
import re
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import typer

import ecs_med_cli.commands
from ecs_med.config import Settings, TrainConfig
from ecs_med.errors import SettingsError
from ecs_med_cli import options
from ecs_med_cli.app import COMMANDS, app, main
from ecs_med_cli.commands import train as train_module
from ecs_med_cli.declaration import (
    Given,
    Option,
    in_options,
    installed,
    spoken_by,
    with_installed,
    with_options,
)

GROUP: Any = typer.main.get_command(app)


def declared_in(module: ModuleType) -> list[Option]:
    found: dict[int, Option] = {}
    for value in vars(module).values():
        for each in value if isinstance(value, tuple) else (value,):
            if isinstance(each, Option):
                found[id(each)] = each
    return list(found.values())


def test_every_option_is_declared_once() -> None:
    folder = Path(inspect.getfile(ecs_med_cli.commands)).parent
    files = [Path(options.__file__), *folder.glob("*.py")]
    code = "\n".join(re.sub(r'""".*?"""', "", file.read_text(), flags=re.DOTALL) for file in files)
    flags = Counter(
        flag
        for text in re.findall(r'"((?:-\w |--)[\w -]+)"', code)
        for flag in text.split()
        if flag.startswith("--")
    )
    # `--scale` of a benchmark is its share of iterations and pixels, that of training a zoom;
    # `--to` names formats of results, and what a model is exported as.
    twice = {flag: count for flag, count in flags.items() if count > 1}
    assert twice == {"--scale": 2, "--to": 2}
    known = {
        flag
        for command in GROUP.commands.values()
        for parameter in command.params
        for flag in parameter.opts
        if flag.startswith("--")
    }
    assert known <= flags.keys()


@pytest.mark.parametrize("name", COMMANDS)
def test_results_go_where_output_says(name: str) -> None:
    outputs = {
        parameter.name: set(parameter.opts)
        for parameter in GROUP.commands[name].params
        if {"-o", "--output", "--out"} & set(parameter.opts)
    }
    expected = {"check": None, "train": None, "doctor": None}.get(name, "output")
    assert set(outputs) == ({expected} if expected else set())
    assert all({"-o", "--output"} <= flags for flags in outputs.values())


@pytest.mark.parametrize(
    "option",
    [
        option
        for option in (*declared_in(options), *train_module.WHAT, *train_module.HOW)
        if option.setting or option in (*train_module.WHAT, *train_module.HOW)
    ],
    ids=lambda option: option.flag,
)
def test_settings_of_options_exist(option: Option) -> None:
    if option in options.PLACE:
        return
    settings: type[Settings] = TrainConfig
    *sections, name = (option.setting or option.name).split(".")
    for section in sections:
        annotation = settings.model_fields[section].annotation
        assert isinstance(annotation, type)
        assert issubclass(annotation, Settings)
        settings = annotation
    assert name in settings.model_fields


def test_groups_stand_where_the_signature_has_them() -> None:
    seen: list[Any] = []

    @with_options(group=(Option("--one", int, ""), Option("--two -t", bool, "", "deep.second")))
    def command(*, first: str = "a", group: Given, last: bool = False) -> None:
        seen.append((first, group, last))

    assert list(inspect.signature(command).parameters) == ["first", "one", "two", "last"]
    command(first="b", one=0, two=True, last=True)
    command(first="b", one=None, two=False, last=False)
    assert seen == [("b", {"one": 0, "deep": {"second": True}}, True), ("b", {}, False)]


def test_an_option_with_an_opposite_sets_both_and_is_open_without_either() -> None:
    seen: list[Any] = []

    @with_options(group=(Option("--turn", bool, "", "deep.turn", has_opposite=True),))
    def command(*, group: Given) -> None:
        seen.append(group)

    program = typer.Typer()
    program.command()(command)
    for words in ([], ["--turn"], ["--no-turn"]):
        typer.main.get_command(program).main(words, standalone_mode=False)
    assert seen == [{}, {"deep": {"turn": True}}, {"deep": {"turn": False}}]


@pytest.mark.parametrize(
    ("sentence", "said"),
    [
        ("lower `batch` or `max_size`.", "lower --batch or --max-size."),
        ("use `device=cpu`.", "use --device cpu."),
        ("give `void_values=-1`.", "give --void-values=-1."),
        ("give `mask_colors='#000000,#ffffff'`.", "give --mask-colors '#000000,#ffffff'."),
        ("leave out `resume`; `run` and `flip`.", "leave out --resume; --run and --no-flip."),
        ("see `flip_vertical` and `rotate`.", "see --flip-vertical and --rotate."),
        ("choose another `output`.", "choose another --output."),
        ("see `ecs-med check`.", "see `ecs-med check`."),
        ("`frozen_norm` and `nothing=1` stay.", "`frozen_norm` and `nothing=1` stay."),
    ],
)
def test_settings_are_said_as_options(sentence: str, said: str) -> None:
    commands = [GROUP.commands[name] for name in ("train", "budget")]
    with spoken_by(commands):
        assert in_options(sentence) == said
    assert in_options(sentence) == sentence


def test_errors_of_a_command_name_its_options(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise SettingsError("`batch` is above 8; lower `batch` or `as_json`, not `tile`.")

    monkeypatch.setattr("ecs_med_cli.commands.train.build_config", refuse)
    with pytest.raises(SystemExit) as end:
        main(["train", "--data", str(tmp_path)])
    assert end.value.code == 2
    said = capsys.readouterr().err
    assert said == "ecs-med: --batch is above 8; lower --batch or --json, not `tile`.\n"


def test_help_names_what_is_installed(capsys: pytest.CaptureFixture[str]) -> None:
    assert installed("layouts")["folder"] == "ecs-med"
    assert with_installed("{layouts}; else").startswith("archive, camvid, case_folders, cityscapes")
    assert with_installed("Read by {readers}.") != "Read by {readers}."
    with pytest.raises(SystemExit):
        main(["check", "--help"])
    assert "cityscapes" in capsys.readouterr().out


@pytest.mark.parametrize("package", ["ecs_med", "datasets", "benchmarks/ecs_med_benchmarks"])
def test_the_engine_speaks_of_no_option(package: str) -> None:
    """But for whole commands in backticks, and those of others in blocks of a README."""
    root = Path(__file__).parents[2] / package
    spoken = [
        (path.name, text)
        for path in root.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        for text in re.findall(r"(?:^|[\s`'])(--[a-z][a-z-]+)", _without_commands(node.value))
    ]
    assert spoken == []


def _without_commands(text: str) -> str:
    text = re.sub(r"```bash\n.*?```", "", text, flags=re.DOTALL)
    return re.sub(r"(?:`|\b)(?:ecs-med|torchrun|labelme) [^`]*", "", text)
