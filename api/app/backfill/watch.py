"""What the store says of its own answers: the histogram on each instance's /metrics."""

from __future__ import annotations

import asyncio
import urllib.request
from collections.abc import Sequence

from prometheus_client.parser import text_string_to_metric_families

from app.backfill.pace import SLOW_S, Answers

ANSWER_S = 2.0
FAMILY = "http_request_duration_seconds"


async def look(addresses: Sequence[str]) -> Answers | None:
    """Over all instances that answer; None where none does."""
    texts = [text for text in await asyncio.gather(*(asyncio.to_thread(_text, address) for address in addresses)) if text]
    return answers(texts) if texts else None


def _text(address: str) -> str | None:
    try:
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=ANSWER_S) as answer:
            return str(answer.read().decode())
    except OSError:
        return None


def answers(texts: Sequence[str]) -> Answers:
    total = quick = 0.0
    for text in texts:
        for family in text_string_to_metric_families(text):
            for sample in family.samples if family.name == FAMILY else ():
                if not sample.labels.get("route", "").startswith("/api/"):
                    continue
                if sample.name.endswith("_count"):
                    total += sample.value
                elif sample.name.endswith("_bucket") and float(sample.labels["le"]) == SLOW_S:
                    quick += sample.value
    return Answers(total, total - quick)
