"""An arrival -> the request that a shopper's browser would send."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from drill.load.schedule import Arrival
from drill.load.users import country

COUPONS = ("WELCOME10", " welcome10", "ThreeForTwo ", "GRANDMA")  # the last one is none
ORDERS_KEPT = 20  # per user, the latest ones: enough to read back, bounded for a long run


@dataclass(frozen=True)
class Request:
    op: str
    method: str
    path: str
    user: str
    body: dict[str, Any] | None = None
    key: str | None = None

    def headers(self) -> dict[str, str]:
        own = {"x-client-id": self.user}
        return own | {"Idempotency-Key": self.key} if self.key else own


@dataclass
class Shop:
    """What shoppers know: the products on offer, and each one's own orders."""

    products: Sequence[Any]
    orders: dict[str, list[str]] = field(default_factory=dict)
    coupons_pct: int = 0

    def request(self, arrival: Arrival) -> Request:
        user, where = arrival.user, f"country={country(arrival.user)}"
        match arrival.op:
            case "product":
                return Request("product", "GET", f"/api/products/{self._pick(arrival)}?{where}", user)
            case "quote":
                return Request("quote", "POST", "/api/quotes", user, self._basket(arrival))
            case "order":
                return Request("order", "POST", "/api/orders", user, self._basket(arrival), arrival.key)
            case "order_get" if user in self.orders:
                return Request("order_get", "GET", f"/api/orders/{self._own_order(arrival)}", user)
            case _:  # a list, or a user who wants to see an order and has none yet
                return Request("list", "GET", f"/api/products?{where}", user)

    def ordered(self, user: str, order: str) -> None:
        kept = self.orders.setdefault(user, [])
        kept.append(order)
        del kept[:-ORDERS_KEPT]

    def _pick(self, arrival: Arrival, step: int = 0) -> Any:
        return self.products[(int(arrival.dice * len(self.products)) + step) % len(self.products)]

    def _basket(self, arrival: Arrival) -> dict[str, Any]:
        """One to three different products, one to three of each."""
        different = min(1 + int(arrival.dice * 1000) % 3, len(self.products))
        quantity = 1 + int(arrival.dice * 10_000) % 3
        lines = [{"product_id": self._pick(arrival, step), "quantity": quantity} for step in range(different)]
        return {"country": country(arrival.user), "lines": lines, **self._coupon(arrival)}

    def _coupon(self, arrival: Arrival) -> dict[str, Any]:
        number = int(arrival.dice * 1_000_000)
        return {"coupon": COUPONS[number // 100 % len(COUPONS)]} if number % 100 < self.coupons_pct else {}

    def _own_order(self, arrival: Arrival) -> str:
        own = self.orders[arrival.user]
        return own[int(arrival.dice * len(own))]
