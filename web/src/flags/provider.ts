// In a chunk of its own: a page shows itself before it knows the flags.
import { OFREPWebProvider } from '@openfeature/ofrep-web-provider';
import type { Provider } from '@openfeature/web-sdk';

export interface Asked {
  fetch: typeof fetch;
  query: URLSearchParams;
  headers: () => Promise<[string, string][]>;
}

/** Keeps nothing on disk: a flag that was killed must not come back from there, not even when the API is away. `network-first` would do that. */
export function ofrep({ fetch: fetchImplementation, query, headers }: Asked): Provider {
  const provider = new OFREPWebProvider({
    baseUrl: location.origin,
    query,
    headersFactory: headers,
    fetchImplementation,
    timeoutMs: 5000,
    cacheMode: 'disabled',
    changeDetection: 'none', // we listen ourselves, and look again when the page is looked at: see README
    disableVisibilityRefresh: true,
  });
  return Object.assign(provider, { hooks: [] }); // its own type says undefined where the interface has nothing
}
