"""A source with a patch on top: how a drill makes a release with a bug in it."""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import replace
from pathlib import Path

from release.adapters.source import Source, git, said
from release.artifact import ROOTS, File, is_released
from release.errors import PatchDoesNotApply

SIZE_MAX = 16 << 20


def patched(source: Source, patch: Path) -> Source:
    """The source as the patch leaves it; the working tree is not touched. Raises PatchDoesNotApply."""
    text = _text(patch)
    _check_reach(text, patch)
    with tempfile.TemporaryDirectory(prefix="slipway-patch-") as folder:
        tree = Path(folder).resolve() / "tree"
        _write(tree, source.files)
        applied = git(tree, ["apply", "--whitespace=nowarn", "-"], stdin=text, env=_alone(tree))
        if applied.returncode != 0:
            raise PatchDoesNotApply(f"{patch} does not apply: {said(applied)}")
        files = _read(tree, patch)
    if files == source.files:
        raise PatchDoesNotApply(f"{patch} changes nothing in the release.")
    return replace(source, files=files, patch_sha256=hashlib.sha256(text).hexdigest())


def _text(patch: Path) -> bytes:
    try:
        if not patch.is_file():
            raise PatchDoesNotApply(f"{patch} is not a file.", remedy="Name a patch: `git diff > PATCH` writes one.")
        if patch.stat().st_size > SIZE_MAX:
            raise PatchDoesNotApply(f"{patch} is larger than {SIZE_MAX >> 20} MiB.", remedy="Name a patch: `git diff > PATCH` writes one.")
        return patch.read_bytes()
    except OSError as problem:
        raise PatchDoesNotApply(f"{patch} can't be read: {problem.strerror}.", remedy=f"`ls -l {patch}`") from problem


def _check_reach(text: bytes, patch: Path) -> None:
    """git says which paths a patch is about without applying it."""
    with tempfile.TemporaryDirectory(prefix="slipway-patch-") as folder:
        listed = git(Path(folder), ["apply", "--numstat", "-z", "-"], stdin=text, env=_alone(Path(folder)))
    if listed.returncode != 0:
        raise PatchDoesNotApply(f"{patch} is not a patch: {said(listed)}", remedy="`git diff > PATCH` writes one.")
    for line in filter(None, listed.stdout.split(b"\0")):
        path = line.split(b"\t")[-1].decode(errors="replace")
        if not is_released(path):
            raise PatchDoesNotApply(f"{patch} changes {path}, which is not part of a release ({', '.join(ROOTS)}, without tests).")


def _alone(tree: Path) -> dict[str, str]:
    """Keep git from finding a repository around the temporary folder, and from the user's own settings of whitespace and line ends."""
    return {"GIT_CEILING_DIRECTORIES": str(tree.resolve().parent), "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}


def _write(tree: Path, files: tuple[File, ...]) -> None:
    tree.mkdir()
    for file in files:
        path = tree / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.data)
        path.chmod(0o755 if file.executable else 0o644)


def _read(tree: Path, patch: Path) -> tuple[File, ...]:
    files = []
    for path in sorted(tree.rglob("*")):
        name = path.relative_to(tree).as_posix()
        if path.is_symlink():
            raise PatchDoesNotApply(f"{patch} makes {name} a link; a release carries plain files only.")
        if path.is_file():
            files.append(File(name, path.read_bytes(), bool(path.stat().st_mode & 0o100)))
    return tuple(sorted(files, key=lambda file: file.path))
