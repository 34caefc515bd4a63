"""What flags did: evaluations by variant, the snapshot that this instance serves by, changes that it made."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

EVALUATIONS = Counter(
    "flag_evaluations_total", "Evaluations; variant `default` is the code's own default, as after a kill.", ["flag", "variant"]
)
SNAPSHOT_VERSION = Gauge("flag_snapshot_version", "Of the flags that this instance serves by; goes up with each change.")
SNAPSHOT_STALE = Gauge("flag_snapshot_stale", "1 while the database does not answer and the last known good flags hold.")
CHANGES = Counter("flag_changes_total", "Changes that this instance made, by what they did.", ["action"])
STREAMS = Gauge("flag_streams_open", "Browsers that this instance tells of changes.")
