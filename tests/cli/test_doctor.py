"""`ecs-med doctor` reports what is there and fails only where training would."""

import json
from importlib.metadata import PackageNotFoundError, metadata, version
from pathlib import Path

import pytest

from ecs_med_cli.app import main
from ecs_med_cli.commands import doctor as environment
from ecs_med_cli.commands.doctor import Check, EnvironmentReport, examine_environment
from ecs_med_cli.console import Terminal


def statuses(report: EnvironmentReport) -> dict[str, str]:
    return {check.name: check.status for check in report.checks}


@pytest.mark.slow
def test_json_is_the_only_output_and_training_works_on_cpu(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as end:
        main(["doctor", "--device", "cpu", "--json"])
    assert end.value.code == 0
    report = json.loads(capsys.readouterr().out)
    assert report["works"] is True
    assert report["device"] == "cpu"
    found = {check["name"]: check for check in report["checks"]}
    assert found["torch"]["text"] == version("torch")
    assert found["training step"]["status"] == "ok"


@pytest.mark.slow
def test_device_that_is_not_there_fails_with_a_remedy() -> None:
    report = examine_environment("cuda:77")
    assert not report.works
    assert report.device is None
    (text,) = [check.text for check in report.checks if check.name == "device"]
    assert "use `device=cpu`" in text


def test_missing_package_fails_and_no_device_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    def without_monai(name: str) -> str:
        if name == "monai":
            raise PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(environment, "version", without_monai)
    monkeypatch.setattr(environment, "MODULES", ())
    report = examine_environment("cpu")
    assert statuses(report)["monai"] == "error"
    assert not report.works
    assert report.device is None


def test_build_that_does_not_load_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "MODULES", ("no_such_module_anywhere",))
    report = examine_environment("cpu")
    assert statuses(report)["import no_such_module_anywhere"] == "error"


def test_extras_are_those_of_the_package_and_a_missing_one_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert {check.name for check in environment._extras()} == {
        f"extra {name}" for name in metadata("ecs-med").get_all("Provides-Extra", [])
    }
    monkeypatch.setattr(
        environment, "requires", lambda _: ["torch>=2", 'absent-anywhere>=2; extra == "board"']
    )
    (check,) = environment._extras()
    assert check.status == "warning"
    assert "pip install 'ecs-med[board]'" in check.text


def test_what_other_packages_add_is_named_with_the_package(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    added = tmp_path / "ward_tools-1.0.dist-info"
    added.mkdir()
    (added / "METADATA").write_text("Metadata-Version: 2.1\nName: ward-tools\nVersion: 1.0\n")
    (added / "entry_points.txt").write_text("[ecs_med.layouts]\nward = ward_tools:Ward\n")
    monkeypatch.syspath_prepend(tmp_path)
    found = {check.name: check.text for check in environment._extensions()}
    assert list(found) == ["methods", "networks", "readers", "layouts"]
    assert "ward (ward-tools)" in found["layouts"].split(", ")
    assert "folder" in found["layouts"].split(", ")


def test_warnings_do_not_fail_the_report(capsys: pytest.CaptureFixture[str]) -> None:
    report = EnvironmentReport((Check("free disk", "warning", "1.0 GB"),), "cpu")
    environment.print_environment(report, Terminal())
    assert report.works
    assert "Training works" in capsys.readouterr().out
