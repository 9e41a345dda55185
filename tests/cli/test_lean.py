"""Commands spare what MONAI takes along, and all of it can be had afterwards."""

import subprocess
import sys

SCRIPT = """
import sys
from ecs_med_cli.lean import sparing_imports
with sparing_imports():
    import ecs_med.training.train
heavy = ("matplotlib", "pandas", "pydicom", "scipy.signal", "tensorboard")
assert not [name for name in heavy if name in sys.modules]
import matplotlib.pyplot, pandas, pydicom, scipy.signal
from torch.utils.tensorboard import SummaryWriter
from monai.handlers import TensorBoardStatsHandler
from monai.transforms import RandFlipd, SavitzkyGolaySmooth
"""


def test_spared_libraries_are_there_later() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
