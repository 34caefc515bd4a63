"""The command `release`. Wires adapters, prints; decides nothing."""

from __future__ import annotations

import click

from release.commands import (
    approvals,
    artifacts,
    backfills,
    dumps,
    environments,
    flags,
    gates,
    handovers,
    images,
    keys,
    pipelines,
    protections,
    rollouts,
    scans,
    switches,
    tokens,
)
from release.say import Commands


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
def main() -> None:
    """Take a release to its users step by step, and back at once.

    \b
    release build                                 sign a release of this tree, print its digest
    release up                                    run the store on this machine
    release deploy --reason "new prices"          build this tree and roll it out
    release rollback --reason "orders fail"       back to the last good release
    release flag kill pricing-v2 --reason "…"     a feature off for everybody, at once
    release status                                what runs where

    Exit codes: 0 done · 2 usage · 1x artifact · 2x configuration · 3x rollout · 4x this machine · 50 ledger · 55 to 58 pipeline, approvals · 6x drill · 130 interrupted.
    """


for module in (
    artifacts,
    environments,
    rollouts,
    backfills,
    approvals,
    dumps,
    switches,
    flags,
    tokens,
    gates,
    scans,
    images,
    handovers,
    keys,
    pipelines,
    protections,
):
    module.add_to(main)
