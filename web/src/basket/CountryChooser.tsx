import { useSignal } from '../client/signal.ts';
import { announce } from '../ui/announce.ts';
import { COUNTRIES, countryStore, isCountry, withArticle } from './country.ts';

function choose(chosen: string): void {
  if (!isCountry(chosen)) return;
  countryStore.set(chosen);
  announce(`Prices are for ${withArticle(chosen)} now.`);
}

export function CountryChooser() {
  const country = useSignal(countryStore);
  return (
    <label className="country">
      <span>Deliver to</span>
      <select value={country} onChange={(event) => choose(event.target.value)}>
        {Object.entries(COUNTRIES).map(([code, name]) => (
          <option key={code} value={code}>
            {name}
          </option>
        ))}
      </select>
    </label>
  );
}
