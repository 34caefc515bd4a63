import { useQuery } from '@tanstack/react-query';
import { answer, api, type Schemas } from '../api/client.ts';
import type { Country } from '../basket/country.ts';

export type Product = Schemas['Product'];

export function useProducts(country: Country) {
  return useQuery({
    queryKey: ['products', country],
    queryFn: ({ signal }) => answer(api.GET('/api/products', { params: { query: { country } }, signal })),
    select: (page) => page.items,
  });
}

/** By id. While they load, and for what is no longer sold, a plain name. */
export function useProductNames(country: Country): (productId: number) => string {
  const { data = [] } = useProducts(country);
  return (productId) => data.find((product) => product.id === productId)?.name ?? `Product ${productId}`;
}
