import { describe, expect, it } from 'vitest';
import contract from '../../openapi.json';
import { COUPON_MAX, EMPTY, LINES_MAX, pieces, PRODUCT_ID_MAX, QUANTITY_MAX, request, validBasket, withCoupon, withQuantity } from './basket.ts';

const line = (product_id: number, quantity: number) => ({ product_id, quantity });

describe('a basket', () => {
  it('has the bounds of the contract', () => {
    const { BasketLine, BasketRequest } = contract.components.schemas;
    expect(BasketLine.properties.product_id.maximum).toBe(PRODUCT_ID_MAX);
    expect(BasketLine.properties.quantity.maximum).toBe(QUANTITY_MAX);
    expect(BasketRequest.properties.lines.maxItems).toBe(LINES_MAX);
    expect(BasketRequest.properties.coupon.anyOf[0]?.maxLength).toBe(COUPON_MAX);
  });

  it('keeps one line for each product, in the order they came', () => {
    const basket = [1, 5, 1].reduce((sum, id) => withQuantity(sum, id, id === 1 ? 2 : 1), EMPTY);
    expect(basket.lines).toEqual([line(1, 2), line(5, 1)]);
    expect(pieces(basket)).toBe(3);
  });

  it('loses a line at zero, and never holds half a piece or too many', () => {
    const basket = withQuantity(EMPTY, 1, 2.9);
    expect(basket.lines).toEqual([line(1, 2)]);
    expect(withQuantity(basket, 1, 0).lines).toEqual([]);
    expect(withQuantity(basket, 1, NaN).lines).toEqual([]);
    expect(withQuantity(basket, 1, 5000).lines).toEqual([line(1, QUANTITY_MAX)]);
  });

  it('takes no more products when it is full, but more of what it has', () => {
    const full = Array.from({ length: LINES_MAX }, (_, at) => at + 1).reduce((sum, id) => withQuantity(sum, id, 1), EMPTY);
    expect(withQuantity(full, 99, 1)).toBe(full);
    expect(pieces(withQuantity(full, 1, 3))).toBe(LINES_MAX + 2);
  });

  it.each([undefined, null, 7, 'x', [], {}, { lines: 'x' }, { lines: [null, 3, 'x'] }])('is empty where nothing usable is stored: %j', (found) => {
    expect(validBasket(found)).toEqual(EMPTY);
  });

  it('keeps what is sound of what is stored', () => {
    const lines = [line(1, 2), line(0, 1), line(2.5, 1), line(3, 0), line(4, 1001), { product_id: '5', quantity: 1 }, line(1, 3), line(6, 1)];
    expect(validBasket({ lines, coupon: 9 })).toEqual({ lines: [line(1, 5), line(6, 1)], coupon: null });
  });

  it('sends a coupon only where there is one, without what the contract refuses', () => {
    const basket = withQuantity(EMPTY, 1, 1);
    expect(request(withCoupon(basket, ' \t '), 'FR')).toEqual({ country: 'FR', lines: [line(1, 1)] });
    expect(request(withCoupon(basket, ' WEL\nCOME10\x7f '), 'FR').coupon).toBe('WELCOME10');
    expect(withCoupon(basket, 'x'.repeat(100)).coupon).toHaveLength(COUPON_MAX);
  });
});
