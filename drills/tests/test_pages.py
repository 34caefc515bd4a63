"""The client that runs pages, against a small shop of its own on a real socket."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from drill.pages.browsers import SHOPPERS_MAX
from drill.pages.modules import modules
from drill.samples import read
from drill.scenario import Load
from drill.traffic import Traffic
from release.home import Home

pytestmark = pytest.mark.real

DOCUMENT = '<!doctype html><main id="root"></main><script type="module" src="/assets/shop.js"></script>'
SHARED = "export const main = document.querySelector('main'); export const show = (html) => { main.innerHTML = html; };"
SHOP = """
import { main, show } from '/assets/shared.js';
const told = (kind) => fetch('/api/client-errors', { method: 'POST', keepalive: true, body: JSON.stringify({ kind }) });
addEventListener('unhandledrejection', (event) => { told('rejection ' + event.reason.message); show('<p role="alert">We have been told.</p>'); });
addEventListener('error', (event) => { told('error ' + event.error.message); show('<p role="alert">We have been told.</p>'); });
document.addEventListener('visibilitychange', () => told('left'));
const user = JSON.parse(localStorage.getItem('client-id'));
document.cookie = `client-id=${user}; Path=/`;
const goods = await (await fetch(new Request('/api/products'))).json();
show(goods.map((name) => `<button aria-label="Add ${name}"></button>`).join('') + '<a href="/basket"></a>');
main.querySelector('a').onclick = () => {
  show('<dl class="breakdown" aria-busy="false"></dl><a href="/checkout"></a>');
  main.querySelector('a').onclick = checkout;
};
const checkout = () => {
  show('<button>Order for 3</button>');
  main.querySelector('button').onclick = order;
};
const order = async () => {
  BUG;
  const { place } = await import('/assets/order.js');
  show(`<h1>Order ${(await place()).id}</h1>`);
};
"""
ORDER = """
import { main } from '/assets/shared.js';
export const place = async () => (await fetch('/api/orders', { method: 'POST', headers: { 'idempotency-key': crypto.randomUUID() }, body: '{}' })).json();
"""


class SmallShop:
    """`bug` stands where the order is placed. Notes (method and path, cookie) of each request, and the reports of pages."""

    def __init__(self, bug: str = "", failing: str = "none") -> None:
        self.asked: list[tuple[str, str]] = []
        self.reports: list[str] = []
        served = {"/": DOCUMENT, "/assets/shop.js": SHOP.replace("BUG", bug), "/assets/shared.js": SHARED, "/assets/order.js": ORDER}
        shop = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                shop.asked.append((f"{self.command} {self.path}", self.headers.get("cookie", "")))
                if self.path == "/api/client-errors":
                    shop.reports.append(json.loads(body)["kind"])
                said = {"/api/products": '["Lamp"]', "/api/orders": '{"id": "7"}', "/api/client-errors": ""} | served
                self.send_response(500 if self.path == failing else 200)
                self.send_header("x-release", "0123456789ab")
                self.send_header("content-length", str(len(said[self.path])))
                self.end_headers()
                self.wfile.write(said[self.path].encode())

            do_GET = do_POST = answer

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def shop_with(request):
    def start(**how):
        shop = SmallShop(**how)
        request.addfinalizer(shop.server.server_close)
        request.addfinalizer(shop.server.shutdown)
        return shop

    return start


@pytest.fixture
def visit(tmp_path):
    """So many shoppers visit; the responses and what the client says of itself. However the test ends, nothing of it runs on."""
    modules(Home.find())
    started = []

    def send(shop, shoppers, rate_per_s=30):
        load = Load(client="pages", rate_per_s=rate_per_s, users=50, seed=2, max_s=(shoppers - 0.5) / rate_per_s)
        started.append(Traffic.start(shop.address, load, tmp_path / "samples.jsonl", tmp_path / "load.log"))
        started[0].process.wait(60)
        return read(tmp_path / "samples.jsonl"), started[0].stop()

    yield send
    for one in started:
        one.stop()


def ops(responses):
    return Counter((response.op, response.status) for response in responses)


def test_each_shopper_runs_the_page_from_the_document_to_the_order(shop_with, visit):
    shop = shop_with()
    responses, totals = visit(shop, 10)
    assert {pair: count for pair, count in ops(responses).items() if pair[0] != "asset"} == {
        ("page", 200): 10,
        ("list", 200): 10,
        ("order", 200): 10,
    }
    assert totals.answered == 10
    assert {response.order for response in responses if response.op == "order"} == {"7"}
    assert {response.release for response in responses} == {"0123456789ab"}
    assert {cookie.startswith("client-id=u0") for what, cookie in shop.asked if not what.startswith("GET /assets")} == {True}
    assert shop.reports == 10 * ["left"]


def test_scripts_are_kept_as_a_browser_keeps_them(shop_with, visit):
    shop = shop_with()
    visit(shop, 20)
    assert Counter(what for what, _ in shop.asked)["GET /assets/shop.js"] <= 3  # one for each process


@pytest.mark.parametrize(
    ("bug", "report"),
    [
        ("undefined.x", "rejection Cannot read properties of undefined (reading 'x')"),
        ("setTimeout(() => { throw new Error('late') })", "error late"),
    ],
)
def test_what_nobody_catches_reaches_the_page_and_breaks_the_journey(shop_with, visit, bug, report):
    shop = shop_with(bug=bug)
    responses, _ = visit(shop, 4)
    broken = [response for response in responses if response.failed]
    assert len(broken) == 4
    assert {(response.op, response.error, response.release) for response in broken} == {
        ("checkout", "the page shows: We have been told.", "0123456789ab")
    }
    assert Counter(shop.reports) == {report: 4, "left": 4}


def test_a_call_that_fails_is_one_failure_and_not_two(shop_with, visit):
    responses, _ = visit(shop_with(failing="/api/products"), 3)
    failed = [response for response in responses if response.failed]
    assert {(response.op, response.status) for response in failed} == {("list", 500)}
    assert len(failed) == 3


def test_processes_come_and_go_without_a_lost_shopper(shop_with, visit):
    """Whom a busy machine had no place for is counted as dropped; everybody else gets to the order."""
    shop, shoppers = shop_with(), 2 * SHOPPERS_MAX
    responses, totals = visit(shop, shoppers, rate_per_s=10)
    assert totals.arrivals == shoppers
    assert (totals.answered, totals.unfinished) == (shoppers - totals.dropped, 0)
    assert ops(responses)["order", 200] == totals.answered
    if totals.answered > 1.5 * SHOPPERS_MAX:
        assert Counter(what for what, _ in shop.asked)["GET /assets/shop.js"] >= 3, "each process has its own"


def test_it_ends_when_whoever_started_it_is_gone(shop_with, tmp_path):
    modules(Home.find())
    shop = shop_with()
    running = Traffic.start(shop.address, Load(client="pages", rate_per_s=5, max_s=60), tmp_path / "samples.jsonl", tmp_path / "load.log")
    end_s = time.monotonic() + 30
    while not shop.asked and time.monotonic() < end_s:
        time.sleep(0.05)
    assert shop.asked
    running.process.stdin.close()
    assert running.process.wait(20) == 0
