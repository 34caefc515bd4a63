import { expect, it } from 'vitest';
import { routePattern } from './routes.ts';

it.each([
  ['/', '/'],
  ['/basket', '/basket'],
  ['/orders', '/orders'],
  ['/ops', '/ops'],
  ['/orders/3f2b8c1e-9a4d-4c7b-8e21-0d5a6f7b8c9d', '/orders/:id'],
  ['/orders/1/2', '*'],
  ['/ann@example.org', '*'],
])('%s is on the page %s', (path, pattern) => {
  expect(routePattern(path)).toBe(pattern);
});
