"""Files of weights: safetensors with a digest, so that a flipped bit is not taken for a number."""

from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from ecs_med.files import regular_file, write_atomically

__all__ = ["read_tensors", "write_tensors"]

_DIGEST = "digest"


def write_tensors(
    path: Path, tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str] | None = None
) -> None:
    """Write a safetensors file with a digest of all of it; errors as `write_atomically`."""
    contiguous = {key: value.detach().cpu().contiguous() for key, value in tensors.items()}
    words = dict(metadata or {})
    words[_DIGEST] = _digest(contiguous, words)

    def write(temporary: Path) -> None:
        try:
            save_file(contiguous, temporary, metadata=words)
        except SafetensorError as error:
            raise OSError(str(error)) from error

    write_atomically(path, write)


def read_tensors(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """Read a file that `write_tensors` wrote, whole, and hold it against its digest.

    Returns:
        Tensors by name, and the metadata.

    Raises:
        OSError: If it is missing, unreadable, or no ordinary file.
        ValueError: If it is damaged, or was not written by `write_tensors`; in a few words.
    """
    try:
        with safe_open(regular_file(path), framework="pt") as file:
            words: dict[str, str] = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, TypeError, OverflowError) as error:
        raise ValueError(" ".join(str(error).split())[:200]) from error
    kept = words.pop(_DIGEST, None)
    if kept != _digest(tensors, words):
        raise ValueError("it holds no digest" if kept is None else "its bytes have changed")
    return tensors, words


def _digest(tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str]) -> str:
    """Of names, types, shapes, bytes and metadata; a gigabyte takes about two seconds."""
    digest = blake2b(repr(sorted(metadata.items())).encode(), digest_size=16)
    for key, value in sorted(tensors.items()):
        digest.update(f"{key} {value.dtype} {tuple(value.shape)} ".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
