"""What git says of the tree: which files are released, and what they are called."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from release.artifact import ROOTS, File, is_released
from release.errors import BuildFailed

GIT_TIMEOUT_S = 30
# Where git looks is said by -C alone: a hook, or a shell with GIT_DIR set, would name another repository.
REDIRECTS = ("DIR", "WORK_TREE", "INDEX_FILE", "PREFIX", "OBJECT_DIRECTORY", "COMMON_DIR", "NAMESPACE", "LITERAL_PATHSPECS")


@dataclass(frozen=True)
class Source:
    """The released files as they are in the working tree, and the commit below them."""

    files: tuple[File, ...]  # sorted by path
    commit: str
    committed_at: datetime
    dirty: bool  # the released files differ from the commit
    patch_sha256: str | None = None

    @property
    def revision(self) -> str:
        """Follows from the commit and the released files alone, so it does not make the digest of the same source another one."""
        dirty = "+dirty" if self.dirty else ""
        patch = f"+patch-{self.patch_sha256[:8]}" if self.patch_sha256 else ""
        return f"{self.commit}{dirty}{patch}"


def read(root: Path, revision: str | None = None) -> Source:
    """Of the work tree, or as a commit has it. Raises BuildFailed where there is no repository, no such commit or nothing to release."""
    return _of_commit(root, revision) if revision else _of_work_tree(root)


def _of_work_tree(root: Path) -> Source:
    commit, committed_s = _head(root)
    files = _files(root)
    if not files:
        raise BuildFailed(
            f"There is nothing to release: {root} has none of {', '.join(ROOTS)}.", remedy="`git status` shows what is missing."
        )
    dirty = {file.path: _entry(file, len(commit)) for file in files} != _committed(root)
    return Source(files, commit, datetime.fromtimestamp(committed_s, UTC), dirty)


def _of_commit(root: Path, revision: str) -> Source:
    commit, committed_s = _head(root, revision)
    listed = [_listed(line) for line in _git_lines(root, ["ls-tree", "-r", "-z", commit, "--", *ROOTS])]
    released = [(mode, object_id, name) for mode, object_id, name in listed if is_released(name)]
    contents = _contents(root, [object_id for _, object_id, _ in released])
    files = [File(name, data, mode == "100755") for (mode, _, name), data in zip(released, contents, strict=True)]
    if not files:
        raise BuildFailed(f"{revision} has nothing to release: none of {', '.join(ROOTS)}.")
    return Source(tuple(sorted(files, key=lambda file: file.path)), commit, datetime.fromtimestamp(committed_s, UTC), dirty=False)


def git(
    root: Path, arguments: Sequence[str], *, stdin: bytes = b"", env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run git in `root`, whatever the caller's language, and let the caller judge its exit status."""
    clean = {name: value for name, value in os.environ.items() if name.removeprefix("GIT_") not in REDIRECTS or not name.startswith("GIT_")}
    clean |= {"LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0", **(env or {})}
    try:
        return subprocess.run(
            ["git", "-C", str(root), *arguments], input=stdin, capture_output=True, env=clean, timeout=GIT_TIMEOUT_S, check=False
        )
    except FileNotFoundError as problem:
        raise BuildFailed("git is not installed.", remedy="Install git, then `release build` again.") from problem
    except subprocess.TimeoutExpired as problem:
        raise BuildFailed(
            f"git {arguments[0]} did not end within {GIT_TIMEOUT_S} s.", remedy="`git status` shows whether it hangs."
        ) from problem


def said(answer: subprocess.CompletedProcess[bytes]) -> str:
    """What git complains of, in one line, without its advice."""
    lines = answer.stderr.decode(errors="replace").splitlines()
    return "; ".join(line.partition(": ")[2] for line in lines if line.startswith(("error: ", "fatal: ")))


def _head(root: Path, revision: str = "HEAD") -> tuple[str, int]:
    """The commit and its time in seconds since 1970."""
    inside = git(root, ["rev-parse", "--is-inside-work-tree"])
    if b"dubious ownership" in inside.stderr:
        raise BuildFailed(
            f"{root} belongs to another user: {said(inside)}.",
            remedy=f"If you trust it: `git config --global --add safe.directory '{root}'`",
        )
    if inside.stdout.strip() != b"true":
        raise BuildFailed(
            f"{root} is not the work tree of a git repository: {said(inside) or 'it is a bare one'}",
            remedy="Clone the repository, or make this folder one: `git init && git add . && git commit -m start`.",
        )
    answer = git(root, ["log", "-1", "--no-show-signature", "--format=%H %ct", "--end-of-options", revision, "--"])
    if answer.returncode != 0 and revision != "HEAD":
        raise BuildFailed(
            f"There is no commit {revision} here: {said(answer)}",
            remedy="Name one of `git log`; a shallow clone has few: `git fetch --unshallow`.",
        )
    if answer.returncode != 0:
        raise BuildFailed("There is no commit yet, so a release would have no revision.", remedy="`git add . && git commit -m start`")
    commit, committed_s = answer.stdout.decode().split()
    return commit, int(committed_s)


def _files(root: Path) -> tuple[File, ...]:
    """Those that git tracks or would track and that still exist."""
    listed = _git_lines(root, ["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *ROOTS])
    found = {_name(raw): root / os.fsdecode(raw) for raw in listed}
    return tuple(_read(name, path) for name, path in sorted(found.items()) if is_released(name) and os.path.lexists(path))


def _committed(root: Path) -> dict[str, tuple[str, str]]:
    """Mode and object id of the released files in the commit."""
    committed = {}
    for mode, object_id, name in map(_listed, _git_lines(root, ["ls-tree", "-r", "-z", "HEAD", "--", *ROOTS])):
        if is_released(name):
            committed[name] = (mode, object_id)
    return committed


def _listed(line: bytes) -> tuple[str, str, str]:
    """Mode, object id and path of a line of `git ls-tree`."""
    attributes, _, raw = line.partition(b"\t")
    mode, _, object_id = attributes.decode().split()
    return mode, object_id, _name(raw)


def _contents(root: Path, object_ids: Sequence[str]) -> list[bytes]:
    """https://git-scm.com/docs/git-cat-file#_batch_output: `ID blob SIZE`, a new line, the content, a new line."""
    answer = git(root, ["cat-file", "--batch"], stdin="".join(f"{object_id}\n" for object_id in object_ids).encode())
    found, rest = [], answer.stdout
    for object_id in object_ids:
        head, _, rest = rest.partition(b"\n")
        if not head.startswith(f"{object_id} blob ".encode()):
            raise BuildFailed(f"git can't read {object_id}: {head.decode(errors='replace')}", remedy="`git fsck` shows what is damaged.")
        size = int(head.split()[-1])
        found.append(rest[:size])
        rest = rest[size + 1 :]
    return found


def _entry(file: File, id_length: int) -> tuple[str, str]:
    """Mode and object id as git would store them: https://git-scm.com/book/en/v2/Git-Internals-Git-Objects"""
    hasher = hashlib.new("sha1" if id_length == 40 else "sha256", usedforsecurity=False)
    hasher.update(b"blob %d\0" % len(file.data) + file.data)
    return ("100755" if file.executable else "100644", hasher.hexdigest())


def _git_lines(root: Path, arguments: Sequence[str]) -> list[bytes]:
    answer = git(root, arguments)
    if answer.returncode != 0:
        raise BuildFailed(
            f"git {arguments[0]} failed: {said(answer)}", remedy="`git status` and `git fsck` show what is wrong with the repository."
        )
    return [line for line in answer.stdout.split(b"\0") if line]


def _name(raw: bytes) -> str:
    """A path as text, whatever this machine's encoding of file names is."""
    try:
        return raw.decode()
    except UnicodeDecodeError as problem:
        raise BuildFailed(f"The file name {raw!r} is not UTF-8.", remedy="Rename it.") from problem


def _read(name: str, path: Path) -> File:
    if path.is_symlink() or not path.is_file():
        raise BuildFailed(f"{name} is not a plain file; a release carries nothing else.", remedy="Replace the link or folder by a file.")
    try:
        return File(name, path.read_bytes(), bool(path.stat().st_mode & 0o100))
    except OSError as problem:
        raise BuildFailed(f"{name} can't be read: {problem.strerror}.", remedy=f"`ls -l {name}`") from problem
