"""Fills `orders.discount_code` in from `orders.coupon`, beside users: the second of three steps, after expand and before contract."""
