"""The packages that js/ needs: exactly what its lock names, fetched once per lock into var/pages."""

from __future__ import annotations

import hashlib
from pathlib import Path

from release.adapters.files import make_once
from release.adapters.node import DECIDE_MODULES, LIMIT_S, install, node_version
from release.home import Home

JS = Path(__file__).parent / "js"


def modules(home: Home) -> Path:
    """Where they are. Raises BuildFailed, with npm's words."""
    key = hashlib.sha256(node_version().encode() + b"".join((JS / name).read_bytes() for name in DECIDE_MODULES)).hexdigest()[:12]
    return make_once(home.var / "pages" / key, LIMIT_S, lambda new: install(JS, new, home)) / "node_modules"
