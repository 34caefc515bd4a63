import { describe, expect, it } from 'vitest';
import { heed, notice, tooOld } from './notices.ts';

describe('an answer to an old client', () => {
  it('says nothing where there is nothing to say', () => {
    heed(new Headers());
    expect(notice.get()).toBeNull();
  });

  it('tells until when this build works', () => {
    heed(new Headers({ deprecation: '@1795000000', sunset: 'Sun, 20 Dec 2026 12:00:00 GMT' }));
    expect(notice.get()).toEqual({ tooOld: false, sunset: new Date('2026-12-20T12:00:00Z') });
  });

  it('is heeded without a date, or with one that is none', () => {
    heed(new Headers({ deprecation: '@1795000000', sunset: 'soon' }));
    expect(notice.get()).toEqual({ tooOld: false, sunset: null });
  });

  it('does not become milder again', () => {
    tooOld();
    heed(new Headers({ deprecation: '@1795000000' }));
    expect(notice.get()?.tooOld).toBe(true);
  });
});
