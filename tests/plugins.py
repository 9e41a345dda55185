"""Packages for a test, installed by no more than their metadata and one module."""

from pathlib import Path

import pytest

__all__ = ["install"]


def install(
    monkeypatch: pytest.MonkeyPatch, folder: Path, package: str, code: str, **groups: dict[str, str]
) -> None:
    """Put a package on `sys.path`.

    Args:
        monkeypatch: Takes it away again.
        folder: Where it is written.
        package: Its name, and that of its one module.
        code: The module.
        groups: Class by name, by entry-point group without the prefix `ecs_med.`.
    """
    metadata = folder / f"{package}-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    lines = []
    for group, members in groups.items():
        lines.append(f"[ecs_med.{group}]")
        lines += [f"{name} = {package}:{member}" for name, member in members.items()]
    (metadata / "entry_points.txt").write_text("\n".join(lines))
    (folder / f"{package}.py").write_text(code)
    monkeypatch.syspath_prepend(folder)
