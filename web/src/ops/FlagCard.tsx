import { useId, useState } from 'react';
import { Confirm, useWish, type Wish } from './Confirm.tsx';
import { about, enabledInWords, inWords, level, share, type Flag, type Level } from './definition.ts';
import type { Part } from './flags.ts';
import { stamp } from './stamp.ts';

const LEVELS: Record<Level, string> = { killed: 'Killed', all: 'On for everybody', some: 'On for some', none: 'Off', rule: 'By rule' };

export function FlagCard({ flag, frozen }: { flag: Flag; frozen: boolean }) {
  const id = useId();
  const { wish, setWish, close, heading } = useWish();
  const { description } = about(flag.definition);
  return (
    <article className="panel flag" aria-labelledby={id}>
      <div className="head">
        <h2 id={id} ref={heading} tabIndex={-1}>
          {flag.key}
        </h2>
        <Pill flag={flag} />
        {flag.stale && <span className="pill stale">Stale</span>}
      </div>
      {description && <p>{description}</p>}
      {flag.stale_because && <p className="fine">{flag.stale_because}</p>}
      <Facts flag={flag} />
      {wish ? <Confirm wish={wish} close={close} /> : <Actions key={flag.version} flag={flag} frozen={frozen} ask={setWish} />}
    </article>
  );
}

function Pill({ flag: { definition } }: { flag: Flag }) {
  const now = level(definition);
  const percentage = share(definition)?.percentage ?? 0;
  return <span className={`pill ${now}`}>{now === 'some' ? `On for ${Math.round(percentage)} %` : LEVELS[now]}</span>;
}

function Facts({ flag }: { flag: Flag }) {
  const { owner, kind, expires } = about(flag.definition);
  const facts = { 'Who gets what': inWords(flag.definition), Kind: kind, Owner: owner, Expires: expires || 'never', Changed: stamp(flag.updated_at) };
  return (
    <dl className="facts">
      {Object.entries(facts).map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

function Actions({ flag, frozen, ask }: { flag: Flag; frozen: boolean; ask: (wish: Wish) => void }) {
  const { key, version, definition, killed } = flag;
  const now = share(definition);
  const set = (part: Part, title: string, button: string) =>
    ask({ title, button, done: `${key} is set.`, command: (reason) => ({ kind: 'set', key, version, part, reason }) });
  return (
    <div className="actions-of-flag">
      {frozen && <p className="fine">Flags are frozen: all you can do is kill.</p>}
      <div className="buttons">
        {killed ? (
          <button
            type="button"
            className="button quiet"
            disabled={frozen}
            onClick={() => set({ state: 'ENABLED' }, `Enable ${key} again: ${enabledInWords(definition)}.`, 'Enable it')}
          >
            Enable again…
          </button>
        ) : (
          <button type="button" className="button danger" aria-label={`Kill ${key}`} onClick={() => ask(killing(key))}>
            Kill…
          </button>
        )}
        {!killed && now && <Turn percentage={now.percentage} variant={now.variant} flagKey={key} frozen={frozen} set={set} />}
      </div>
      {!killed && now && <Percentage percentage={now.percentage} variant={now.variant} flagKey={key} frozen={frozen} set={set} />}
      {!now && (
        <p className="fine">
          Its rule says more than a percentage; change that with <code>release flag import</code>.
        </p>
      )}
    </div>
  );
}

function killing(key: string): Wish {
  return {
    title: `Kill ${key}: the code’s own default for everybody, at once.`,
    button: `Kill ${key} now`,
    danger: true,
    done: `${key} is killed.`,
    command: (reason) => ({ kind: 'kill', key, reason }),
  };
}

interface Turning {
  percentage: number;
  variant: string;
  flagKey: string;
  frozen: boolean;
  set: (part: Part, title: string, button: string) => void;
}

function Turn({ percentage, variant, flagKey, frozen, set }: Turning) {
  const to = (target: number) => ({ state: 'ENABLED' as const, percentage: { variant, percentage: target } });
  return (
    <>
      {percentage < 100 && (
        <button type="button" className="button quiet" disabled={frozen} onClick={() => set(to(100), `${flagKey}: ${variant} for everybody.`, 'Turn it on')}>
          On for everybody…
        </button>
      )}
      {percentage > 0 && (
        <button type="button" className="button quiet" disabled={frozen} onClick={() => set(to(0), `${flagKey}: ${variant} for nobody.`, 'Turn it off')}>
          Off…
        </button>
      )}
    </>
  );
}

function Percentage({ percentage, variant, flagKey, frozen, set }: Turning) {
  const id = useId();
  const [typed, setTyped] = useState(String(Math.round(percentage)));
  const submit = (event: React.FormEvent) => {
    event.preventDefault();
    set({ percentage: { variant, percentage: Number(typed) } }, `${flagKey}: ${variant} for ${Number(typed)} % of users.`, `Set ${Number(typed)} %`);
  };
  return (
    <form className="percentage" onSubmit={submit}>
      <label htmlFor={id}>Percentage of users with “{variant}”</label>
      <div>
        <input id={id} type="number" inputMode="numeric" min={0} max={100} step={1} required value={typed} disabled={frozen} onChange={(event) => setTyped(event.target.value)} />
        <button type="submit" className="button quiet" disabled={frozen}>
          Set…
        </button>
      </div>
    </form>
  );
}
