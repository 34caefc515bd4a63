"""Bring the locked dependencies into .venv: `python3 requirements/setup.py tools|containers|dev`. Needs Python >= 3.11 and its venv module, nothing else."""

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
BIN = VENV / "bin"
PURPOSES = ("tools", "containers", "dev")  # each brings what those before it bring


def main(purpose: str) -> None:
    if sys.version_info < (3, 11):  # noqa: UP036 - the user may have named an older one
        fail(f"Python 3.11 or newer is needed, this is {sys.version.split()[0]}.", "Name another: `make setup PYTHON=python3.13`.")
    started_s = time.monotonic()
    print(f"setup: bringing in the locked dependencies ({purpose}) ...", flush=True)
    env = {**os.environ, "VIRTUAL_ENV": str(VENV), "UV_NO_CONFIG": "1"}
    env.pop("PYTHONDONTWRITEBYTECODE", None)  # compiled once is several times faster at each later start
    if not os.access(Path.home(), os.W_OK):
        env.setdefault("UV_CACHE_DIR", str(ROOT / "var" / "uv-cache"))
        env["PIP_NO_CACHE_DIR"] = "1"
    if not (BIN / "uv").exists():
        run(
            [sys.executable, "-m", "venv", "--clear", str(VENV)],
            env,
            "Python's venv module is needed (on Debian and Ubuntu: the package python3-venv).",
        )
        run(
            [str(BIN / "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check", "--require-hashes", "-r", lock("bootstrap")],
            env,
        )
    uv = str(BIN / "uv")
    run([uv, "pip", "sync", "-q", "--require-hashes", lock(purpose)], env)
    members = [part for name in ("api", "pipeline", "drills") for part in ("-e", str(ROOT / name))]
    run([uv, "pip", "install", "-q", "--no-deps", "--no-build-isolation", *members], env)
    for stamp in PURPOSES[: PURPOSES.index(purpose) + 1]:
        (VENV / f"{stamp}.stamp").touch()
    took_s = time.monotonic() - started_s
    (VENV / "setup_s").write_text(f"{took_s:.1f}")  # `make drill` reports it once
    print(f"setup: done in {took_s:.1f} s", flush=True)


def lock(name: str) -> str:
    return str(ROOT / "requirements" / f"{name}.lock")


def run(
    argv: list[str], env: dict[str, str], remedy: str = "Is a Python package index reachable? pip's and uv's own settings apply."
) -> None:
    if subprocess.run(argv, env=env, check=False).returncode != 0:
        fail(f"`{' '.join(argv[:4])} ...` failed.", remedy)


def fail(what: str, remedy: str) -> None:
    raise SystemExit(f"setup: {what}\n  next: {remedy}\n  page: runbooks/setup.md")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "tools")
