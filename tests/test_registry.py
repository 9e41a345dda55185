"""Plug-ins: found by entry point, refused in one sentence."""

from pathlib import Path

import plugins
import pytest

from ecs_med.errors import SettingsError
from ecs_med.registry import Registry

CODE = """
from pathlib import PurePath

class Left(PurePath):
    name = "left"

class Right(PurePath):
    name = "right"

class Stranger:
    name = "stranger"
"""


@pytest.fixture
def registry() -> Registry[Path]:
    from pathlib import PurePath

    return Registry("ecs_med.sides", "side", PurePath)


def test_classes_of_a_package_are_found(
    registry: Registry[Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert registry.names() == ()
    plugins.install(
        monkeypatch, tmp_path, "sides_found", CODE, sides={"right": "Right", "left": "Left"}
    )
    assert registry.names() == ("left", "right")
    assert registry.get("left").__name__ == "Left"
    assert list(registry.all()) == ["left", "right"]


def test_an_unknown_name_is_refused_with_the_nearest(
    registry: Registry[Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    plugins.install(monkeypatch, tmp_path, "sides_near", CODE, sides={"right": "Right"})
    with pytest.raises(SettingsError, match=r"^Unknown side 'rihgt'; did you mean 'right'\?$"):
        registry.get("rihgt")
    with pytest.raises(SettingsError, match=r"^Unknown side 'x'; known are right\.$"):
        registry.get("x")


@pytest.mark.parametrize(
    ("name", "member", "reason"),
    [
        ("left", "Missing", r"cannot be loaded \(AttributeError: .*Missing.*\)"),
        ("stranger", "Stranger", r"is no PurePath \(sides_bad:Stranger\)"),
        ("other", "Left", r"calls itself 'left' \(sides_bad:Left\)"),
    ],
)
def test_what_cannot_be_used_names_its_package(
    registry: Registry[Path],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    name: str,
    member: str,
    reason: str,
) -> None:
    plugins.install(monkeypatch, tmp_path, "sides_bad", CODE, sides={name: member})
    with pytest.raises(SettingsError, match=rf"'{name}' of the package sides_bad {reason}; mend"):
        registry.get(name)


def test_a_module_that_fails_names_its_package(
    registry: Registry[Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    plugins.install(
        monkeypatch, tmp_path, "sides_broken", "1 / 0", sides={"left": "Left", "right": "Right"}
    )
    with pytest.raises(SettingsError, match=r"package sides_broken cannot be loaded \(ZeroDiv"):
        registry.get("left")


def test_two_packages_with_one_name_are_refused(
    registry: Registry[Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for package in ("sides_one", "sides_two"):
        plugins.install(monkeypatch, tmp_path / package, package, CODE, sides={"left": "Left"})
    with pytest.raises(SettingsError, match="side 'left': sides_one and sides_two; uninstall one"):
        registry.names()


def test_a_class_can_be_registered_in_this_process(registry: Registry[Path]) -> None:
    class Here(Path):
        name = "here"

    assert registry.register(Here) is Here
    assert registry.names() == ("here",)
    assert registry.get("here") is Here
