import { COUNTRIES } from '../basket/country.ts';

export function money(cents: number, currency: string): string {
  return new Intl.NumberFormat('en', { style: 'currency', currency }).format(cents / 100);
}

const MOMENT = new Intl.DateTimeFormat('en-GB', { dateStyle: 'long', timeStyle: 'short' });
const DAY = new Intl.DateTimeFormat('en-GB', { dateStyle: 'long' });
export const moment = (iso: string) => MOMENT.format(new Date(iso));
export const day = (date: Date) => DAY.format(date);

export const counted = (count: number, one: string, many: string) => `${count} ${count === 1 ? one : many}`;

export const shortId = (id: string) => id.slice(0, 8).toUpperCase();

export const vatName = (country: keyof typeof COUNTRIES) => `VAT, ${COUNTRIES[country]}`;
