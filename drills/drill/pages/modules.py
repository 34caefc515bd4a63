"""The packages that js/ needs: exactly what its lock names, fetched once per lock into var/pages."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from release.adapters.files import alone, make
from release.adapters.node import LIMIT_S, node_version, npm
from release.home import Home

JS = Path(__file__).parent / "js"
DECIDE = ("package.json", "package-lock.json", ".npmrc")


def modules(home: Home) -> Path:
    """Where they are. Raises BuildFailed, with npm's words."""
    key = hashlib.sha256(node_version().encode() + b"".join((JS / name).read_bytes() for name in DECIDE)).hexdigest()[:12]
    target = home.var / "pages" / key
    if not target.is_dir():
        with alone(target, LIMIT_S):
            if not target.is_dir():
                make(target, lambda new: _install(new, home))
    return target / "node_modules"


def _install(new: Path, home: Home) -> None:
    new.mkdir(parents=True)
    for name in DECIDE:
        shutil.copyfile(JS / name, new / name)
    npm(
        ("ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"),
        new,
        home,
        "Is an npm registry reachable? npm's own settings apply.",
    )
