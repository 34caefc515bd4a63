"""What a public image's tag means today, asked of its registry."""

from __future__ import annotations

import json

from release.adapters.containers.docker import CommandFailed, run
from release.artifact import checked
from release.errors import RegistryAway


def digest_of(image: str) -> str:
    """Of the index of all platforms, where there is one. Raises RegistryAway, NotADigest, MachineLacks."""
    try:
        said = run(["buildx", "imagetools", "inspect", image, "--format", "{{json .Manifest}}"])
    except CommandFailed as problem:
        raise RegistryAway(
            f"The registry says nothing of {image}: {problem}", remedy="Is it reachable from here? Nothing was changed."
        ) from problem
    return checked(json.loads(said)["digest"])
