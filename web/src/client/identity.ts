// Who this browser is: one random id, no personal data. As a header it owns orders and keeps a user on one lane; as a cookie it does the latter for
// documents and assets, whose requests carry no header of ours.
import { randomId } from './ids.ts';
import { stored } from './stored.ts';

export const COOKIE = 'client-id';
const VALID = /^[A-Za-z0-9._-]{1,64}$/;
const YEAR_S = 365 * 24 * 3600;

const kept = stored<string | null>(COOKIE, (found) => (typeof found === 'string' && VALID.test(found) ? found : null));

export function clientId(): string {
  const known = kept.get();
  if (known) return known;
  const id = fromCookie() ?? randomId();
  kept.set(id);
  return id;
}

/** Once per page, so that the cookie's year begins anew. */
export function introduce(): void {
  const secure = location.protocol === 'https:' ? '; Secure' : '';
  document.cookie = `${COOKIE}=${clientId()}; Path=/; SameSite=Lax; Max-Age=${YEAR_S}${secure}`;
}

function fromCookie(): string | null {
  const found = document.cookie.split('; ').find((pair) => pair.startsWith(`${COOKIE}=`));
  const id = found?.slice(COOKIE.length + 1);
  return id && VALID.test(id) ? id : null;
}
