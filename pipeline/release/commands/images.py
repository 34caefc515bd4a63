"""release base-images."""

from __future__ import annotations

from pathlib import Path

import click

from release.errors import UsageError
from release.home import Home
from release.publicimages import NAMED, images, with_digests
from release.say import as_json as print_json
from release.say import err, json_option, out


def add_to(group: click.Group) -> None:
    group.add_command(base_images)


@click.command(name="base-images")
@click.option(
    "--in", "folder", type=click.Path(path_type=Path), help="Where Dockerfile and docker-compose.yml are; this checkout, if none is named."
)
@json_option
def base_images(folder: Path | None, as_json: bool) -> None:
    """Name the public images in Dockerfile and docker-compose.yml by what their tags mean today: `name:tag@sha256:…`.

    Asks their registries; all files are written, or none. Needs Docker with buildx. `git diff` shows what moved.

    \b
    release base-images && git diff Dockerfile docker-compose.yml
    """
    from release.adapters.containers.public import digest_of  # the packages of containers are not on every machine

    files = {name: (folder or Home.find().root) / name for name in NAMED}
    texts = {name: _text(path) for name, path in files.items()}
    found = {image: digest for name, text in texts.items() for image, digest in images(name, text).items()}
    now = {}
    for image, before in found.items():
        now[image] = digest_of(image)
        err.print(f"  {image}  {now[image]}{'' if before in (None, now[image]) else '  (moved)'}", markup=False)
    changed = [name for name, text in texts.items() if with_digests(name, text, now) != text]
    for name in changed:
        files[name].write_text(with_digests(name, texts[name], now), encoding="utf-8")
    if as_json:
        print_json({"images": now, "changed": changed})
    else:
        out.print(f"{len(now)} images; written: {', '.join(changed) or 'nothing, all of them stood there already'}", markup=False)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as problem:
        raise UsageError(f"{path} can't be read: {problem}", remedy="Name the folder of both files with --in.") from problem
