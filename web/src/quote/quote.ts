import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { answer, api } from '../api/client.ts';
import { basketStore, request } from '../basket/basket.ts';
import { countryStore } from '../basket/country.ts';
import { useSignal } from '../client/signal.ts';

/** What the basket costs, always by the API's word; while it thinks about a change, the answer before stays in sight. */
export function useQuote() {
  const body = request(useSignal(basketStore), useSignal(countryStore));
  const quote = useQuery({
    queryKey: ['quote', body],
    queryFn: ({ signal }) => answer(api.POST('/api/quotes', { body, signal })),
    enabled: body.lines.length > 0,
    placeholderData: keepPreviousData,
  });
  return { ...quote, body };
}
