"""release build, release verify."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from release.home import Home
from release.say import as_json as print_json
from release.say import err, json_option, out


def add_to(group: click.Group) -> None:
    for command in (build, verify):
        group.add_command(command)


@click.command()
@click.option("--patch", type=click.Path(path_type=Path), help="Apply this patch to a copy of the tree first.")
@json_option
def build(patch: Path | None, as_json: bool) -> None:
    """Build and sign a release of this tree; print its digest.

    The same source gives the same digest, on any day and in any folder.

    \b
    release build
    release build --patch drills/faults/checkout-5xx.patch
    """
    from release.adapters.build import build as build_release

    built = build_release(Home.find(), patch)
    if as_json:
        print_json(asdict(built))
        return
    err.print(f"{'built' if built.built else 'already built'} from {built.revision} in {built.took_s:.1f} s", markup=False)
    out.print(built.digest, markup=False)


@click.command()
@click.argument("digest")
@json_option
def verify(digest: str, as_json: bool) -> None:
    """Check every file, the signature, SBOM and provenance for exactly this digest."""
    from release.adapters.oci import OciArtifacts

    release = OciArtifacts(Home.find()).verify(digest)
    if as_json:
        print_json({**asdict(release), "verified": True})
        return
    out.print(f"{digest}\n  verified: signature, SBOM and provenance are for this digest\n  revision {release.revision}", markup=False)
    out.print(f"  runs on schema {', '.join(release.runs_on)}", markup=False)
