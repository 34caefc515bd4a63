import { afterEach, expect, it, vi } from 'vitest';
import { countryStore } from './country.ts';

afterEach(() => vi.restoreAllMocks());

it.each([
  ['de-CH', 'CH'],
  ['en-US@posix', 'US'],
  ['zh-Hans-CN', 'DE'],
  ['en', 'DE'],
  ['', 'DE'],
  ['x-!', 'DE'],
])('%j makes %s likely, until a person chooses', (language, country) => {
  vi.spyOn(navigator, 'language', 'get').mockReturnValue(language);
  localStorage.setItem('country', `"none ${language}"`); // whatever is no country is forgotten
  expect(countryStore.get()).toBe(country);
  countryStore.set('FR');
  expect(countryStore.get()).toBe('FR');
});
