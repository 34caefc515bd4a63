"""Pages of a real browser, each in a context of its own; whatever breaks on one fails its test."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, expect, sync_playwright

from browser import chromium
from release.home import Home

ROOT = Path(__file__).parents[2]
AXE = ROOT / "web" / "node_modules" / "axe-core" / "axe.min.js"
PATIENCE_MS = 20_000
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking", "--no-first-run"]


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    """Not for the whole session, as the plugin has it: its event loop would be in the way of other files' `asyncio.run`."""
    with sync_playwright() as driver:
        yield driver


@pytest.fixture(scope="module")
def browser(playwright: Playwright, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    try:
        found = chromium.find(Home(ROOT))
    except chromium.NoBrowser as missing:
        pytest.skip(str(missing))
    environment = {**os.environ, **found.environment, "TMPDIR": str(tmp_path_factory.mktemp("chromium"))}
    launched = playwright.chromium.launch(executable_path=found.program, args=FLAGS, env=environment)
    yield launched
    launched.close()


class Visitor:
    """One browser profile, and what its pages complained of."""

    def __init__(self, context: BrowserContext, address: str) -> None:
        self.context, self.address = context, address
        self.complaints: list[str] = []
        self.calls: list[str] = []  # of the API: status, method and path, release
        context.set_default_timeout(PATIENCE_MS)
        context.on("weberror", lambda error: self.complaints.append(f"uncaught: {error.error}"))
        context.on("console", lambda said: said.type == "error" and self.complaints.append(said.text))
        context.on("response", self._answered)

    def _answered(self, answer: Any) -> None:
        path = answer.url.removeprefix(self.address)
        release = answer.headers.get("x-release")
        self.calls.append(f"{answer.status} {answer.request.method} {path} {release}")

    def open(self, path: str = "/") -> Page:
        page = self.context.new_page()
        page.goto(f"{self.address}{path}")
        return page

    def who(self, client_id: str) -> Visitor:
        """The same lane, whichever it is, from the very first document on."""
        self.context.add_cookies([{"name": "client-id", "value": client_id, "url": self.address}])
        return self

    def releases(self, prefix: str) -> set[str]:
        """Who answered the calls below a path so far."""
        return {call.split(" ")[3] for call in self.calls if call.split(" ")[2].startswith(prefix)}


@pytest.fixture
def visitor(browser: Browser, tmp_path: Path) -> Iterator[Callable[..., Visitor]]:
    """`visitor(address, **options)`. After a failed test a trace of each is kept; its path is printed."""
    expect.set_options(timeout=PATIENCE_MS)
    made: list[Visitor] = []

    def new(address: str, **options: Any) -> Visitor:
        context = browser.new_context(locale="de-DE", reduced_motion="reduce", **options)
        context.tracing.start(screenshots=True, snapshots=True)
        made.append(Visitor(context, address))
        return made[-1]

    yield new
    for number, one in enumerate(made):
        trace = tmp_path / f"trace-{number}.zip"
        one.context.tracing.stop(path=trace)
        one.context.close()
        print(f"`playwright show-trace {trace}` shows what the browser saw")


def shop(page: Page, *, goods: int = 1) -> None:
    """From the goods to the basket with its price."""
    add = page.get_by_role("button", name="Add ")
    expect(add.first).to_be_visible()
    for number in range(goods):
        add.nth(number).click()
    page.get_by_role("link", name="Basket").click()
    expect(page.get_by_role("heading", level=1, name="Your basket")).to_be_visible()
    expect(page.get_by_role("region", name="Cost").get_by_text("Total")).to_be_visible()


def check_out(page: Page) -> str:
    """From the basket to the order's page; the order's id."""
    page.get_by_role("link", name="Go to checkout").click()
    expect(page.get_by_role("heading", level=1, name="Checkout")).to_be_visible()
    page.get_by_role("button", name="Order for").click()
    expect(page.get_by_text("Thank you. Your order is made.")).to_be_visible()
    return page.url.rpartition("/")[2]


def serious(page: Page) -> list[str]:
    """What axe finds and calls serious or critical."""
    if not AXE.is_file():
        pytest.skip("web/node_modules is missing: `make web-unit` installs it, axe among it.")
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run().then(({ violations }) => violations)")
    return [f"{one['id']}: {json.dumps(one['nodes'][0]['target'])}" for one in found if one["impact"] in ("serious", "critical")]
