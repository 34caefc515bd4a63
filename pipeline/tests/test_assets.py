"""The pool of assets: filled as releases start, and bounded."""

from __future__ import annotations

import os
from pathlib import Path

from release.adapters import assets


def start(folder: Path, mark: str, running: tuple[str, ...] = ()) -> None:
    release = folder / f"release-{mark}"
    (release / "web/dist/assets").mkdir(parents=True, exist_ok=True)
    (release / f"web/dist/assets/index-{mark}.js").write_text(mark)
    assets.share(release, "sha256:" + mark * 64, folder / "pool", running)


def pool(folder: Path) -> list[str]:
    return sorted(path.name[0] for path in (folder / "pool").iterdir() if path.name[0] != ".")


def test_a_release_is_there_whole_and_costs_no_space(tmp_path: Path) -> None:
    for _ in range(2):
        start(tmp_path, "a")
    shared = tmp_path / "pool" / ("a" * 12) / "index-a.js"
    assert shared.read_text() == "a"
    assert os.stat(shared).st_nlink == 2


def test_the_last_ones_and_those_that_run_stay(tmp_path: Path) -> None:
    for number, mark in enumerate("0123456789abcdef"):
        start(tmp_path, mark, running=("sha256:" + "1" * 64,))
        os.utime(tmp_path / "pool" / (mark * 12), (number, number))
    assert pool(tmp_path) == ["1", "a", "b", "c", "d", "e", "f"]
    start(tmp_path, "0")
    assert "0" in pool(tmp_path)
    assert len(list((tmp_path / "pool").iterdir())) == 2 * len(pool(tmp_path))  # each with its lock, and nothing else


def test_a_release_whose_start_was_cut_short_is_filled_at_the_next(tmp_path: Path) -> None:
    (tmp_path / "pool" / f".{'a' * 12}.new").mkdir(parents=True)
    start(tmp_path, "a")
    assert (tmp_path / "pool" / ("a" * 12) / "index-a.js").exists()
