// In a file of its own: a page sends only so many reports.
import { screen, waitFor } from '@testing-library/react';
import { expect, it } from 'vitest';
import { open } from './test/open.tsx';
import { FakeStore, problem } from './test/store.ts';

const unavailable = () => problem(503, 'database-away', 'The database does not answer.');

it('a failed call is told to the API without anybody’s data', async () => {
  const store = new FakeStore();
  const id = '00000000-0000-4000-8000-00000000ffff';
  store.failNext(`/api/orders/${id}`, unavailable(), unavailable(), unavailable());
  open(`/orders/${id}`, store);
  await screen.findByRole('alert');
  await waitFor(() => expect(store.reports).toHaveLength(1), { timeout: 5000 });
  const message = 'refused 503 /problems/database-away';
  expect(store.reports[0]).toEqual({ build: 'unknown', kind: 'api', message, where: '/orders/:id', correlation_id: 'badcafe0badcafe0', count: 3, first: true });
});
