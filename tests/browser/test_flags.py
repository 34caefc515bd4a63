"""Feature flags in a real browser: what a shopper sees of them, how fast a kill gets there, and the page of on-call."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from browser.conftest import Visitor, check_out, serious

pytestmark = [pytest.mark.real, pytest.mark.browser]
New = Callable[..., Visitor]
FLAG = "pricing-v2"
SCOPES = ("read", "write", "kill", "freeze")
KILLS = 5
NOTE_THE_END = """() => {
  const watch = new MutationObserver(() => {
    if (document.body.textContent.includes('Volume discount')) return;
    window.ended_ms = Date.now();
    watch.disconnect();
  });
  watch.observe(document.body, { subtree: true, childList: true, characterData: true });
}"""
PHONE = {"viewport": {"width": 375, "height": 740}}
DESK = {"viewport": {"width": 1280, "height": 860}}


@pytest.fixture(scope="module")
def token(shared_store: Any) -> str:
    scopes = [word for scope in SCOPES for word in ("--scope", f"flags:{scope}")]
    return str(shared_store.run("token create", "--name", "ann", *scopes)["token"])


class Ops:
    """The ops API, as a second person on call has it."""

    def __init__(self, address: str, token: str) -> None:
        self.client = httpx.Client(base_url=f"{address}/api/ops", headers={"authorization": f"Bearer {token}"}, trust_env=False, timeout=20)

    def flag(self) -> dict[str, Any]:
        [flag] = [one for one in self.client.get("/flags").raise_for_status().json()["flags"] if one["key"] == FLAG]
        return dict(flag)

    def to(self, percentage: int, state: str = "ENABLED") -> None:
        share = {"variant": "on", "percentage": percentage}
        body = {"reason": "a test", "version": self.flag()["version"], "state": state, "percentage": share}
        self.client.patch(f"/flags/{FLAG}", json=body).raise_for_status()

    def post(self, what: str) -> None:
        self.client.post(f"/{what}", json={"reason": "a test"}).raise_for_status()


@pytest.fixture
def ops(shared_store: Any, token: str) -> Iterator[Ops]:
    """Everybody has the variant `on`; nothing is frozen."""
    ops = Ops(shared_store.address, token)
    ops.post("unfreeze")
    ops.to(100)
    yield ops
    ops.client.close()


def basket(page: Page, pieces: int = 3) -> None:
    """So many of the first product."""
    add = page.get_by_role("button", name="Add ").first
    expect(add).to_be_visible()
    for _ in range(pieces):
        add.click()
    page.get_by_role("link", name="Basket").click()
    expect(page.get_by_role("region", name="Cost").get_by_text("Total")).to_be_visible()


def cents(page: Page, name: str) -> int:
    """What a row of the breakdown says."""
    row = page.get_by_role("region", name="Cost").locator("dl > div").filter(has_text=name).locator("dd")
    return round(100 * float(row.inner_text().strip("−€").replace(",", "")))


def discounted(page: Page) -> Any:
    return page.get_by_role("region", name="Cost").get_by_text("Volume discount")


def test_a_shopper_is_told_what_more_pieces_save_gets_that_and_pays_it(shared_store: Any, visitor: New, ops: Ops) -> None:
    someone = visitor(shared_store.address)
    page = someone.open()
    basket(page, pieces=2)
    for hint, more in (("1 more and you save 5 %", 1), ("7 more and you save 10 %", 7)):
        expect(page.get_by_text(hint)).to_be_visible()
        for _ in range(more):
            page.get_by_role("button", name="One more: ").click()
        percent = int(hint.removesuffix(" %").rpartition(" ")[2])
        expect(page.get_by_role("region", name="Cost").locator("dl[aria-busy=false]")).to_contain_text("Volume discount")
        assert abs(cents(page, "Volume discount") - cents(page, "Goods") * percent / 100) <= 0.5, hint
    expect(page.get_by_text("you save")).to_have_count(0)
    saved, total = cents(page, "Volume discount"), cents(page, "Total")
    check_out(page)
    assert (cents(page, "Volume discount"), cents(page, "Total")) == (saved, total)
    assert someone.complaints == []


def test_a_kill_changes_the_price_on_an_open_page(shared_store: Any, visitor: New, ops: Ops) -> None:
    """Within a second on a machine with nothing else to do; here the time is told, and the wait is bounded."""
    someone = visitor(shared_store.address)
    page = someone.open()
    basket(page)
    took_ms = []
    for _ in range(KILLS):
        expect(discounted(page)).to_be_visible()
        expect(page.get_by_text("7 more and you save 10 %")).to_be_visible()
        before = cents(page, "Total")
        page.evaluate(NOTE_THE_END)
        since_ms = 1000 * time.time()
        ops.post(f"flags/{FLAG}/kill")
        expect(discounted(page)).to_have_count(0)
        took_ms.append(round(page.evaluate("window.ended_ms") - since_ms))
        expect(page.get_by_text("you save")).to_have_count(0)
        assert cents(page, "Total") > before
        ops.to(100)
    print(f"from the kill's call to the old price on the page: median {statistics.median(took_ms)} ms of {took_ms}")
    page.get_by_role("link", name="Go to checkout").click()
    expect(discounted(page)).to_be_visible()
    ops.post(f"flags/{FLAG}/kill")
    expect(discounted(page)).to_have_count(0)
    assert someone.complaints == []


def test_a_killed_flag_does_not_come_back_from_the_browsers_disk(shared_store: Any, visitor: New, ops: Ops) -> None:
    """Not even when flags cannot be had any more, and the last that this browser heard was `on`."""
    page = visitor(shared_store.address).open()
    basket(page)
    hint = page.get_by_text("you save")
    expect(hint).to_be_visible()
    page.context.route("**/ofrep/**", lambda route: route.abort())
    ops.post(f"flags/{FLAG}/kill")
    for again in (page, page.context.new_page()):
        again.goto(f"{shared_store.address}/basket")
        expect(again.get_by_role("region", name="Cost").get_by_text("Total")).to_be_visible()
        again.wait_for_load_state("networkidle")
        expect(again.get_by_text("you save")).to_have_count(0)
        expect(discounted(again)).to_have_count(0)
    assert "pricing" not in page.evaluate("JSON.stringify([localStorage, sessionStorage])")


def test_a_page_that_cannot_have_flags_sells(shared_store: Any, visitor: New, ops: Ops) -> None:
    someone = visitor(shared_store.address)
    someone.context.route("**/ofrep/**", lambda route: route.abort())
    page = someone.open()
    basket(page)
    expect(discounted(page)).to_be_visible()  # the price is the API's word, with flags or without
    expect(page.get_by_text("you save")).to_have_count(0)
    check_out(page)


def test_flags_that_come_back_are_asked_for_again(shared_store: Any, visitor: New, ops: Ops) -> None:
    page = visitor(shared_store.address).open()
    page.route("**/ofrep/**", lambda route: route.fulfill(status=503))
    basket(page)
    expect(page.get_by_text("you save")).to_have_count(0)
    page.unroute("**/ofrep/**")
    expect(page.get_by_text("7 more and you save 10 %")).to_be_visible()
    ops.post(f"flags/{FLAG}/kill")
    expect(page.get_by_text("you save")).to_have_count(0)


def show_flags(page: Page, token: str) -> Any:
    page.get_by_label("Token of the ops API").fill(token)
    page.get_by_role("button", name="Show the flags").click()
    card = page.get_by_role("article", name=FLAG)
    expect(card).to_be_visible()
    return card


def because(page: Page, reason: str) -> None:
    expect(page.get_by_label("Reason")).to_be_focused()
    page.keyboard.type(reason)
    page.keyboard.press("Enter")


def test_on_call_kills_by_keyboard_and_the_record_says_who(shared_store: Any, visitor: New, ops: Ops, token: str) -> None:
    someone = visitor(shared_store.address)
    page = someone.open("/ops")
    card = show_flags(page, token)
    expect(card.get_by_text("On for everybody", exact=True)).to_be_visible()
    card.get_by_role("button", name=f"Kill {FLAG}").focus()
    page.keyboard.press("Enter")
    because(page, "totals are wrong")
    expect(card.get_by_text("Killed", exact=True)).to_be_visible()
    expect(card.get_by_role("heading")).to_be_focused()
    assert ops.flag()["killed"]
    newest = page.get_by_role("listitem").first
    for words in (f"Killed {FLAG}: from on for everybody to the code", "totals are wrong", "ann"):
        expect(newest).to_contain_text(words)
    card.get_by_role("button", name="Enable again").click()
    because(page, "the fix is out")
    expect(card.get_by_text("On for everybody", exact=True)).to_be_visible()
    card.get_by_label("Percentage of users").fill("10")
    card.get_by_role("button", name="Set…").click()
    because(page, "a tenth first")
    expect(card.get_by_text("On for 10 %", exact=True)).to_be_visible()
    assert someone.complaints == []


def test_the_token_is_in_memory_and_nowhere_else(shared_store: Any, visitor: New, ops: Ops, token: str) -> None:
    someone = visitor(shared_store.address)
    page = someone.open("/ops")
    show_flags(page, token)
    secret = token.rpartition("_")[2]
    kept = "Promise.all([JSON.stringify([localStorage, sessionStorage, history.state]), document.cookie, indexedDB.databases(), caches.keys()])"
    assert secret not in str(page.evaluate(kept))
    assert secret not in str(someone.context.storage_state(indexed_db=True))
    page.reload()
    expect(page.get_by_label("Token of the ops API")).to_have_value("")


def test_a_refusal_says_why(shared_store: Any, visitor: New, ops: Ops, token: str) -> None:
    page = visitor(shared_store.address).open("/ops")
    page.get_by_label("Token of the ops API").fill(f"slw_{'0' * 16}_{'0' * 64}")
    page.get_by_role("button", name="Show the flags").click()
    expect(page.get_by_role("alert")).to_contain_text("not known here")
    card = show_flags(page, token)
    card.get_by_role("button", name="Off…").click()
    ops.post("freeze")
    because(page, "x")
    expect(page.get_by_role("alert")).to_contain_text("ann froze all flags: a test")
    expect(page.get_by_role("heading", name="Flags are frozen")).to_be_visible()
    page.get_by_role("button", name="Cancel").click()
    expect(card.get_by_role("button", name="Off…")).to_be_disabled()
    page.get_by_role("button", name="Unfreeze…").click()
    because(page, "found")
    expect(page.get_by_role("heading", name="Flags can be changed")).to_be_visible()
    card.get_by_role("button", name="Off…").click()
    ops.to(50)
    because(page, "x")
    expect(page.get_by_role("alert")).to_contain_text("Look at it again")
    page.get_by_role("button", name="Cancel").click()
    ops.post("freeze")
    card.get_by_role("button", name=f"Kill {FLAG}").click()
    because(page, "a kill is allowed")
    expect(card.get_by_text("Killed", exact=True)).to_be_visible()


@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("screen", [DESK, PHONE], ids=["desk", "phone"])
def test_nothing_that_axe_calls_serious(
    shared_store: Any, visitor: New, ops: Ops, token: str, screen: dict[str, Any], colours: str, tmp_path: Path
) -> None:
    """Pictures of it are kept where SLIPWAY_PICTURES says."""
    into = Path(os.environ.get("SLIPWAY_PICTURES") or tmp_path)
    page = visitor(shared_store.address, color_scheme=colours, **screen).open("/ops")

    def look(name: str) -> None:
        page.screenshot(path=into / f"flags-{name}-{screen['viewport']['width']}-{colours}.png", animations="disabled", full_page=True)
        assert serious(page) == [], name
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name

    expect(page.get_by_label("Token of the ops API")).to_be_visible()
    look("token")
    ops.to(10)
    card = show_flags(page, token)
    look("some")
    card.get_by_role("button", name=f"Kill {FLAG}").click()
    look("confirm")
    because(page, "totals are wrong since 14:02")
    expect(card.get_by_text("Killed", exact=True)).to_be_visible()
    ops.post("freeze")
    expect(page.get_by_role("heading", name="Flags are frozen")).to_be_visible()
    look("frozen")
    ops.post("unfreeze")
    ops.to(100)
    page.goto(shared_store.address)
    basket(page)
    expect(page.get_by_text("you save")).to_be_visible()
    look("basket")
    page.get_by_role("link", name="Go to checkout").click()
    expect(discounted(page)).to_be_visible()
    look("checkout")
