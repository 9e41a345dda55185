"""What `ecs_med` offers: these names and no others, each with an example that runs."""

import inspect
import subprocess
import sys

import pytest

import ecs_med
from ecs_med import errors

NAMES = [
    *("Batch", "BudgetError", "Case", "CaseCollection", "DataError", "EcsMedError", "Layout"),
    *("Method", "Model", "Network", "Reader", "RunFolderError", "Scan", "Settings"),
    *("SettingsError", "SomeInputsFailed", "StepResult", "TrainConfig", "TrainingInterrupted"),
    *("budget", "draw_split", "evaluate", "examine", "load_model", "open_data", "predict"),
    *("read_scan", "segment", "train"),
]


def test_the_names() -> None:
    assert ecs_med.__all__ == NAMES
    assert set(NAMES) <= set(dir(ecs_med))
    assert all(callable(getattr(ecs_med, name)) for name in NAMES)


@pytest.mark.parametrize("name", [name for name in NAMES if not hasattr(errors, name)])
def test_each_has_an_example(name: str) -> None:
    found = getattr(ecs_med, name)
    documentation = inspect.getdoc(getattr(found, "budget", found))
    assert documentation is not None
    assert ">>> " in documentation


def test_an_unknown_name_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        _ = ecs_med.trian  # type: ignore[attr-defined]


def test_budget_is_called_and_holds_the_draw_of_a_split() -> None:
    from ecs_med.budget import draw_split

    assert ecs_med.budget.draw_split is draw_split is ecs_med.draw_split  # type: ignore[attr-defined]
    with pytest.raises(ecs_med.SettingsError, match="Name `data`"):
        ecs_med.budget()


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = "import sys, ecs_med; print({'torch', 'monai', 'numpy', 'pydantic'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
