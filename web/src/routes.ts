// The pages there are. Error reports name a page by its pattern, so that no order's id leaves the browser.
export const ROUTES = {
  products: '/',
  basket: '/basket',
  checkout: '/checkout',
  orders: '/orders',
  order: '/orders/:id',
  ops: '/ops',
} as const;

export const orderPath = (id: string) => `/orders/${id}`;

export function routePattern(path: string): string {
  const plain = Object.values(ROUTES).find((pattern) => pattern === path);
  return plain ?? (/^\/orders\/[^/]+$/.test(path) ? ROUTES.order : '*');
}
