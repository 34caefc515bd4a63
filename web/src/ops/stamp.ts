const STAMP = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'medium' });

/** To the second: on-call compares it with graphs. */
export const stamp = (iso: string) => STAMP.format(new Date(iso));
