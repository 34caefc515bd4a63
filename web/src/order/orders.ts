import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { answer, api } from '../api/client.ts';
import { clientId } from '../client/identity.ts';

const PAGE = 10;

/** Carried along to the order's page: just placed, or found to be placed before. */
export interface Arrival {
  placed: 'now' | 'before';
}

export const orderKey = (id: string) => ['order', id] as const;

/** An order never changes. */
export function useOrder(id: string) {
  return useQuery({
    queryKey: orderKey(id),
    queryFn: ({ signal }) =>
      answer(api.GET('/api/orders/{order_id}', { params: { path: { order_id: id }, header: { 'x-client-id': clientId() } }, signal })),
    staleTime: Infinity,
  });
}

export function useOrders() {
  return useInfiniteQuery({
    queryKey: ['orders'],
    queryFn: ({ pageParam: cursor, signal }) =>
      answer(api.GET('/api/orders', { params: { query: { limit: PAGE, cursor }, header: { 'x-client-id': clientId() } }, signal })),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor,
    staleTime: 0,
  });
}
