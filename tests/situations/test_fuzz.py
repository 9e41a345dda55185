"""Files of every kind, made wrong in hundreds of ways: each is read, or refused in one sentence."""

import gzip
import json
import os
import struct
import tarfile
import time
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch
from fuzz_mutations import attempts, try_one
from fuzz_samples import write_samples

from ecs_med.archives import extract_archive
from ecs_med.config import Preparation, TrainConfig
from ecs_med.data.layout import open_data
from ecs_med.data.readers import read_header, read_scan
from ecs_med.errors import (
    DataError,
    EcsMedError,
    RunFolderError,
    SettingsError,
    UnreadableFileError,
)
from ecs_med.files import regular_file
from ecs_med.inference.storing import load_model
from ecs_med.runs import Metrics, read_history
from ecs_med.tensors import read_tensors, write_tensors
from ecs_med.training.checkpoint import load_checkpoint
from ecs_med_datasets.list_rows import read_rows

NUMBER = 300


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("samples")
    write_samples(folder)
    return folder


def test_wrong_files_of_all_kinds_are_read_or_refused_in_one_sentence(samples, tmp_path):
    bugs = []
    refused = 0
    for attempt in attempts(NUMBER):
        result = try_one(attempt, samples, tmp_path / "wrong")
        refused += result.outcome == "refused"
        if result.outcome == "bug":
            bugs.append((attempt.kind.name, attempt.seed, result.mutation, result.said))
    assert not bugs
    assert NUMBER / 2 < refused < NUMBER  # the generator neither spares nor destroys everything


def copy(samples: Path, folder: str, target: Path) -> Path:
    for path in (samples / folder).rglob("*"):
        if path.is_file():
            copied = target / path.relative_to(samples / folder)
            copied.parent.mkdir(parents=True, exist_ok=True)
            copied.write_bytes(path.read_bytes())
    return target


def changed(path: Path, **values: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def flip_a_bit(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 4
    path.write_bytes(content)


def test_a_flipped_bit_in_weights_is_refused_with_the_remedy(samples, tmp_path):
    run = copy(samples, "model", tmp_path / "run")
    weights = run / "model.safetensors"
    load_model(run, "cpu")
    flip_a_bit(weights, weights.stat().st_size // 2)
    with pytest.raises(
        RunFolderError, match=r"model\.safetensors: .*bytes have changed.*train again or restore"
    ):
        load_model(run, "cpu")


def test_weights_without_a_digest_are_refused(samples, tmp_path):
    from safetensors.torch import load_file, save_file

    run = copy(samples, "model", tmp_path / "run")
    tensors = load_file(run / "model.safetensors")
    save_file(tensors, run / "model.safetensors")
    with pytest.raises(RunFolderError, match=r"model\.safetensors: .*holds no digest"):
        load_model(run, "cpu")


def test_a_flipped_bit_in_a_checkpoint_is_refused(samples, tmp_path):
    run = copy(samples, "checkpoints", tmp_path / "run")
    (newest,) = (run / "checkpoints").glob("*.safetensors")
    flip_a_bit(newest, newest.stat().st_size - 9)
    with pytest.raises(RunFolderError, match=r"iteration-00000005.*bytes have changed.*start anew"):
        load_checkpoint(run / "checkpoints", None)


def test_an_exchanged_number_in_the_metadata_of_a_checkpoint_is_refused(samples, tmp_path):
    run = copy(samples, "checkpoints", tmp_path / "run")
    (newest,) = (run / "checkpoints").glob("*.safetensors")
    content = newest.read_bytes()
    newest.write_bytes(content.replace(b'"iteration":"5"', b'"iteration":"6"'))
    assert newest.read_bytes() != content
    with pytest.raises(RunFolderError, match="bytes have changed"):
        load_checkpoint(run / "checkpoints", None)


def test_digests_cover_every_type_and_cost_little(tmp_path):
    path = tmp_path / "all.safetensors"
    kinds = (torch.float32, torch.bfloat16, torch.float64, torch.int64, torch.uint8, torch.bool)
    tensors = {str(kind): torch.ones(3, 2).to(kind) for kind in kinds}
    tensors |= {"scalar": torch.tensor(2.0), "empty": torch.ones(0, 3)}
    write_tensors(path, tensors, {"word": "é"})
    found, words = read_tensors(path)
    assert words == {"word": "é"}
    assert all(torch.equal(found[name], value) for name, value in tensors.items())
    write_tensors(path, {"w": torch.zeros(4 * 2**20)})
    start = time.perf_counter()
    read_tensors(path)
    assert time.perf_counter() - start < 1  # 16 MB; measured: 0.03 s


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("tile", 1), ("tile", 10**9), ("in_channels", 10**9), ("in_channels", 0), ("crop", 10**9),
        ("mean", []), ("std", [0.5, 0.5, 0.0]), ("presence", 7), ("network_settings", 3),
        ("labels", {"class_names": [f"c{n}" for n in range(10**5)]}), ("labels", 1),
        ("labels", {"class_names": 5}),
        ("preparation", {"min_size": 10**9}), ("preparation", {"max_size": -1}),
        ("preparation", {"window": 1}), ("preparation", {"window": [1, 1]}),
        ("preparation", {"percentiles": [-5, 200]}), ("format", "1"), ("kind", ["picture"]),
    ],
)  # fmt: skip
def test_a_model_that_makes_no_sense_is_refused_before_it_is_built(samples, tmp_path, field, value):
    run = copy(samples, "model", tmp_path / "run")
    changed(run / "model.json", **{field: value})
    start = time.perf_counter()
    with pytest.raises(RunFolderError, match=rf"model\.json: is damaged \({field}|model\.json: "):
        load_model(run, "cpu")
    assert time.perf_counter() - start < 1


def test_an_unknown_encoder_names_the_file_that_asks_for_it(samples, tmp_path):
    run = copy(samples, "model", tmp_path / "run")
    changed(run / "model.json", encoder="0")
    with pytest.raises(SettingsError, match=r"run/model\.json: Unknown encoder '0'"):
        load_model(run, "cpu")


@pytest.mark.parametrize(
    "values",
    [
        {"crop": 10**9}, {"batch": 10**9}, {"tile": 10**9}, {"min_size": 10**9},
        {"max_size": 10**9}, {"workers": 10**9}, {"reading": {"window": 1}},
        {"reading": {"window": [240, -160]}}, {"reading": {"percentiles": [99, 1]}},
        {"reading": {"mask_values": [0, 10**30]}}, {"reading": {"mask_colors": [[0, 0, 900]]}},
    ],
)  # fmt: skip
def test_settings_that_no_machine_can_follow_are_refused_at_once(values):
    with pytest.raises(SettingsError, match=next(iter(values))):
        TrainConfig.parse({"data": "data", **values})


def test_settings_of_every_day_are_kept():
    reading = {"window": [-160, 240], "percentiles": [1, 99], "mask_values": [0, 65535]}
    config = TrainConfig.parse({"data": "d", "crop": 512, "batch": 64, "reading": reading})
    assert config.reading.window == (-160, 240)
    assert Preparation(min_size=512, max_size=1024).min_size == 512


def test_a_wrong_config_names_its_file(tmp_path):
    (tmp_path / "config.json").write_text('{"data": "d", "crop": "wide"}')
    with pytest.raises(SettingsError, match=r"config\.json: crop: .*\(got 'wide'\)"):
        TrainConfig.from_file(tmp_path / "config.json")


def test_a_wrong_value_is_not_quoted_at_length():
    with pytest.raises(SettingsError) as raised:
        TrainConfig.parse({"data": "d", "crop": "x" * 10**6})
    assert len(str(raised.value)) < 500


def make_fifo(path: Path) -> Path:
    os.mkfifo(path)
    return path


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.nii", "a.nii.gz"])
@pytest.mark.parametrize("read", [read_header, read_scan])
def test_a_pipe_named_as_an_image_does_not_wait_for_a_writer(tmp_path, name, read):
    with pytest.raises(UnreadableFileError, match="a pipe or a device, not a file"):
        read([make_fifo(tmp_path / name)])


def test_a_pipe_named_as_a_list_is_told_from_a_list(tmp_path):
    with pytest.raises(DataError, match="it is a pipe or a device, not a file"):
        open_data(make_fifo(tmp_path / "list.csv"))
    with pytest.raises(DataError, match=r"not readable \(it is a pipe"):
        read_rows(make_fifo(tmp_path / "other.csv"))


def test_a_pipe_or_a_device_in_a_run_does_not_wait_or_fill_memory(samples, tmp_path):
    for read, name in ((Metrics.read, "metrics.json"), (read_history, "history.jsonl")):
        with pytest.raises(RunFolderError, match=f"{name}: cannot be read .it is a pipe"):
            read(make_fifo(tmp_path / name))
    run = copy(samples, "model", tmp_path / "run")
    (run / "model.safetensors").unlink()
    (run / "model.safetensors").symlink_to("/dev/zero")
    with pytest.raises(RunFolderError, match=r"model\.safetensors: cannot be read .it is a pipe"):
        load_model(run, "cpu")
    settings = tmp_path / "settings.json"
    settings.symlink_to("/dev/zero")
    with pytest.raises(SettingsError, match=r"settings\.json: cannot be read"):
        TrainConfig.from_file(settings)


def test_a_regular_file_passes_and_a_folder_does_not(tmp_path):
    (tmp_path / "a").touch()
    assert regular_file(tmp_path / "a") == tmp_path / "a"
    with pytest.raises(IsADirectoryError):
        regular_file(tmp_path)


def test_voxels_that_begin_beyond_the_file_are_refused_at_once(tmp_path):
    path = tmp_path / "far.nii.gz"
    noise = np.random.default_rng(0).integers(-900, 900, (256, 256, 90)).astype(np.int16)
    nibabel.Nifti1Image(noise, np.eye(4)).to_filename(path)
    content = bytearray(gzip.decompress(path.read_bytes()))
    content[108:112] = struct.pack("<f", 1e9)
    path.write_bytes(gzip.compress(content, 1))
    assert path.stat().st_size * 1000 > 1e9  # so that the size alone would let it pass
    start = time.perf_counter()
    with pytest.raises(UnreadableFileError, match="puts the voxels at byte 1,000,000,000"):
        read_scan(path)
    assert time.perf_counter() - start < 1


@pytest.mark.parametrize("name", ["set.tar.gz", "set.zip"])
def test_an_archive_cut_anywhere_is_refused(samples, tmp_path, name):
    content = (samples / "archives" / name).read_bytes()
    cut = tmp_path / name
    for length in (*range(1, len(content), 397), *range(len(content) - 20, len(content))):
        cut.write_bytes(content[:length])
        with pytest.raises(UnreadableFileError, match=name.replace(".", r"\.")):
            extract_archive(cut, tmp_path / "out")
    cut.write_bytes(content)
    assert extract_archive(cut, tmp_path / "out") == 5


def test_a_tar_file_whose_middle_is_blank_is_not_taken_for_a_shorter_one(samples, tmp_path):
    source = samples / "archives" / "set.tar"
    with tarfile.open(source) as archive:
        second = archive.getmembers()[1].offset
    content = bytearray(source.read_bytes())
    content[second : second + 1024] = bytes(1024)
    (tmp_path / "blank.tar").write_bytes(content)
    with pytest.raises(UnreadableFileError, match="ends early or is damaged"):
        extract_archive(tmp_path / "blank.tar", tmp_path / "out")


def test_what_a_killed_extraction_left_is_removed_by_the_next(samples, tmp_path):
    from ecs_med.litter import temporary_prefix

    left = tmp_path / (temporary_prefix("out").replace(str(os.getpid()), "999999999") + "x.tmp")
    (left / "unpacked").mkdir(parents=True)
    extract_archive(samples / "archives" / "set.tar", tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_messages_stay_on_one_line_and_command_no_terminal():
    assert str(EcsMedError("a\nb \x1b[31m.")) == "a\\nb \\x1b[31m."


def test_settings_nested_without_end_are_refused_before_a_library_fails(tmp_path):
    path = tmp_path / "config.json"
    path.write_text('{"data": "d", "network_settings": {"a": ' + "[" * 300 + "]" * 300 + "}}")
    with pytest.raises(SettingsError, match=r"config\.json: nested deeper than 32 levels"):
        TrainConfig.from_file(path)
