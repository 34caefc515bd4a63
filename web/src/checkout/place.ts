import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useLocation } from 'wouter';
import { api, exchange, type Schemas } from '../api/client.ts';
import { Fault } from '../api/problem.ts';
import { basketStore, EMPTY } from '../basket/basket.ts';
import { clientId } from '../client/identity.ts';
import { orderKey, type Arrival } from '../order/orders.ts';
import { orderPath } from '../routes.ts';
import { keyFor, settle } from './attempt.ts';

type Placed = { order: Schemas['Order']; replayed: boolean };

async function place(body: Schemas['BasketRequest']): Promise<Placed> {
  const header = { 'x-client-id': clientId(), 'Idempotency-Key': keyFor(body) };
  const { data, response } = await exchange(api.POST('/api/orders', { body, params: { header } }));
  return { order: data, replayed: response.headers.get('idempotent-replayed') === 'true' };
}

/** Orders and goes to the order's page. */
export function usePlace() {
  const cache = useQueryClient();
  const [, go] = useLocation();
  return useMutation({
    mutationFn: place,
    onSuccess: async ({ order, replayed }) => {
      settle();
      cache.setQueryData(orderKey(order.id), order);
      const state: Arrival = { placed: replayed ? 'before' : 'now' };
      go(orderPath(order.id), { state });
      basketStore.set(EMPTY);
      await cache.invalidateQueries({ queryKey: ['orders'] });
    },
    onError: (error) => {
      if (error instanceof Fault && error.is('/problems/key-reused')) settle();
    },
  });
}
