"""release handover, receive."""

from __future__ import annotations

from pathlib import Path

import click

from release.adapters.handover import Handover
from release.adapters.layout import Layout
from release.artifact import checked
from release.commands.common import runtime_option
from release.home import Home, short
from release.places import RuntimeName
from release.say import as_json as print_json
from release.say import json_option, out

folder_argument = click.argument("folder", type=click.Path(path_type=Path))


def add_to(group: click.Group) -> None:
    for command in (handover, receive):
        group.add_command(command)


@click.command()
@click.argument("digest")
@folder_argument
@runtime_option
@json_option
def handover(digest: str, folder: Path, runtime: RuntimeName | None, as_json: bool) -> None:
    """Write what another machine needs to verify and run this release into FOLDER: never the private key.

    \b
    release handover sha256:4f… var/handover
    """
    home = Home.find()
    if runtime == "compose":
        _of_image(home, checked(digest), folder)
    else:
        _of_files(home, checked(digest), folder)
    if as_json:
        print_json({"digest": digest, "folder": str(folder)})
    else:
        out.print(f"{short(digest)} is in {folder}.", markup=False)


def _of_files(home: Home, digest: str, folder: Path) -> None:
    from release.adapters.oci import OciArtifacts

    artifacts = OciArtifacts(home)
    artifacts.verify(digest)
    Handover(folder).write(Layout(home.artifacts), digest, artifacts.sbom(digest), home.keys, whole=True)


def _of_image(home: Home, digest: str, folder: Path) -> None:
    """The image itself comes from the registry."""
    from release.adapters.containers.build import layout_of
    from release.adapters.containers.images import Images

    images = Images(layout_of(home), home.keys)
    images.verify(digest)
    Handover(folder).write(images.layout, digest, images.sbom(digest), home.keys, whole=False)


@click.command()
@folder_argument
@json_option
def receive(folder: Path, as_json: bool) -> None:
    """Take over what `release handover` wrote on another machine, and trust its key. First make sure whose key that is."""
    home = Home.find()
    named = Handover(folder).receive(home.artifacts, home.keys)
    if as_json:
        print_json({"folder": str(folder), "trusted": named})
    else:
        out.print(f"{folder} is taken over; {named} is trusted.", markup=False)
