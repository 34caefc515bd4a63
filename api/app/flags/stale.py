"""`python -m app.flags.stale [FILE] [--today DATE] [--json]`: flags whose time has come, in a file of definitions (default: db/flags.json).

Exit status 1 where there are any, 65 where the file holds no good definitions; for a stage of the pipeline.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from app.flags import definitions

SHIPPED = Path(__file__).parents[3] / "db" / "flags.json"
EXIT_STALE, EXIT_BAD = 1, 65  # EX_DATAERR of sysexits.h


def report(flags: Mapping[str, Any], today: date) -> dict[str, str]:
    """Why each stale flag is stale. A file does not know since when a flag has been as it is: only its expiry counts."""
    why = {key: definitions.why_stale(flag, None, today) for key, flag in flags.items()}
    return {key: because for key, because in sorted(why.items()) if because is not None}


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m app.flags.stale", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("file", nargs="?", type=Path, default=SHIPPED, help="in flagd's form (default: db/flags.json)")
    parser.add_argument("--today", type=date.fromisoformat, default=datetime.now(UTC).date(), metavar="DATE", help="as in 2027-05-31")
    parser.add_argument("--json", action="store_true", help="for programs")
    asked = parser.parse_args(words)
    try:
        flags = _read(asked.file)
    except (OSError, ValueError) as fault:
        print(f"{asked.file}: {fault}", file=sys.stderr)
        return EXIT_BAD
    stale = report(flags, asked.today)
    if asked.json:
        print(json.dumps({"today": str(asked.today), "flags": len(flags), "stale": stale}))
    else:
        print("\n".join(f"{key}: {why}" for key, why in stale.items()) or f"None of {len(flags)} flags is stale.")
    return EXIT_STALE if stale else 0


def _read(file: Path) -> dict[str, Any]:
    """Raises OSError, ValueError."""
    said = json.loads(file.read_text(encoding="utf-8"))
    flags = said.get("flags") if isinstance(said, dict) else None
    if not isinstance(flags, dict):
        raise ValueError('should be {"flags": {KEY: DEFINITION, …}}')
    faults = [f"{key}: {fault}" for key, flag in flags.items() for fault in definitions.faults(key, flag)]
    if faults:
        raise ValueError("; ".join(faults[: definitions.FAULTS_MAX]))
    return flags


if __name__ == "__main__":
    sys.exit(main())
