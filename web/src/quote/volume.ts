// From so many pieces of one product on, so many percent off: the API's rule, retold. Nothing is reckoned with it here; a test compares.
import type { Schemas } from '../api/client.ts';

export const VOLUME_DISCOUNTS: readonly (readonly [pieces: number, percent: number])[] = [
  [3, 5],
  [10, 10],
];

/** What a few more pieces would bring, where there is a next step. */
export function nextDiscount(quantity: number): { more: number; percent: number } | null {
  const next = VOLUME_DISCOUNTS.find(([pieces]) => pieces > quantity);
  return next ? { more: next[0] - quantity, percent: next[1] } : null;
}

/** The part of a discount that is for the number of pieces. An API from before it does not name it. */
export function volumeDiscount(totals: Partial<Pick<Schemas['Quote'], 'volume_discount_cents'>>): number {
  return totals.volume_discount_cents ?? 0;
}
