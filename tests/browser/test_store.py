"""The store as a person meets it: one release, a real browser."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from browser.conftest import ROOT, Visitor, check_out, serious, shop

pytestmark = [pytest.mark.real, pytest.mark.browser]
New = Callable[..., Visitor]
PHONE = {"viewport": {"width": 375, "height": 740}}
DESK = {"viewport": {"width": 1280, "height": 860}}


def test_from_the_goods_to_the_order(shared_store: Any, visitor: New) -> None:
    someone = visitor(shared_store.address)
    page = someone.open()
    shop(page, goods=2)
    shown = page.get_by_role("region", name="Cost").inner_text()
    order = check_out(page)
    client = page.evaluate("JSON.parse(localStorage['client-id'])")
    kept = httpx.get(f"{shared_store.address}/api/orders/{order}", headers={"x-client-id": client}, trust_env=False).json()
    assert len(kept["lines"]) == 2
    assert f"{kept['gross_cents'] / 100:.2f}" in shown.replace(",", "")
    page.get_by_role("link", name="All your orders").click()
    expect(page.get_by_role("link", name="Order ")).to_have_count(1)
    assert someone.complaints == []
    assert {call.split(" ")[0] for call in someone.calls} <= {"200", "201", "204", "304"}


def test_with_the_keyboard_alone(shared_store: Any, visitor: New) -> None:
    page = visitor(shared_store.address).open()
    expect(page.get_by_role("button", name="Add ").first).to_be_visible()
    for target in (
        page.get_by_role("button", name="Add ").first,
        page.get_by_role("link", name="Basket"),
        page.get_by_role("link", name="Go to checkout"),
        page.get_by_role("button", name="Order for"),
    ):
        expect(target).to_be_enabled()
        tab_to(page, target)
        page.keyboard.press("Enter")
    expect(page.get_by_text("Thank you. Your order is made.")).to_be_visible()


def tab_to(page: Page, target: Any) -> None:
    for _ in range(60):
        if target.evaluate("one => one === document.activeElement"):
            return
        page.keyboard.press("Shift+Tab" if target.get_attribute("href") == "/basket" else "Tab")
    raise AssertionError(f"sixty presses do not get to {target}")


@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("screen", [DESK, PHONE], ids=["desk", "phone"])
def test_nothing_that_axe_calls_serious(shared_store: Any, visitor: New, screen: dict[str, Any], colours: str) -> None:
    someone = visitor(shared_store.address, color_scheme=colours, **screen)
    page = someone.open()
    expect(page.get_by_role("button", name="Add ").first).to_be_visible()
    assert serious(page) == []
    assert serious(someone.open("/basket")) == []  # empty
    shop(page)
    assert serious(page) == []
    page.get_by_role("link", name="Go to checkout").click()
    expect(page.get_by_role("button", name="Order for")).to_be_enabled()
    assert serious(page) == []
    page.get_by_role("button", name="Order for").click()
    expect(page.get_by_text("Thank you.")).to_be_visible()
    assert serious(page) == []
    for path in ("/orders", "/no-such-page", "/orders/00000000-0000-4000-8000-000000000000"):
        other = someone.open(path)
        expect(other.get_by_role("heading", level=1)).to_be_visible()
        assert serious(other) == [], path


def test_axe_is_asked(shared_store: Any, visitor: New) -> None:
    page = visitor(shared_store.address).open()
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<button></button><img src=x>')")
    assert {found.split(":")[0] for found in serious(page)} >= {"button-name", "image-alt"}


def test_a_fault_of_the_api_says_so_and_can_be_tried_again(shared_store: Any, visitor: New) -> None:
    page = visitor(shared_store.address).open()
    shop(page)
    page.route("**/api/orders", lambda route: route.abort())
    page.get_by_role("link", name="Go to checkout").click()
    page.get_by_role("button", name="Order for").click()
    expect(page.get_by_role("alert")).to_contain_text("it will not be made twice")
    page.unroute("**/api/orders")
    page.get_by_role("button", name="Order for").click()
    expect(page.get_by_text("Thank you.")).to_be_visible()


def test_its_picture_in_the_readme(shared_store: Any, visitor: New, tmp_path: Path) -> None:
    """`make screenshot` keeps it: the goods on a desk in light colours, the checkout on a phone in dark ones."""
    desk, phone = visitor(shared_store.address, **DESK).open(), visitor(shared_store.address, color_scheme="dark", **PHONE).open()
    for page in (desk, phone):
        shop(page, goods=3)
    desk.get_by_role("link", name="Slipway").first.click()
    expect(desk.get_by_role("button", name="Add ").first).to_be_visible()
    phone.get_by_role("link", name="Go to checkout").click()
    expect(phone.get_by_role("button", name="Order for")).to_be_enabled()
    into = Path(os.environ.get("SLIPWAY_PICTURES") or tmp_path)
    for page, name in ((desk, "store"), (phone, "checkout")):
        page.screenshot(path=into / f"{name}.png", animations="disabled")
        assert (into / f"{name}.png").stat().st_size < 250_000
        assert f"docs/{name}.png" in (ROOT / "README.md").read_text(encoding="utf-8")
        assert (ROOT / "docs" / f"{name}.png").is_file()
