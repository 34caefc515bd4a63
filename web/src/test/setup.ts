import { cleanup } from '@testing-library/react';
import { afterEach, beforeEach, vi } from 'vitest';
import { notice } from '../client/notices.ts';
import { stopFlags } from '../flags/client.ts';

beforeEach(() => {
  vi.stubGlobal('scrollTo', () => {}); // jsdom has none
});

afterEach(async () => {
  cleanup();
  await stopFlags();
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
  localStorage.clear();
  sessionStorage.clear();
  notice.set(null);
  document.cookie = 'client-id=; Path=/; Max-Age=0';
});
