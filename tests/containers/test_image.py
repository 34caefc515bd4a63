"""The image of a release: what is in it, who it runs as, and that the same source is the same image."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from containers.conftest import ROOT, run
from release.adapters.build import build
from release.adapters.containers.build import build as build_image
from release.adapters.oci import OciArtifacts
from release.home import Home

pytestmark = [pytest.mark.containers, pytest.mark.timeout(900)]
MIB = 1 << 20


def test_it_carries_what_a_release_carries_and_nothing_else(image: str, tmp_path: Path) -> None:
    """Byte for byte, but for compressed copies of assets: another Node may compress to other bytes."""
    OciArtifacts(Home(ROOT)).unpack(build(Home(ROOT)).digest, tmp_path)
    listing = "cd /release && find . -path ./venv -prune -o -type f ! -name '*.pyc' -exec sha256sum {} +"
    said = run("docker", "run", "--rm", "--entrypoint", "sh", image, "-c", listing)
    inside = {name.removeprefix("./"): hashed for hashed, name in (line.split("  ") for line in said.splitlines())}
    listing = f"cd '{tmp_path}' && find . -type f -exec sha256sum {{}} +"
    said = subprocess.run(["sh", "-c", listing], check=True, capture_output=True, text=True).stdout
    released = {name.removeprefix("./"): hashed for hashed, name in (line.split("  ") for line in said.splitlines())}
    released.pop("web/package-lock.json")  # what the SPA is bundled from; the image's SBOM says that
    assert set(inside) == set(released)
    plain = {name for name in released if not name.endswith((".br", ".gz"))}
    assert {name for name in plain if inside[name] != released[name]} == set()


def test_it_is_small_and_runs_as_nobody(image: str) -> None:
    [found] = json.loads(run("docker", "inspect", image))
    assert found["Config"]["User"] == "65534:65534"
    assert found["Config"]["Healthcheck"]["Test"]
    packed = subprocess.run(f"docker save {image} | gzip -1 | wc -c", shell=True, check=True, capture_output=True, text=True)
    assert int(packed.stdout) < 200 * MIB


def test_a_role_that_there_is_not_is_told(image: str) -> None:
    done = subprocess.run(["docker", "run", "--rm", image, "worker"], check=False, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr.strip()) == (64, "Name one role: api, web, migrate, token, backfill.")


def test_the_same_source_is_the_same_image() -> None:
    """Two builds, neither of which may use what the other left."""
    assert build_image(Home(ROOT), cached=False).digest == build_image(Home(ROOT), cached=False).digest
