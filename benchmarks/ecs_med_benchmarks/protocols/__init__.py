"""The protocols, one module a data set."""

from ecs_med.errors import SettingsError
from ecs_med.registry import nearest
from ecs_med_benchmarks.protocol import Protocol
from ecs_med_benchmarks.protocols.camvid import CamVid
from ecs_med_benchmarks.protocols.cityscapes import Cityscapes
from ecs_med_benchmarks.protocols.cvc_clinicdb import CvcClinicDb
from ecs_med_benchmarks.protocols.hippocampus import Hippocampus
from ecs_med_benchmarks.protocols.kvasir import Kvasir
from ecs_med_benchmarks.protocols.voc import Voc

__all__ = [
    "PROTOCOLS",
    "CamVid",
    "Cityscapes",
    "CvcClinicDb",
    "Hippocampus",
    "Kvasir",
    "Voc",
    "protocol_named",
]

PROTOCOLS: dict[str, Protocol] = {
    protocol.name: protocol
    for protocol in (Voc(), Cityscapes(), CamVid(), Kvasir(), CvcClinicDb(), Hippocampus())
}
"""Every protocol by its name."""


def protocol_named(name: str) -> Protocol:
    """The protocol called `name`.

    Raises:
        SettingsError: If there is none; names the nearest.
    """
    if name in PROTOCOLS:
        return PROTOCOLS[name]
    raise SettingsError(f"Unknown benchmark '{name}'; {nearest(name, PROTOCOLS)}")
