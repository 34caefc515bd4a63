import { describe, expect, it } from 'vitest';
import { KEPT_MS, keyFor, settle } from './attempt.ts';

const order = { country: 'DE' as const, lines: [{ product_id: 1, quantity: 1 }] };
const other = { ...order, coupon: 'WELCOME10' };

describe('the key of an attempt to order', () => {
  it('stays the same until it is settled', () => {
    const key = keyFor(order);
    expect(key).toMatch(/^[0-9a-f]{32}$/);
    expect(keyFor(structuredClone(order))).toBe(key);
    settle();
    expect(keyFor(order)).not.toBe(key);
  });

  it('is another one for another order', () => {
    expect(keyFor(other)).not.toBe(keyFor(order));
  });

  it('ends after a day', () => {
    const key = keyFor(order, 0);
    expect(keyFor(order, KEPT_MS - 1)).toBe(key);
    expect(keyFor(order, KEPT_MS)).not.toBe(key);
  });

  it.each(['{', '"x"', '{"key":"a b","body":"","since_ms":0}', '{"key":7}'])('is made anew where storage holds %s', (text) => {
    localStorage.setItem('attempt', text);
    expect(keyFor(order)).toMatch(/^[0-9a-f]{32}$/);
  });
});
