/** Which build of this app the document belongs to, see bundler/build-id.ts. */
export function build(): string {
  return document.querySelector<HTMLMetaElement>('meta[name=build]')?.content ?? 'unknown';
}
