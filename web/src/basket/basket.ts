// What a person means to buy, and its rules. Pure; the store of it is at the end.
import type { Schemas } from '../api/client.ts';
import { stored } from '../client/stored.ts';

type Line = Schemas['BasketLine'];

export interface Basket {
  lines: Line[];
  coupon: string | null;
}

/** The contract's bounds; a test compares. */
export const LINES_MAX = 50;
export const QUANTITY_MAX = 1000;
export const PRODUCT_ID_MAX = 2 ** 31 - 1;
export const COUPON_MAX = 64;

export const EMPTY: Basket = { lines: [], coupon: null };

export const pieces = (basket: Basket) => basket.lines.reduce((sum, line) => sum + line.quantity, 0);

export const quantityOf = (basket: Basket, productId: number) => basket.lines.find((line) => line.product_id === productId)?.quantity ?? 0;

/** Zero removes. A full basket takes no new product. */
export function withQuantity(basket: Basket, productId: number, quantity: number): Basket {
  const line = { product_id: productId, quantity: Math.min(Math.trunc(quantity), QUANTITY_MAX) };
  const known = quantityOf(basket, productId) > 0;
  if (!(line.quantity >= 1)) return { ...basket, lines: basket.lines.filter((other) => other.product_id !== productId) };
  if (known) return { ...basket, lines: basket.lines.map((other) => (other.product_id === productId ? line : other)) };
  return basket.lines.length < LINES_MAX ? { ...basket, lines: [...basket.lines, line] } : basket;
}

export function withCoupon(basket: Basket, typed: string): Basket {
  const coupon = Array.from(typed).filter((letter) => letter >= ' ' && letter !== '\x7f').join('').trim().slice(0, COUPON_MAX);
  return { ...basket, coupon: coupon || null };
}

/** Takes what can be kept of anything; drops what breaks a rule, whoever wrote it. */
export function validBasket(found: unknown): Basket {
  const { lines, coupon }: Record<string, unknown> = Object(found);
  const kept = (Array.isArray(lines) ? lines : []).filter(isLine);
  const basket = kept.reduce((sum, { product_id, quantity }) => withQuantity(sum, product_id, quantityOf(sum, product_id) + quantity), EMPTY);
  return withCoupon(basket, typeof coupon === 'string' ? coupon : '');
}

function isLine(found: unknown): found is Line {
  const { product_id, quantity }: Record<string, unknown> = Object(found);
  return within(product_id, PRODUCT_ID_MAX) && within(quantity, QUANTITY_MAX);
}

function within(found: unknown, max: number): boolean {
  return typeof found === 'number' && Number.isInteger(found) && found >= 1 && found <= max;
}

export function request(basket: Basket, country: Schemas['Country']): Schemas['BasketRequest'] {
  return { country, lines: basket.lines, ...(basket.coupon && { coupon: basket.coupon }) };
}

export const basketStore = stored('basket', validBasket);
