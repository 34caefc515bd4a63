"""What a release is: one digest, where it came from, which schema it runs on."""

from __future__ import annotations

import re
from dataclasses import dataclass

from release.errors import NotADigest

MEDIA_TYPE = "application/vnd.slipway.release.v1+json"
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True)
class Release:
    """A verified artifact. `revision` is the git commit, with `+patch-<hex8>` or `+dirty` where the tree differed from it."""

    digest: str
    revision: str
    runs_on: tuple[str, ...]  # schema revisions, oldest first; the last one is what its own migrations lead to


def checked(digest: str) -> str:
    """The digest itself; raises NotADigest for anything else, tags and short forms above all."""
    if not DIGEST.fullmatch(digest):
        raise NotADigest(f"{digest!r} is not a digest.")
    return digest
