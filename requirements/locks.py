"""Renew every lock from its .in file, in the order in which they constrain each other: `make locks`."""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
UV = Path(sys.executable).parent / "uv"
OPTIONS = ["--universal", "--generate-hashes", "--no-emit-index-url", "--no-header", "--python-version", "3.11", "--no-config", "-q"]

for name in ("bootstrap", "api", "tools", "containers", "dev"):
    subprocess.run([UV, "pip", "compile", *OPTIONS, *sys.argv[1:], f"{name}.in", "-o", f"{name}.lock"], cwd=HERE, check=True)
    print(f"{name}.lock")
