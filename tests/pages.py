"""The shell commands of a page, as its reader would type them."""

from __future__ import annotations

import re
from pathlib import Path


def commands(page: Path) -> list[str]:
    """Lines of its `sh` blocks."""
    blocks = re.findall(r"^```sh\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)
    return [line for block in blocks for line in block.splitlines() if line.strip() and not line.startswith("#")]
