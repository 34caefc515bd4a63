"""Public images that our files name: `name:tag`, with `@sha256:…` once someone has looked up what the tag means. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

DIGEST = r"(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
NAMED = {
    "Dockerfile": re.compile(rf"^FROM (?P<image>[^\s@]+:[^\s@]+){DIGEST}", re.MULTILINE),
    "docker-compose.yml": re.compile(rf"_IMAGE:-(?P<image>[^\s@}}]+:[^\s@}}]+){DIGEST}(?=\}})"),
}


def images(file: str, text: str) -> dict[str, str | None]:
    """`name:tag` -> the digest that stands there, in the file's order. `file`: one of NAMED."""
    return {found["image"]: found["digest"] for found in NAMED[file].finditer(text)}


def with_digests(file: str, text: str, digests: Mapping[str, str]) -> str:
    """The same text with each image at the digest that is given for it; the others stay as they are."""

    def exact(found: re.Match[str]) -> str:
        start, image = found.start("image") - found.start(), found["image"]
        return f"{found[0][:start]}{image}@{digests[image]}" if image in digests else found[0]

    return NAMED[file].sub(exact, text)
