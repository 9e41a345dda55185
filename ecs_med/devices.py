"""Choosing device and precision."""

import torch

from ecs_med.errors import SettingsError

__all__ = ["autocast_dtype", "choose_device", "describe_device", "memory_format"]


def choose_device(name: str) -> torch.device:
    """The device to run on.

    Args:
        name: `auto` (CUDA, then MPS, then CPU), `cpu`, `cuda`, `cuda:N`, `mps`.

    Raises:
        SettingsError: If it is unknown or not there.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise SettingsError(
            f"Unknown device '{name}'; use auto, cpu, cuda, cuda:N or mps."
        ) from None
    if device.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (device.index or 0) >= count:
            raise SettingsError(
                f"`device={name}`: this machine offers {count} CUDA devices to PyTorch; use "
                "`device=cpu`, or check the driver with `ecs-med doctor`."
            )
    elif device.type == "mps" and not torch.backends.mps.is_available():
        raise SettingsError("`device=mps`: there is no Apple GPU here; use `device=cpu`.")
    elif device.type not in ("cpu", "cuda", "mps"):
        raise SettingsError(f"`device={name}` is not supported; use auto, cpu, cuda or mps.")
    return device


def autocast_dtype(precision: str, device: torch.device) -> torch.dtype | None:
    """Precision of forward passes.

    Args:
        precision: `auto` (bf16 on a GPU that computes in it), `fp32`, `bf16`.
        device: Where it is to run.

    Returns:
        `torch.bfloat16`, or `None` for float32.
    """
    if precision == "auto":
        fast = device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0)
        return torch.bfloat16 if fast else None
    return torch.bfloat16 if precision == "bf16" else None


def describe_device(device: torch.device) -> dict[str, str | int]:
    """Name, memory and threads, for the manifest."""
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        return {
            "type": "cuda",
            "name": properties.name,
            "memory_mb": properties.total_memory // 2**20,
        }
    return {"type": device.type, "threads": torch.get_num_threads()}


def memory_format(values: torch.Tensor) -> torch.memory_format:
    """In which order images, or weights of convolutions, are faster in memory.

    Channels last; but volumes on a GPU, where that was not measured, stay as they are.

    Args:
        values: `(B, C, H, W)` or `(B, C, D, H, W)`.
    """
    if values.ndim == 4:
        return torch.channels_last
    is_volume_on_cpu = values.ndim == 5 and values.device.type == "cpu"
    return torch.channels_last_3d if is_volume_on_cpu else torch.contiguous_format
