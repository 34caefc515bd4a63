export function problem(status: number, slug: string, detail: string): Response {
  const headers = { 'content-type': 'application/problem+json', 'x-correlation-id': 'badcafe0badcafe0' };
  return new Response(JSON.stringify({ type: `/problems/${slug}`, title: detail, status, detail }), { status, headers });
}
