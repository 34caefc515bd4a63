"""release build, release verify, release prune."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from release.artifact import checked
from release.commands.common import build_and_prune, open_environment, runtime_option
from release.home import Home, short
from release.places import RuntimeName
from release.retention import NEWEST
from release.say import as_json as print_json
from release.say import env_option, err, json_option, out


def add_to(group: click.Group) -> None:
    for command in (build, publish, verify, prune):
        group.add_command(command)


@click.command()
@click.option("--patch", type=click.Path(path_type=Path), help="Apply this patch to a copy of the tree first.")
@click.option("--commit", help="What this commit has, instead of the tree.")
@runtime_option
@json_option
def build(patch: Path | None, commit: str | None, runtime: RuntimeName | None, as_json: bool) -> None:
    """Build and sign a release of this tree; print its digest.

    The same source gives the same digest, on any day and in any folder. A new one lets old ones go: see `release prune`.

    \b
    release build
    release build --patch drills/faults/checkout-5xx.patch
    release build --commit HEAD~1                            the last one again, with the same digest
    release build --runtime compose                          an image
    """
    built = build_and_prune(Home.find(), patch, commit, kind=runtime or "embedded")
    if as_json:
        print_json(asdict(built))
        return
    err.print(f"{'built' if built.built else 'already built'} from {built.revision} in {built.took_s:.1f} s", markup=False)
    out.print(built.digest, markup=False)


@click.command()
@click.argument("digest")
@env_option
@runtime_option
@json_option
def publish(digest: str, env: str, runtime: RuntimeName | None, as_json: bool) -> None:
    """Send an image that was built here, with all that is attested about it, to the environment's registry.

    SLIPWAY_REGISTRY=HOST/REPOSITORY names another one. Processes need no registry: then this does nothing.
    """
    open_environment(env, quiet=True).place_on(runtime).publish(checked(digest))
    if as_json:
        print_json({"env": env, "published": digest})
    else:
        out.print(f"{short(digest)} is in the registry, with its signature, SBOM and provenance.")


@click.command()
@click.argument("digest")
@env_option
@runtime_option
@json_option
def verify(digest: str, env: str, runtime: RuntimeName | None, as_json: bool) -> None:
    """Check every file, the signature, SBOM and provenance for exactly this digest; of an image, as the environment's registry has them."""
    release = open_environment(env, quiet=True).place_on(runtime).artifacts.verify(digest)
    if as_json:
        print_json({**asdict(release), "verified": True})
        return
    out.print(f"{digest}\n  verified: signature, SBOM and provenance are for this digest\n  revision {release.revision}", markup=False)
    out.print(f"  runs on schema {', '.join(release.runs_on)}", markup=False)


@click.command()
@click.option(
    "--keep", type=click.IntRange(0, 1000), default=NEWEST, show_default=True, help="How many that nobody needs stay, the newest."
)
@json_option
def prune(keep: int, as_json: bool) -> None:
    """Remove old releases from this machine, with their files, environments of packages and logs. `release build` does so, too.

    What serves, is warm, is in a rollout, is quarantined or runs stays, in every environment. If a ledger is damaged, all stay.
    """
    from release.housekeeping import prune as prune_releases

    gone = prune_releases(Home.find(), keep)
    if as_json:
        print_json(asdict(gone))
        return
    for digest in gone.releases:
        out.print(digest, markup=False)
    others = f"{gone.blobs} blobs, {len(gone.folders)} folders, {len(gone.venvs)} environments of packages, {len(gone.logs)} logs"
    err.print(f"removed {len(gone.releases)} releases: {others}; {gone.kept} releases stay", markup=False)
