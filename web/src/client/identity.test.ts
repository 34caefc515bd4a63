import { expect, it } from 'vitest';
import { clientId, introduce } from './identity.ts';

it('is random, stays, and is a cookie too', () => {
  const id = clientId();
  expect(id).toMatch(/^[0-9a-f]{32}$/);
  introduce();
  expect(clientId()).toBe(id);
  expect(document.cookie).toBe(`client-id=${id}`);
});

it('comes back from the cookie when storage was cleared', () => {
  document.cookie = 'client-id=u0001; Path=/';
  expect(clientId()).toBe('u0001');
});

it('is made anew where what is stored is no id', () => {
  localStorage.setItem('client-id', '"a b"');
  document.cookie = 'client-id=a b; Path=/';
  expect(clientId()).toMatch(/^[0-9a-f]{32}$/);
});
