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

function likely(): Country {
  const region = new Intl.Locale(navigator.language || 'en').region;
  return isCountry(region) ? region : 'DE';
}

export const countryStore = stored<Country>('country', (found) => (isCountry(found) ? found : likely()));
