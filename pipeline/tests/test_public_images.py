"""Public images by digest: what is found in our files, and what is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from release.publicimages import NAMED, images, with_digests

ROOT = Path(__file__).parents[2]
OLD, NEW = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"
DOCKERFILE = "FROM node:24-slim AS spa\nRUN x\nFROM python:3.13-slim AS packages\nFROM spa\n"
COMPOSE = "image: ${POSTGRES_IMAGE:-postgres:17}\nimage: ${SLIPWAY_BASELINE:-${COMPOSE_PROJECT_NAME}-release:tree}\n"


def test_every_public_image_of_our_files_is_found_by_an_exact_tag() -> None:
    for file in NAMED:
        text = (ROOT / file).read_text()
        found = images(file, text)
        assert found
        assert not [image for image in found if image.endswith(":latest")]
        named = [line for line in text.splitlines() if line.startswith("FROM ") or "_IMAGE:-" in line]
        assert len(NAMED[file].findall(text)) == len(named)


def test_stages_and_our_own_images_are_left_alone() -> None:
    assert list(images("Dockerfile", DOCKERFILE)) == ["node:24-slim", "python:3.13-slim"]
    assert list(images("docker-compose.yml", COMPOSE)) == ["postgres:17"]


@pytest.mark.parametrize(
    ("file", "text", "image"), [("Dockerfile", DOCKERFILE, "node:24-slim"), ("docker-compose.yml", COMPOSE, "postgres:17")]
)
def test_a_digest_is_written_and_replaced_and_nothing_else_changes(file: str, text: str, image: str) -> None:
    old = with_digests(file, text, {image: OLD})
    assert images(file, old)[image] == OLD
    assert old.replace(f"@{OLD}", "") == text
    assert with_digests(file, old, {image: NEW}) == old.replace(OLD, NEW)
    assert with_digests(file, old, {}) == old
