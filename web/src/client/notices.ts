// What answers say about this build of the app: it will be too old some day, or is now.
import { signal } from './signal.ts';

export const TOO_OLD = '/problems/client-too-old';

export interface Notice {
  tooOld: boolean;
  /** When the API stops to answer us, where it said so. */
  sunset: Date | null;
}

export const notice = signal<Notice | null>(null);

export function tooOld(): void {
  notice.set({ tooOld: true, sunset: null });
}

/** Deprecation is RFC 9745 (`@unixtime`), Sunset RFC 8594 (a date as HTTP writes it). */
export function heed(headers: Headers): void {
  if (notice.get() || !(headers.has('deprecation') || headers.has('sunset'))) return;
  const sunset = new Date(headers.get('sunset') ?? NaN);
  notice.set({ tooOld: false, sunset: Number.isNaN(sunset.getTime()) ? null : sunset });
}
