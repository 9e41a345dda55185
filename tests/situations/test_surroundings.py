"""What a program meets around its data: encodings, names, permissions, pipes, killed neighbours."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image
from situations.inputs_state import TINY, add_picture, command, ended, write_model

from ecs_med.data.readers import read_scan
from ecs_med.errors import RunFolderError, SettingsError, UnreadableFileError
from ecs_med.files import cache_folder, write_text
from ecs_med.inference.predict import predict_files
from ecs_med.inference.storing import load_model
from ecs_med.litter import clear_litter, temporary_file, temporary_prefix
from ecs_med.records import Record
from ecs_med.runs import RunFolder
from ecs_med.splits import SplitDocument
from ecs_med.training.train import train
from ecs_med.types import Case
from ecs_med_cli.app import main
from ecs_med_cli.streams import lasting_streams

LATIN = os.fsdecode(b"caf\xe9")


@pytest.fixture
def data(tmp_path) -> Path:
    """Eight pictures with their masks, one of them named in Chinese, one in bytes of Latin-1."""
    names = ["图像", LATIN, *"abcdef"]
    for index, name in enumerate(names):
        add_picture(tmp_path / "data" / "images" / f"{name}.png", 90 + index)
        mask = add_picture(tmp_path / "data" / "masks" / f"{name}.png", 0)
        Image.open(mask).save(mask)
    return tmp_path / "data"


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "latin-1"])
def test_cp1252_pipe_and_other_narrow_encodings(data, encoding):
    Path(data / "images" / "图像2.png").write_bytes((data / "images" / "a.png").read_bytes())
    code, out, err = ended("check", data, "--json", PYTHONIOENCODING=encoding)
    assert (code, err) == (0, b"")
    paths = [problem["path"] for problem in json.loads(out)["problems"]]
    assert str(data / "images" / "图像2.png") in paths


def test_cp1252_pipe_of_a_table(data):
    (data / "images" / "图像2.png").write_bytes(b"damaged")
    code, out, _ = ended("check", data, PYTHONIOENCODING="cp1252")
    assert code == 2
    assert rb"images/\u56fe\u50cf2.png" in out


def test_names_that_are_no_utf8_go_through_training_and_prediction(data, tmp_path):
    run = train({**TINY, "data": data, "run": tmp_path / "run"})
    split = SplitDocument.read(RunFolder(run).split_file)
    assert r"images/caf\xe9" in split.roles()
    report = predict_files(load_model(run), data / "images", tmp_path / "out")
    assert (tmp_path / "out" / f"{LATIN}.png").is_file()
    written = json.loads(json.dumps(report.to_json()))["written"]
    assert str(tmp_path / "out" / f"{LATIN}.png") in written.values()
    again = predict_files(load_model(run), data / "images", tmp_path / "out", skip_existing=True)
    assert not again.written


def test_ids_are_printable_and_stay_apart():
    cases = [Case(name, (Path(name),)) for name in (LATIN, "café", "cafe\u0301")]
    assert [case.id for case in cases] == [r"caf\xe9", "café", "cafe\u0301"]
    assert cases[0].images == (Path(LATIN),)


def test_a_record_of_such_a_path_is_read_back(tmp_path):
    class Note(Record):
        path: Path

    Note(path=Path(LATIN)).write(tmp_path / "note.json")
    assert Note.read(tmp_path / "note.json").path == Path(LATIN)


def test_a_run_folder_that_is_no_utf8_is_refused_before_training(data, tmp_path):
    with pytest.raises(RunFolderError, match="has a name that is no UTF-8"):
        train({**TINY, "data": data, "run": tmp_path / LATIN})


@pytest.fixture
def forbid(monkeypatch):
    """Let files refuse to be opened, which they do not for the superuser."""

    def install(forbidden: Path) -> None:
        import builtins
        import io

        really = io.open

        def open_(file, *words, **options):
            if isinstance(file, str | Path) and Path(file) == forbidden:
                raise PermissionError(13, "Permission denied", str(file))
            return really(file, *words, **options)

        monkeypatch.setattr(builtins, "open", open_)
        monkeypatch.setattr(io, "open", open_)

    return install


def test_a_permission_is_not_called_damage(tmp_path, forbid):
    run = write_model(tmp_path / "run")
    forbid(RunFolder(run).weights_file)
    with pytest.raises(RunFolderError, match=r"cannot be read \(Permission denied\); check"):
        load_model(run)
    picture = add_picture(tmp_path / "a.png")
    forbid(picture)
    with pytest.raises(UnreadableFileError, match=r"cannot be opened \(Permission denied\); check"):
        read_scan(picture)
    settings = tmp_path / "settings.json"
    settings.write_text("{}")
    forbid(settings)
    from ecs_med.config import read_settings

    with pytest.raises(SettingsError, match=r"cannot be read \(Permission denied\); check"):
        read_settings(settings)


def test_a_checkpoint_that_may_not_be_read_is_not_passed_over(tmp_path, forbid):
    from ecs_med.training.checkpoint import load_checkpoint

    newest = tmp_path / "iteration-00000002.safetensors"
    newest.touch()
    (tmp_path / "iteration-00000001.safetensors").touch()
    forbid(newest)
    with pytest.raises(RunFolderError, match=r"0002\.safetensors: cannot be read"):
        load_checkpoint(tmp_path, None)


def test_a_reader_that_leaves_does_not_end_the_work(tmp_path):
    run = write_model(tmp_path / "run")
    for name in "abc":
        add_picture(tmp_path / "in" / f"{name}.png")
    words = command("predict", tmp_path / "in", "--model", run, "-o", tmp_path / "out")
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        said = process.stderr.read()
    assert (process.returncode, said) == (0, b"")
    assert sorted(path.name for path in (tmp_path / "out").glob("*.png")) == [
        "a.png",
        "b.png",
        "c.png",
    ]


def test_streams_that_were_closed_before_the_program_began(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    with lasting_streams():
        sys.stdout.write("nothing")
    assert sys.stdout is None


def test_no_home_and_no_entry_for_the_user(monkeypatch, tmp_path):
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)

    def no_home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", no_home)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert cache_folder("prepared").is_relative_to(tmp_path)


def hears_signals(process: int) -> bool:
    """Whether it has a handler for SIGTERM by now."""
    status = Path(f"/proc/{process}/status").read_text()
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught.split()[1], 16) >> (signal.SIGTERM - 1) & 1)


def test_being_asked_to_end_is_no_death_by_a_signal(tmp_path):
    for index in range(400):
        add_picture(tmp_path / "data" / "images" / f"{index}.png", size=256)
    words = command("check", tmp_path / "data")
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        while not hears_signals(process.pid):
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        said = process.stderr.read()
    assert (process.returncode, said) == (130, b"ecs-med: interrupted.\n")


# Litter.


def dead_process() -> int:
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitpid(child, 0)
    return child


def litter(folder: Path, process: int, machine: str | None = None, age: float = 0.0) -> Path:
    """A temporary file as a process leaves it that is killed while writing."""
    folder.mkdir(parents=True, exist_ok=True)
    begin, end = temporary_prefix("a.png").split(f"-{os.getpid()}-")
    if machine is not None:
        begin = f"{begin[:-8]}{machine}"
    path = folder / f"{begin}-{process}-x1_y2z3w{end}.tmp"
    path.write_bytes(b"half a picture")
    os.utime(path, (time.time() - age,) * 2)
    return path


def test_litter_of_killed_processes_goes_and_that_of_others_stays(tmp_path):
    day = 24 * 3600.0
    gone = litter(tmp_path, dead_process())
    running = litter(tmp_path, os.getppid())
    elsewhere = litter(tmp_path, 1, machine="0" * 8)
    forgotten = litter(tmp_path, 2, machine="0" * 8, age=2 * day)
    mine = tmp_path / "mine.tmp"
    mine.touch()
    clear_litter(tmp_path, tmp_path / "nowhere")
    assert sorted(tmp_path.iterdir()) == sorted([running, elsewhere, mine])
    assert not gone.exists()
    assert not forgotten.exists()


def test_writing_into_a_folder_clears_it(tmp_path):
    left = litter(tmp_path, dead_process())
    write_text(tmp_path / "a.txt", "whole")
    assert not left.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_a_killed_writer_leaves_what_the_next_one_removes(tmp_path):
    code = (
        "import os, signal, sys; from pathlib import Path\n"
        "from ecs_med.litter import temporary_file\n"
        "with temporary_file(Path(sys.argv[1]), 'model.safetensors'):\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert len(list(tmp_path.iterdir())) == 1
    with temporary_file(tmp_path, "model.safetensors") as ours:
        assert list(tmp_path.iterdir()) == [ours]


def test_litter_is_no_result_no_picture_and_no_checkpoint(tmp_path):
    run = write_model(tmp_path / "run")
    picture = add_picture(tmp_path / "in" / "a.png")
    left = litter(tmp_path / "out", dead_process())
    in_input = litter(tmp_path / "in", os.getppid())
    in_checkpoints = litter(RunFolder(run).checkpoints, os.getppid())
    predict_files(load_model(run), tmp_path / "in", tmp_path / "out", skip_existing=True)
    assert not left.exists()
    assert in_input.exists()
    assert (tmp_path / "out" / picture.name).is_file()
    assert RunFolder(run).checkpoint_files() == []
    assert in_checkpoints.exists()


def test_litter_goes_when_a_run_is_started_again_and_from_the_cache(data, tmp_path):
    settings = {**TINY, "data": data, "run": tmp_path / "run", "cache": tmp_path / "cache"}
    left = [
        litter(tmp_path / folder, dead_process()) for folder in ("run/checkpoints", "run", "cache")
    ]
    train(settings)
    assert not any(path.exists() for path in left)
    assert not list((tmp_path / "cache").rglob("*.tmp"))


@pytest.mark.parametrize("place", ["images", "masks"])
def test_a_pipe_among_the_data_is_named_and_never_waited_for(tmp_path, place, capsys):
    for index in range(3):
        add_picture(tmp_path / "images" / f"{index}.png")
        add_picture(tmp_path / "masks" / f"{index}.png")
    (tmp_path / place / "1.png").unlink()
    os.mkfifo(tmp_path / place / "1.png")
    with pytest.raises(SystemExit) as ended:
        main(["check", str(tmp_path), "--json"])
    assert ended.value.code == 2
    told = json.loads(capsys.readouterr().out)["problems"]
    path = str(tmp_path / place / "1.png")
    (message,) = {problem["message"] for problem in told if problem["path"] == path}
    assert "it is a pipe or a device, not a file" in message
