/** 32 hex digits. Not randomUUID: browsers have it only on https and localhost. */
export function randomId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** The beginning of a trace, which the API goes on with: https://www.w3.org/TR/trace-context/#traceparent-header */
export function newTrace(): string {
  return `00-${randomId()}-${randomId().slice(0, 16)}-01`;
}
