import './ops.css';
import { useQueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { Fault } from '../api/problem.ts';
import { useSignal } from '../client/signal.ts';
import { FaultNote } from '../ui/FaultNote.tsx';
import { Page } from '../ui/Page.tsx';
import { Skeleton } from '../ui/Skeleton.tsx';
import { Changes } from './Changes.tsx';
import { FlagCard } from './FlagCard.tsx';
import { token, useFlags } from './flags.ts';
import { Freeze } from './Freeze.tsx';
import { TokenForm } from './TokenForm.tsx';

/** What on-call does with flags. Not linked from the shop; whoever finds it needs a token. */
export default function OpsPage() {
  const known = useSignal(token);
  const [refusal, setRefusal] = useState<Error | null>(null);
  const cache = useQueryClient();
  const forget = (because: Error | null) => {
    token.set(null);
    cache.removeQueries({ queryKey: ['ops'] });
    setRefusal(because);
  };
  return (
    <Page title="Flags" lead="What is on, for whom, and how to turn it off.">
      {known === null ? <TokenForm refusal={refusal} /> : <Console forget={forget} />}
    </Page>
  );
}

function Console({ forget }: { forget: (because: Error | null) => void }) {
  const { data, error, refetch } = useFlags();
  const refused = error instanceof Fault && error.status === 401;
  useEffect(() => {
    if (refused) forget(error);
  });
  if (refused) return null;
  return (
    <div className="ops">
      {error && <FaultNote error={error} retry={refetch} />}
      {!data && !error && <Skeleton rows={5} label="Loading the flags" />}
      {data && (
        <>
          <Freeze frozen={data.frozen} />
          <div className="columns">
            <section aria-label="Flags" className="flags">
              {data.flags.length === 0 && <p className="empty">There are no flags.</p>}
              {data.flags.map((flag) => (
                <FlagCard key={flag.key} flag={flag} frozen={data.frozen !== null} />
              ))}
            </section>
            <Changes changes={data.changes} />
          </div>
        </>
      )}
      <button type="button" className="textual" onClick={() => forget(null)}>
        Forget the token
      </button>
    </div>
  );
}
