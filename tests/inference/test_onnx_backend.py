"""Networks that ONNX Runtime computes, against the networks themselves; and how graphs are kept."""

import json
import shutil
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import torch
from agreement import assert_agree
from PIL import Image
from torch import nn

import ecs_med
from ecs_med.config import Preparation
from ecs_med.data.masks.label_scheme import LabelScheme
from ecs_med.errors import MissingExtraError, SettingsError
from ecs_med.files import cache_folder
from ecs_med.inference import graph_cache, graphs, storing
from ecs_med.inference import model as model_module
from ecs_med.inference.graph_networks import GraphCopies
from ecs_med.inference.model import Model
from ecs_med.inference.predictor import segment
from ecs_med.networks import Initialization, build_corrector, build_segmenter, tracing
from ecs_med.networks.classifier import build_classifier
from ecs_med.networks.mask_corrector import MaskCorrector
from ecs_med.runs import ModelSpec, RunFolder
from ecs_med_cli.app import main

SHARED = Path(__file__).parents[3] / "shared" / "data"
KINDS = ("mask", "network", "classifier")
"""What stands beside the segmenter."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not all(find_spec(name) for name in ("onnxruntime", "onnxscript")),
        reason="onnxruntime or onnxscript is not installed",
    ),
]


def saved(run: Path, kind: str) -> Path:
    """A run whose networks have random weights that give several classes."""
    torch.manual_seed(3)
    is_volume = kind == "network"
    encoder = "tf_efficientnet_lite0" if kind == "mask" else "test_resnet"
    channels = 1 if is_volume else 3
    spec = ModelSpec(
        method="supervised" if kind == "classifier" else "ecs", corrects=kind == "mask",
        labels=LabelScheme(class_names=("background", "one", "two")), preparation=Preparation(),
        kind="volume" if is_volume else "picture", in_channels=channels, mean=(0.4,) * channels,
        std=(0.3,) * channels, encoder=encoder, context=int(is_volume), tile=64, crop=32,
        corrector=None if kind == "classifier" else kind, initialization="none",
        corrector_encoder=encoder if is_volume else None,
        presence=0.5 if kind == "classifier" else None,
    )  # fmt: skip
    first, seen = Initialization(encoder, "none"), spec.network_channels
    segmenter = build_segmenter(first, in_channels=seen, num_classes=3)
    corrector: nn.Module | None = None
    if kind == "mask":
        corrector = MaskCorrector(segmenter, seen, 3)
    elif is_volume:
        corrector = build_corrector(first, in_channels=seen, num_classes=3)
    classifier = None
    if kind == "classifier":
        classifier = build_classifier(first, in_channels=seen, num_classes=3)
    for network in filter(None, (segmenter, corrector, classifier)):
        for weights in network.parameters():
            if weights.ndim == 4:  # random networks say one class everywhere
                nn.init.kaiming_normal_(weights)
    with torch.no_grad():
        found = segmenter.eval()(torch.rand(1, seen, 64, 64)).transpose(0, 1).flatten(1)
        [p for p in segmenter.parameters() if p.shape == (3,)][-1].sub_(found.mean(1))
    run.mkdir(parents=True)
    parts = {"device": torch.device("cpu"), "run": run, "classifier": classifier}
    storing.save_model(Model(spec, segmenter, corrector, **parts))
    return run


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Runs by kind, each with its graphs."""
    made: dict[str, Path] = {}

    def run(kind: str) -> Path:
        if kind not in made:
            made[kind] = saved(tmp_path_factory.mktemp("onnx") / "runs" / kind, kind)
            told: list[str] = []
            ecs_med.load_model(made[kind], "cpu", backend="onnx", tell=told.append)
            assert told == ["making ONNX graphs of the model, once: up to a minute"]
        return made[kind]

    return run


@pytest.fixture
def kept(runs: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of a run with its graphs, of which new ones are made at once."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    run = Path(shutil.copytree(runs("mask"), tmp_path / "runs" / "copy"))
    tensors, _ = graph_cache.read_tensors(RunFolder(run).graphs_file)
    content = {name: values.numpy().tobytes() for name, values in tensors.items()}
    monkeypatch.setattr(graph_cache, "make_graphs", lambda *_: content)
    return run


def plain(run: Path) -> Model:
    """The same model, computed by its networks as they are."""
    found = ecs_med.load_model(run, "cpu")
    return Model(
        found.spec, found.segmenter, found.corrector, device=found.device, run=run,
        classifier=found.classifier,
    )  # fmt: skip


def told_of(run: Path) -> list[str]:
    """What loading it tells."""
    told: list[str] = []
    ecs_med.load_model(run, "cpu", backend="onnx", tell=told.append)
    return told


def inputs(run: Path, folder: Path) -> list[Path]:
    """Two pictures of odd sides and a small one, or a volume."""
    random, paths = np.random.default_rng(0), []
    folder.mkdir(exist_ok=True)
    if ecs_med.load_model(run, "cpu").spec.kind == "volume":
        values = random.random((45, 37, 5)).astype(np.float32)
        nibabel.save(nibabel.Nifti1Image(values, np.diag([1.0, 1.0, 3.0, 1.0])), folder / "v.nii")
        return [folder / "v.nii"]
    for sides in ((45, 70), (33, 129), (20, 20)):
        paths.append(folder / f"{sides[0]}.png")
        pixels = random.integers(0, 256, (*sides, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(paths[-1])
    return paths


def assert_same(run: Path, path: Path, *, corrector: bool) -> np.ndarray[Any, Any]:
    """Labels equal but where two classes tie, certainty within 1e-5; gives the labels."""
    model = ecs_med.load_model(run, "cpu", backend="onnx")
    found, expected = (segment(m, path, certainty=corrector) for m in (model, plain(run)))
    assert (found.labels != expected.labels).mean() < 1e-5  # of the small ones not a single one
    if corrector:
        assert found.certainty is not None
        assert abs(found.certainty - expected.certainty).max() < 1e-5
        assert (found.correction != expected.correction).mean() < 1e-5
    return found.labels


@pytest.mark.parametrize("kind", KINDS)
def test_labels_and_certainty_are_those_of_the_networks(
    runs: Callable[[str], Path], kind: str, tmp_path: Path
) -> None:
    run, seen = runs(kind), set()
    for path in inputs(run, tmp_path / "in"):
        labels = assert_same(run, path, corrector=kind != "classifier")
        seen |= set(np.unique(labels).tolist())
    assert len(seen) > 1


def test_the_graphs_are_what_is_computed(runs: Callable[[str], Path]) -> None:
    model = ecs_med.load_model(runs("mask"), "cpu", backend="onnx")

    def never(*_: Any) -> torch.Tensor:
        raise AssertionError

    for network in model.networks().values():
        network.forward = never
    logits, judged = model.logits_and_judgement(torch.rand(2, 3, 40, 64))
    assert (logits.shape, judged.shape) == ((2, 3, 40, 64), (2, 4, 40, 64))


def test_large_pictures_go_in_rows_of_tiles(
    runs: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_module, "LARGE_VALUES", 1)
    assert_same(runs("mask"), inputs(runs("mask"), tmp_path / "in")[1], corrector=True)


def test_graphs_are_made_once(runs: Callable[[str], Path]) -> None:
    assert RunFolder(runs("network")).graphs_file.is_file()
    assert told_of(runs("network")) == []


@pytest.mark.parametrize("fault", ["truncated", "flipped", "empty", "of other weights", "old"])
def test_graphs_that_do_not_match_are_made_anew(
    kept: Path, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert told_of(kept) == []
    path = RunFolder(kept).graphs_file
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    if fault == "of other weights":
        model = ecs_med.load_model(kept, "cpu")
        model.segmenter.load_state_dict({k: v + 1 for k, v in model.segmenter.state_dict().items()})
        storing.save_model(model)
    elif fault == "old":
        monkeypatch.setattr(graph_cache, "version", lambda _: "0.0.1")
    else:
        cut = {"truncated": content[:1000], "flipped": content, "empty": b""}
        path.write_bytes(cut[fault])
    assert len(told_of(kept)) == 1
    assert told_of(kept) == []


def test_graphs_that_the_runtime_cannot_load_are_made_anew(kept: Path) -> None:
    path = RunFolder(kept).graphs_file
    tensors, words = graph_cache.read_tensors(path)
    graph_cache.write_tensors(path, {name: t[:500] for name, t in tensors.items()}, words)
    assert len(told_of(kept)) == 1
    assert told_of(kept) == []


def test_beside_a_run_that_cannot_be_written_the_users_cache_holds_them(kept: Path) -> None:
    path = RunFolder(kept).graphs_file
    path.unlink()
    path.mkdir()  # even root cannot write there
    assert len(told_of(kept)) == 1
    assert len(list(cache_folder("graphs").iterdir())) == 1
    assert told_of(kept) == []
    shutil.rmtree(cache_folder("graphs"))
    cache_folder("graphs").touch()
    assert [len(told_of(kept)) for _ in range(2)] == [1, 1]


def test_networks_that_were_changed_are_computed_themselves(
    runs: Callable[[str], Path],
) -> None:
    model = ecs_med.load_model(runs("mask"), "cpu", backend="onnx")
    slices = torch.rand(1, 3, 64, 64)
    first, _ = model.logits_and_judgement(slices)
    assert model.corrector is not None
    with torch.no_grad():
        for weights in model.corrector.parameters():
            weights.mul_(1.1)
    logits, judged = model.logits_and_judgement(slices)
    expected = Model(
        model.spec, model.segmenter, model.corrector, device=model.device, run=model.run
    )
    torch.testing.assert_close(logits, first, rtol=0, atol=1e-4)
    torch.testing.assert_close(judged, expected.correct(slices, logits), rtol=0, atol=1e-4)


def test_a_graph_of_other_values_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def other(network: nn.Module, *given: Any, **named: Any) -> Any:
        return tracing.traced(nn.Sequential(network, nn.Hardtanh(-0.1, 0.1)), *given, **named)

    networks = {"segmenter": nn.Conv2d(1, 2, 3, padding=1).eval()}
    good = graphs.make_graphs(networks, 1, 2)
    images = torch.rand(3, 1, 32, 64)
    found = GraphCopies(networks, good).of(networks["segmenter"], images)(images)
    torch.testing.assert_close(found, networks["segmenter"](images).detach())
    monkeypatch.setattr(graphs, "traced", other)
    with pytest.raises(SettingsError, match="graph of the segmenter gives other values"):
        graphs.make_graphs(networks, 1, 2)


class Moody(nn.Conv2d):
    """What it gives depends on what it is shown in a way that no graph has."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return super().forward(images) * (1 if float(images.sum()) > 0 else 2)


def test_a_network_without_a_graph_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"segmenter cannot be written as ONNX.*leave out"):
        graphs.make_graphs({"segmenter": Moody(1, 2, 1).eval()}, 1, 2)


def test_what_is_missing_is_named(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing, "find_spec", lambda name: None if name == "onnxruntime" else 1)
    with pytest.raises(MissingExtraError, match=r"pip install 'ecs-med\[onnx\]'"):
        ecs_med.load_model(kept, "cpu", backend="onnx")


def test_backends_and_devices_that_are_none(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match="Unknown backend 'tvm'; use torch or onnx"):
        ecs_med.load_model(kept, "cpu", backend="tvm")
    monkeypatch.setattr(storing, "choose_device", lambda _: torch.device("cuda"))
    with pytest.raises(SettingsError, match=r"on the CPU, and the device is cuda; use `device=cpu"):
        ecs_med.load_model(kept, backend="onnx")


def test_predict_on_the_command_line(
    kept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def ended(*words: object) -> object:
        with pytest.raises(SystemExit) as end:
            main(["predict", *map(str, words), "--model", str(kept), "--device", "cpu"])
        return end.value.code

    paths = inputs(kept, tmp_path / "in")
    RunFolder(kept).graphs_file.unlink()
    out, other = tmp_path / "out", tmp_path / "other"
    assert ended(*paths, "--backend", "onnx", "-o", out, "--json", "--certainty") == 0
    shown = capsys.readouterr()
    assert len(json.loads(shown.out)["written"]) == 3
    assert shown.err.startswith("making ONNX graphs of the model, once")
    assert ended(*paths, "-o", other) == 0
    for path in paths:
        assert (out / path.name).read_bytes() == (other / path.name).read_bytes()
    capsys.readouterr()
    assert ended(*paths, "--backend", "tvm") == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_patches_of_volumes_are_refused(
    kept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = json.loads(RunFolder(kept).spec_file.read_text())
    spec |= {"spatial_dims": 3, "patch": [32, 32, 32], "network": "unet3d", "encoder": None}
    spec |= {"kind": "volume", "corrector": None, "corrects": False}
    (run := tmp_path / "runs" / "volumes").mkdir()
    first = Initialization("unet3d", "network")
    network = build_segmenter(first, in_channels=3, num_classes=3, network="unet3d")
    storing.save_model(
        Model(ModelSpec.model_validate(spec), network, None, device=torch.device("cpu"), run=run)
    )
    words = ["predict", str(tmp_path), "--model", str(run), "--device", "cpu", "--backend", "onnx"]
    with pytest.raises(SystemExit) as end:
        main(words)
    assert end.value.code == 2
    assert "sees patches of volumes; leave out --backend" in capsys.readouterr().err


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared data is not there")
def test_predictions_of_real_pictures(runs: Callable[[str], Path]) -> None:
    for path in sorted((SHARED / "kvasir-seg" / "validation" / "images").iterdir())[:3]:
        model = ecs_med.load_model(runs("mask"), "cpu", backend="onnx")
        assert_agree(model, plain(runs("mask")), path)
