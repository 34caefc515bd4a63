import { render } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import axe from 'axe-core';
import { vi } from 'vitest';
import { queryClient } from '../api/queries.ts';
import { App } from '../app.tsx';
import { countryStore } from '../basket/country.ts';
import { FakeStore } from './store.ts';

/** The whole app at an address, against a store in memory; retries do not wait. */
export function open(path: string, store = new FakeStore()) {
  vi.stubGlobal('fetch', store.fetch);
  history.replaceState(null, '', path);
  countryStore.set('DE');
  const cache = queryClient();
  const { queries, mutations } = cache.getDefaultOptions();
  cache.setDefaultOptions({ queries: { ...queries, retryDelay: 0 }, mutations: { ...mutations, retryDelay: 0 } });
  render(<App cache={cache} />);
  return { store, user: userEvent.setup() };
}

/** What axe finds in the page; jsdom does not lay out, so colours are for the tests in a real browser. */
export async function violations(): Promise<string[]> {
  document.documentElement.lang = 'en';
  const { violations: found } = await axe.run(document, { rules: { 'color-contrast': { enabled: false } } });
  return found.map(({ id, nodes }) => `${id}: ${nodes[0]?.html}`);
}
