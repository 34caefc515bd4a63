import { cleanup } from '@testing-library/react';
import { afterEach, beforeEach, vi } from 'vitest';
import { notice } from '../client/notices.ts';

beforeEach(() => {
  vi.stubGlobal('scrollTo', () => {}); // jsdom has none
});

afterEach(() => {
  cleanup();
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
  localStorage.clear();
  sessionStorage.clear();
  notice.set(null);
  document.cookie = 'client-id=; Path=/; Max-Age=0';
});
