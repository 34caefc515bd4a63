// The ops API as this page calls it.
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { answer, api, type Schemas } from '../api/client.ts';
import { signal } from '../client/signal.ts';

export type State = Schemas['app__ops__schemas__State'];
export type Part = Pick<Schemas['Part'], 'state' | 'percentage'>;

export type Command =
  | { kind: 'kill'; key: string; reason: string }
  | { kind: 'set'; key: string; version: number; part: Part; reason: string }
  | { kind: 'freeze'; reason: string }
  | { kind: 'unfreeze'; reason: string };

const OPS = { queryKey: ['ops'] };
const LOOK_AGAIN_MS = 5000;

/** In memory alone: gone with the page. */
export const token = signal<string | null>(null);

const bearer = () => ({ authorization: `Bearer ${token.get() ?? ''}` });

export function useFlags() {
  return useQuery({
    ...OPS,
    queryFn: ({ signal: stop }) => answer(api.GET('/api/ops/flags', { headers: bearer(), signal: stop })),
    refetchInterval: LOOK_AGAIN_MS,
    staleTime: 0,
    gcTime: 0,
  });
}

/** Whether it worked or not, what is shown afterwards is how it is now. */
export function useCommand() {
  const cache = useQueryClient();
  return useMutation({
    mutationFn: (command: Command) => answer<unknown>(send(command)),
    // By hand: sent twice, a change whose first answer got lost would look as if somebody else had made it.
    retry: false,
    onSettled: () => cache.invalidateQueries(OPS),
  });
}

function send(command: Command) {
  const { kind, reason } = command;
  const headers = bearer();
  if (kind === 'kill') return api.POST('/api/ops/flags/{key}/kill', { params: { path: { key: command.key } }, body: { reason }, headers });
  if (kind === 'freeze') return api.POST('/api/ops/freeze', { body: { reason }, headers });
  if (kind === 'unfreeze') return api.POST('/api/ops/unfreeze', { body: { reason }, headers });
  const { key, version, part } = command;
  return api.PATCH('/api/ops/flags/{key}', { params: { path: { key } }, body: { reason, version, ...part }, headers });
}
