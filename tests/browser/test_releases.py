"""Two releases in one browser: tabs that stay open, pages of one with the API of the other, lanes, and what is gone."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import httpx
import pytest
import yaml
from playwright.sync_api import Page, Request, Route, expect

from browser.conftest import ROOT, Visitor, check_out, shop
from release.home import short

pytestmark = [pytest.mark.real, pytest.mark.browser]
New = Callable[..., Visitor]
USERS = [f"lane-{number}" for number in range(24)]


class Releases(NamedTuple):
    """Digests. `previous` is what users got last, by api/contract/released.commit; `tree` is this tree's; `other` is that with another bundle."""

    previous: str
    tree: str
    other: str

    def other_than(self, digest: str) -> str:
        return self.tree if digest == self.other else self.other


@pytest.fixture(scope="module")
def shared_store(new_store: Callable[[], Any]) -> Any:
    """It serves the last release, as production does before this tree goes there."""
    store = new_store()
    previous = store.run("build", "--commit", last_release())["digest"]
    store.address = store.run("up", "--port", "0", "--first", previous)["address"]
    return store


@pytest.fixture(scope="module")
def releases(shared_store: Any) -> Releases:
    """The tree's serves everyone, the previous one is warm."""
    patch = shared_store.folder / "other.patch"
    patch.write_text(OTHER_WORDS)
    previous, tree = shared_store.serves(), shared_store.build()
    with shared_store.traffic():
        shared_store.run("deploy", tree, "--reason", "a test needs both")
    return Releases(previous, tree, str(shared_store.run("build", "--patch", str(patch))["digest"]))


def last_release() -> str:
    commit = (ROOT / "api" / "contract" / "released.commit").read_text().strip()
    if subprocess.run(["git", "cat-file", "-e", commit], cwd=ROOT, check=False, capture_output=True).returncode:
        pytest.skip(f"The last release's commit {commit} is not here: `git fetch --unshallow`, or `python -m contract release` in a fork.")
    return commit


OTHER_WORDS = """\
--- a/web/src/app.tsx
+++ b/web/src/app.tsx
@@ -1,1 +1,2 @@
+// Another release.
 import { QueryClientProvider, type QueryClient } from '@tanstack/react-query';
"""


def pinned(page: Page, *, pages: str, api: str) -> None:
    """Documents and assets come from one release, calls are answered by another, each through the real edge."""

    def onward(route: Route) -> None:
        release = api if "/api/" in route.request.url else pages
        route.continue_(headers={**route.request.headers, "x-release": short(release)})

    page.route("**/*", onward)


@pytest.mark.parametrize(("pages", "api"), [("previous", "tree"), ("tree", "previous")])
def test_pages_of_one_release_work_with_the_api_of_the_other(
    shared_store: Any, releases: Releases, visitor: New, pages: str, api: str
) -> None:
    someone = visitor(shared_store.address)
    page = someone.context.new_page()
    pinned(page, pages=getattr(releases, pages), api=getattr(releases, api))
    page.goto(f"{shared_store.address}/")
    shop(page, goods=2)
    check_out(page)
    page.get_by_role("link", name="All your orders").click()
    expect(page.get_by_role("link", name="Order ")).to_have_count(1)
    assert someone.complaints == []
    assert someone.releases("/assets/") == {short(getattr(releases, pages))}
    assert someone.releases("/api/products") == {short(getattr(releases, api))}


def test_a_tab_opened_before_a_switch_goes_on_after_it(shared_store: Any, releases: Releases, visitor: New) -> None:
    before = shared_store.serves()
    after = releases.other_than(before)
    someone = visitor(shared_store.address)
    page = someone.open()
    build = page.locator("meta[name=build]").get_attribute("content")
    shop(page)
    with shared_store.traffic():
        shared_store.run("deploy", after, "--reason", "test")
    assert shared_store.serves() == after
    someone.calls.clear()
    check_out(page)  # with chunks that this tab had not loaded yet
    assert page.locator("meta[name=build]").get_attribute("content") == build
    assert someone.complaints == []
    assert {call.split(" ")[0] for call in someone.calls} <= {"200", "201", "204", "304"}
    assert someone.releases("/api/orders") == {short(after)}
    page.reload()
    expect(page.get_by_role("heading", level=1, name="Order ")).to_be_visible()
    assert page.locator("meta[name=build]").get_attribute("content") != build


def test_a_page_that_is_too_old_offers_to_load_again(shared_store: Any, visitor: New) -> None:
    page = visitor(shared_store.address).open()
    expect(page.get_by_role("button", name="Add ").first).to_be_visible()
    page.route("**/api/quotes", lambda route: route.continue_(headers={**route.request.headers, "x-client-build": "0.of-long-ago"}))
    page.get_by_role("button", name="Add ").first.click()
    page.get_by_role("link", name="Basket").click()
    banner = page.get_by_role("alert").filter(has_text="too old")
    expect(banner).to_contain_text("your basket is kept")
    page.unroute("**/api/quotes")
    banner.get_by_role("button", name="Reload").click()
    expect(page.get_by_role("region", name="Cost").get_by_text("Total")).to_be_visible()
    expect(page.get_by_role("alert")).to_have_count(0)


def test_a_farewell_is_quiet_and_can_be_put_off(shared_store: Any, visitor: New) -> None:
    page = visitor(shared_store.address).context.new_page()

    def deprecated(route: Route) -> None:
        answer = route.fetch()
        told = {"deprecation": "@1767225600", "sunset": "Fri, 01 Jan 2027 00:00:00 GMT"}
        route.fulfill(response=answer, headers={**answer.headers, **told})

    page.route("**/api/products*", deprecated)
    page.goto(shared_store.address)
    banner = page.get_by_role("status").filter(has_text="newer version")
    expect(banner).to_contain_text("2027")
    banner.get_by_role("button", name="Later").click()
    expect(banner).to_have_count(0)
    shop(page)


def test_a_chunk_that_is_gone_reloads_the_page_once_and_never_in_a_loop(shared_store: Any, visitor: New) -> None:
    page = visitor(shared_store.address).open()
    shop(page)
    documents: list[str] = []

    def loaded(request: Request) -> None:
        if request.is_navigation_request():
            documents.append(request.url)

    page.on("request", loaded)
    page.route("**/assets/CheckoutPage-*.js", lambda route: route.fulfill(status=404))
    page.get_by_role("link", name="Go to checkout").click()
    expect(page.get_by_role("heading", name="This page broke")).to_be_visible()
    assert [url.rpartition("/")[2] for url in documents] == ["checkout"]
    page.unroute("**/assets/CheckoutPage-*.js")
    page.get_by_role("button", name="Reload the page").click()
    expect(page.get_by_role("button", name="Order for")).to_be_enabled()


def test_what_breaks_before_the_page_shows_anything_is_told(shared_store: Any, visitor: New) -> None:
    someone = visitor(shared_store.address)
    page = someone.context.new_page()

    def with_a_bug(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, body=answer.text() + "\nnull.bug;")

    page.route("**/assets/index-*.js", with_a_bug)
    with page.expect_response(lambda answer: answer.status == 202) as told:
        page.goto(shared_store.address)
    assert told.value.request.post_data_json["first"] is True


class HalfWay(NamedTuple):
    switch: str
    baseline: str  # twelve hex digits, as answers name them
    canary: str


@pytest.fixture(params=["weighted", "at_once"])
def half_way(request: pytest.FixtureRequest, shared_store: Any, releases: Releases) -> Iterator[HalfWay]:
    """A rollout at 50 %, under a policy with this switch."""
    value = yaml.safe_load(shared_store.policy.read_text())
    path = shared_store.folder / f"{request.param}.yaml"
    path.write_text(yaml.safe_dump({**value, "web": {"switch": request.param}}))
    baseline = shared_store.serves()
    canary = releases.other_than(baseline)
    engine = shared_store.at_weight(canary, 50, SLIPWAY_POLICY=str(path))
    yield HalfWay(request.param, short(baseline), short(canary))
    shared_store.run("abort", "--reason", "seen enough", SLIPWAY_POLICY=str(path))
    engine.wait(60)
    shared_store.reset()


def test_pages_switch_by_weight_or_at_once_and_each_user_stays_in_a_lane(shared_store: Any, visitor: New, half_way: HalfWay) -> None:
    lanes = {user: lane(shared_store.address, user) for user in USERS}
    assert {api for _, api in lanes.values()} == {half_way.baseline, half_way.canary}
    if half_way.switch == "weighted":
        assert all(pages == api for pages, api in lanes.values())
    else:
        assert {pages for pages, _ in lanes.values()} == {half_way.baseline}
    in_the_canary = next(user for user, (_, api) in lanes.items() if api == half_way.canary)
    someone = visitor(shared_store.address).who(in_the_canary)
    page = someone.open()
    shop(page)
    check_out(page)
    assert someone.complaints == []
    assert someone.releases("/api/") == {half_way.canary}
    assert someone.releases("/assets/") == {lanes[in_the_canary][0]}


def lane(address: str, user: str) -> tuple[str, str]:
    """Who serves a user's documents, and who answers the calls."""
    with httpx.Client(base_url=address, trust_env=False) as client:
        page = client.get("/", headers={"cookie": f"client-id={user}"})
        call = client.get("/api/products?country=DE", headers={"x-client-id": user})
    return page.headers["x-release"], call.headers["x-release"]
