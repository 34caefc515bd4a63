"""The shell commands of a page, as its reader would type them."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
WITHOUT_ENV = ("build", "keys", "pipeline")


def commands(page: Path) -> list[str]:
    """Lines of its `sh` blocks."""
    blocks = re.findall(r"^```sh\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)
    return [line for block in blocks for line in block.splitlines() if line.strip() and not line.startswith("#")]


def typed(store: Any, page: str, values: Mapping[str, str] | None = None) -> Iterator[str]:
    """Each command of the page, after it has been carried out; `values` stand for its words in capitals, looked up line by line."""
    for line in commands(ROOT / "runbooks" / f"{page}.md"):
        argv = [(values or {}).get(word, word) for word in shlex.split(line)]
        mine = ["--env", store.name] if argv[0].endswith("release") and argv[1] not in WITHOUT_ENV else []
        done = subprocess.run([*argv, *mine], cwd=ROOT, env=store.environ(), check=False, capture_output=True, text=True, timeout=240)
        assert done.returncode == 0, f"{line}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
        yield line
