"""The last known good snapshot on disk (SLIPWAY_FLAGS_FILE): an instance that starts while the database is away serves by it."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import structlog

from app.flags.snapshot import Snapshot, decoded

BYTES_MAX = 4 * 1024 * 1024

log = structlog.get_logger()


def keep(file: Path | None, snapshot: Snapshot) -> None:
    """Whole or not at all: instances may share the file. A disk that is full or read-only costs a line in the log and nothing else."""
    if file is None:
        return
    temporary = None
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
        with os.fdopen(handle, "wb") as writing:
            writing.write(snapshot.encoded())
            writing.flush()
            os.fsync(writing.fileno())
        Path(temporary).replace(file)
    except OSError as error:
        log.warning("flags_not_kept", file=str(file), cause=str(error))
        if temporary:
            Path(temporary).unlink(missing_ok=True)


def kept(file: Path | None) -> Snapshot | None:
    if file is None:
        return None
    try:
        with file.open("rb") as reading:
            return decoded(reading.read(BYTES_MAX))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        log.warning("kept_flags_unreadable", file=str(file), cause=str(error)[:200])
        return None
