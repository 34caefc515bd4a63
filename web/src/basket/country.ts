import type { Schemas } from '../api/client.ts';
import { stored } from '../client/stored.ts';

export type Country = Schemas['Country'];

/** All that the contract knows: a new one does not compile until it has a name. */
export const COUNTRIES: Record<Country, string> = {
  AT: 'Austria',
  CH: 'Switzerland',
  DE: 'Germany',
  FR: 'France',
  GB: 'United Kingdom',
  NL: 'Netherlands',
  US: 'United States',
};

/** As it stands in a sentence. */
export const withArticle = (country: Country) => (['GB', 'NL', 'US'].includes(country) ? `the ${COUNTRIES[country]}` : COUNTRIES[country]);

export const isCountry = (found: unknown): found is Country => typeof found === 'string' && Object.hasOwn(COUNTRIES, found);

/** A browser's language may be no language tag at all: with LANG=C, Chromium says `en-US@posix`. */
function likely(): Country {
  const region = /-([A-Z]{2})\b/.exec(navigator.language)?.[1];
  return isCountry(region) ? region : 'DE';
}

export const countryStore = stored<Country>('country', (found) => (isCountry(found) ? found : likely()));
