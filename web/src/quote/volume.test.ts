import { expect, it } from 'vitest';
import { nextDiscount, volumeDiscount } from './volume.ts';

it.each([
  [1, { more: 2, percent: 5 }],
  [2, { more: 1, percent: 5 }],
  [3, { more: 7, percent: 10 }],
  [9, { more: 1, percent: 10 }],
  [10, null],
  [1000, null],
])('with %i pieces the next discount is %j', (quantity, next) => {
  expect(nextDiscount(quantity)).toEqual(next);
});

it('an API from before the rule gives none', () => {
  expect(volumeDiscount({})).toBe(0);
});
