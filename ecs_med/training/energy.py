"""Energy of a run, where the GPU counts it."""

import torch

__all__ = ["EnergyMeter"]

_MILLIJOULES_PER_WATT_HOUR = 3.6e6


class EnergyMeter:
    """Reads the energy counter of an NVIDIA GPU, which covers everything that runs on it.

    The counter needs the package `nvidia-ml-py` and a GPU of the Volta generation or later; without
    them there is no figure, and never an error.

    Args:
        device: Where the run trains.
        before_wh: What the run has used before it was resumed; `None` if that was not counted.
    """

    def __init__(self, device: torch.device, before_wh: float | None = 0.0) -> None:
        self._device = device
        self._before_wh = before_wh
        self._first = _read_counter(device)

    def watt_hours(self) -> float | None:
        """Energy since the meter was made and before, in Wh; `None` where it is not counted."""
        last = _read_counter(self._device)
        if self._first is None or last is None or self._before_wh is None:
            return None
        return self._before_wh + (last - self._first) / _MILLIJOULES_PER_WATT_HOUR


def _read_counter(device: torch.device) -> int | None:
    """Millijoules since the driver was loaded."""
    if device.type != "cuda":
        return None
    try:
        import pynvml

        pynvml.nvmlInit()
        uuid = f"GPU-{torch.cuda.get_device_properties(device).uuid}"
        handle = pynvml.nvmlDeviceGetHandleByUUID(uuid.encode())
        return int(pynvml.nvmlDeviceGetTotalEnergyConsumption(handle))
    except Exception:  # A missing package, an older GPU, a driver without the call.
        return None
