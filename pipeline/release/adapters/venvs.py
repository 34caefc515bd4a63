"""A virtual environment per lock file: releases with the same dependencies share one, and it is there completely or not at all."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

from uv import find_uv_bin

from release import runtime
from release.adapters.files import alone, make
from release.errors import MachineLacks
from release.home import Home

INSTALL_S = 600.0


def venv_for(lock: Path, home: Home) -> Path:
    """Made at first need. Raises MachineLacks when the packages can't be had or do not have the hashes that the lock names."""
    venv = home.venvs / name_for(lock.read_bytes())
    if not _works(venv):
        with alone(venv, INSTALL_S):
            if not _works(venv):
                make(venv, lambda new: _install(lock, new, home))
    return venv


def name_for(lock: bytes) -> str:
    return hashlib.sha256(lock).hexdigest()[:12]


def _works(venv: Path) -> bool:
    """False also where the Python that it was made with has gone."""
    return (venv / "bin" / "python").exists()


def _install(lock: Path, new: Path, home: Home) -> None:
    uv = find_uv_bin()
    environment = {**runtime.inherited(os.environ), "UV_NO_CONFIG": "1"}
    if not os.access(Path.home(), os.W_OK):
        environment.setdefault("UV_CACHE_DIR", str(home.var / "uv-cache"))
    for argv in (runtime.new_venv(uv, sys.executable, new), runtime.install(uv, lock, new)):
        try:
            done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=INSTALL_S, check=False)
        except subprocess.TimeoutExpired:
            raise MachineLacks(f"uv did not end within {INSTALL_S:g} s.", remedy="Is a Python package index reachable?") from None
        if done.returncode != 0:
            raise MachineLacks(
                f"The release's dependencies can't be installed: {done.stderr.strip()}",
                remedy="Is a Python package index reachable? uv's own settings (UV_INDEX_URL and others) apply.",
            )
