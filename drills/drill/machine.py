"""What else the machine did: a number measured on a busy machine says so."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass, field
from typing import Any

import psutil


@dataclass
class Machine:
    """From its making until `describe`."""

    load_before: float = field(default_factory=lambda: os.getloadavg()[0])

    def __post_init__(self) -> None:
        psutil.cpu_percent()  # the next call measures from here

    def describe(self) -> dict[str, Any]:
        return {
            "cpus": os.cpu_count(),
            "cpu_busy_pct": psutil.cpu_percent(),
            "load_1m_before": round(self.load_before, 2),
            "load_1m_after": round(os.getloadavg()[0], 2),
            "system": f"{platform.system()} {platform.release()} {platform.machine()}",
            "python": platform.python_version(),
        }
