"""Strong views: labels go where their pixels go, and padding with them."""

import socket
from pathlib import Path

import pytest
import torch
import torch.multiprocessing as mp

from ecs_med.config import StrongSettings
from ecs_med.data.batches import Normalization
from ecs_med.distributed import process_group, rank, world_size
from ecs_med.types import StrongView
from ecs_med.views import StrongViews

STILL = {"jitter_share": 0, "grey_share": 0, "blur_share": 0}
SHAPES = [(3, 16, 12), (1, 16, 12), (5, 16, 12), (2, 8, 9, 10)]


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def identity(images: torch.Tensor) -> torch.Tensor:
    return images


def views(images: torch.Tensor, valid: torch.Tensor, **settings: object) -> StrongView:
    make = StrongViews(StrongSettings.parse(settings), count=1)
    return make(images, valid, identity)[0]


def everything(*shape: int) -> torch.Tensor:
    return torch.ones(shape, dtype=torch.bool)


@pytest.mark.parametrize("shape", SHAPES)
def test_labels_go_where_their_pixels_go(shape: tuple[int, ...]) -> None:
    labels = torch.randint(0, 5, (6, *shape[1:]))
    images = (labels / 4)[:, None].expand(-1, shape[0], *[-1] * (len(shape) - 1))
    view = views(images, everything(6, *shape[1:]), **STILL, cutmix=0.5)
    assert torch.equal(view.images[:, -1], view.bring(labels) / 4)
    assert view.bring(labels).dtype == torch.int64
    confident = labels > 2
    assert torch.equal(view.bring(confident), view.bring(labels) > 2)
    weights = torch.rand(labels.shape)
    assert set(view.bring(weights).flatten().tolist()) <= set(weights.flatten().tolist())


@pytest.mark.parametrize("zoom", [(1.0, 1.0), (0.4, 0.9)])
@pytest.mark.parametrize("shape", SHAPES)
def test_boxes_come_from_another_image(shape: tuple[int, ...], zoom: tuple[float, float]) -> None:
    numbers = torch.arange(6).view(-1, *[1] * (len(shape) - 1)).expand(-1, *shape[1:])
    images = numbers[:, None].expand(-1, shape[0], *[-1] * (len(shape) - 1)) / 5
    area = (0.2, 0.4)
    view = views(images, everything(6, *shape[1:]), **STILL, cutmix=1, cutmix_area=area, zoom=zoom)
    brought = view.bring(numbers)
    for number, found in enumerate(brought):
        shown = set(found.unique().tolist())
        assert shown <= {number, (number + 1) % 6}
        assert zoom != (1.0, 1.0) or shown == {number, (number + 1) % 6}
    # Where neighbours are of one image, windows are interpolated from it alone.
    agree = (view.images[:, 0] - brought / 5).abs() < 1e-6
    assert agree.double().mean() > (0.75 if len(shape) == 3 else 0.6)
    assert zoom != (1.0, 1.0) or agree.all()


@pytest.mark.parametrize("zoom", [(1.0, 1.0), (0.4, 0.9)])
@pytest.mark.parametrize("shape", SHAPES)
def test_padding_stays_padding_and_darkens_nothing(
    shape: tuple[int, ...], zoom: tuple[float, float]
) -> None:
    torch.manual_seed(0)
    valid = everything(4, *shape[1:])
    valid[0, :5], valid[1, ..., 7:], valid[3] = False, False, False
    images = valid[:, None].expand(-1, shape[0], *[-1] * (len(shape) - 1)).double()
    mixing = {"cutmix": 1, "cutmix_area": (0.3, 0.6), "zoom": zoom}
    view = views(images, valid, **{**STILL, "blur_share": 1}, **mixing)
    brought = view.bring(valid)
    assert brought.dtype == torch.bool
    assert brought[3].any(), "a box of the first image lies in the last one"
    assert not brought[2].all(), "and one of the last image in the third"
    expected = brought[:, None].expand_as(view.images).double()
    torch.testing.assert_close(view.images, expected, rtol=0, atol=1e-12)


def test_views_are_normalised_single_precision_in_channels_last() -> None:
    normalize = Normalization((0.5, 0.4, 0.3), (0.2, 0.3, 0.4))
    images, valid = torch.rand(2, 3, 16, 16).half().float(), everything(2, 16, 16)
    valid[0, :4] = False
    images = images * valid[:, None]
    settings = StrongSettings.parse({**STILL, "cutmix": 0})
    first, second = StrongViews(settings, count=2)(images, valid, normalize)
    expected = normalize(images) * valid[:, None]
    assert first.images.dtype == torch.float32
    assert first.images.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(first.images, expected)
    assert torch.equal(second.images, expected)
    volumes = torch.rand(2, 3, 4, 5, 6)
    (view,) = StrongViews(settings, count=1)(volumes, everything(2, 4, 5, 6), normalize)
    torch.testing.assert_close(view.images[:, 2], (volumes[:, 2] - 0.3) / 0.4)


def test_views_differ_by_their_draws_and_repeat_with_the_seed() -> None:
    images, valid = torch.rand(2, 3, 16, 16), everything(2, 16, 16)
    make = StrongViews(StrongSettings(jitter_share=1), count=2)
    torch.manual_seed(0)
    first, second = make(images, valid, identity)
    torch.manual_seed(0)
    again, _ = make(images, valid, identity)
    assert not torch.equal(first.images, second.images)
    assert torch.equal(first.images, again.images)


@pytest.mark.parametrize("values", [{"zoom": (0, 1)}, {"cutmix_area": (0.5, 0.4)}])
def test_ranges_are_checked(values: dict[str, object]) -> None:
    from ecs_med.errors import SettingsError

    with pytest.raises(SettingsError, match="0 < lowest <= highest <= 1"):
        StrongSettings.parse(values)


def brought_parts() -> dict[str, torch.Tensor]:
    """This process's part of what is made of four images."""
    torch.manual_seed(0)
    images, labels = torch.rand(4, 3, 12, 10).double(), torch.randint(0, 3, (4, 12, 10))
    valid = everything(4, 12, 10)
    valid[1, :3] = False
    rows = slice(rank() * 4 // world_size(), (rank() + 1) * 4 // world_size())
    settings = StrongSettings(cutmix=1, zoom=(0.5, 1), jitter_share=1)
    torch.manual_seed(1)
    view = StrongViews(settings, count=1)(images[rows], valid[rows], identity)[0]
    brought = {"labels": labels, "sure": labels > 0, "weights": images[:, 0]}
    found = {name: view.bring(values[rows]) for name, values in brought.items()}
    return {**found, "images": view.images, "next": torch.rand(3)}


def worker(number: int, port: int, folder: str) -> None:
    import os

    os.environ |= {"RANK": str(number), "LOCAL_RANK": str(number), "WORLD_SIZE": "2"}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    torch.set_num_threads(1)
    with process_group("cpu"):
        torch.save(brought_parts(), Path(folder) / f"{number}.pt")


@pytest.mark.slow
@pytest.mark.skipif(not torch.distributed.is_available(), reason="this PyTorch has none")
def test_two_processes_make_the_views_of_one(tmp_path: Path) -> None:
    alone = brought_parts()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    mp.spawn(worker, (port, str(tmp_path)), nprocs=2)
    parts = [torch.load(tmp_path / f"{number}.pt", weights_only=True) for number in (0, 1)]
    for name, expected in alone.items():
        if name == "next":
            assert all(torch.equal(part[name], expected) for part in parts), "draws go on alike"
            continue
        found = torch.cat([part[name] for part in parts])
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-12, msg=name)
