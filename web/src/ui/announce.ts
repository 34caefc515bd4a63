import { signal } from '../client/signal.ts';

export const announcement = signal('');

/** Said by a screen reader. The invisible mark makes the same words twice a new text. */
export function announce(words: string): void {
  announcement.set(announcement.get() === words ? `${words}\u200B` : words);
}
