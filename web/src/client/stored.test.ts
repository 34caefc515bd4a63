import { describe, expect, it, vi } from 'vitest';
import { stored } from './stored.ts';

const number = (key: string) => stored(key, (found) => (typeof found === 'number' ? found : 0));

function denied(): never {
  throw new DOMException('denied');
}

describe('a stored value', () => {
  it('survives the page', () => {
    number('a').set(7);
    expect(number('a').get()).toBe(7);
  });

  it.each(['{', '"7"', 'null'])('is valid even where storage holds %s', (text) => {
    localStorage.setItem('a', text);
    expect(number('a').get()).toBe(0);
  });

  it('hears of its own and of other tabs’ changes', () => {
    const value = number('a');
    const heard = vi.fn<() => void>();
    const forget = value.subscribe(heard);
    value.set(1);
    localStorage.setItem('a', '2');
    window.dispatchEvent(new StorageEvent('storage', { key: 'a' }));
    window.dispatchEvent(new StorageEvent('storage', { key: 'b' }));
    expect(heard).toHaveBeenCalledTimes(2);
    expect(value.get()).toBe(2);
    forget();
    value.set(3);
    expect(heard).toHaveBeenCalledTimes(2);
  });

  it('lives as long as the page where storage is denied', () => {
    vi.stubGlobal('localStorage', { getItem: denied, setItem: denied, clear: () => {} });
    const value = number('denied');
    value.set(7);
    expect(value.get()).toBe(7);
  });

  it('is the same object while nothing changes', () => {
    localStorage.setItem('a', '[1]');
    const list = stored('a', (found) => found);
    expect(list.get()).toBe(list.get());
  });
});
