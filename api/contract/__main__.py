"""`python -m contract write | check | release`: keeps api/openapi.json, and keeps it from breaking clients of the last release."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime

from contract import files
from contract.allowed import NotUnderstood, complaints, parse
from contract.changes import breaking


def write() -> list[str]:
    """Write api/openapi.json from the code."""
    files.OPENAPI.write_text(files.of_code(), encoding="utf-8")
    return []


def check() -> list[str]:
    """Compare the document with the code, and with that of the last release."""
    return [*_stale(), *_breaking()]


def release() -> list[str]:
    """Make api/openapi.json the document of the last release."""
    faults = _breaking()
    if not faults:
        files.RELEASED.write_bytes(files.OPENAPI.read_bytes())
        files.COMMIT.write_text(files.commit(), encoding="utf-8")
        files.ALLOWED.write_text(files.without_entries(files.ALLOWED.read_text(encoding="utf-8")), encoding="utf-8")
    return faults


def _stale() -> list[str]:
    if files.OPENAPI.exists() and files.OPENAPI.read_text(encoding="utf-8") == files.of_code():
        return []
    return ["api/openapi.json is not the document of the code: `.venv/bin/python -m contract write` renews it"]


def _breaking() -> list[str]:
    changes = breaking(json.loads(files.RELEASED.read_bytes()), json.loads(files.OPENAPI.read_bytes()))
    try:
        return list(complaints(changes, parse(files.ALLOWED.read_text(encoding="utf-8")), datetime.now(UTC).date()))
    except NotUnderstood as fault:
        return [f"api/contract/allowed.yaml: {line}" for line in str(fault).splitlines()]


COMMANDS: dict[str, Callable[[], list[str]]] = {"write": write, "check": check, "release": release}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m contract", description=__doc__)
    parser.add_argument("command", choices=COMMANDS, help="; ".join(f"{name}: {command.__doc__}" for name, command in COMMANDS.items()))
    faults = COMMANDS[parser.parse_args().command]()
    print("\n".join(faults), file=sys.stderr, end="\n" if faults else "")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
