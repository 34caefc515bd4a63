import { Confirm, useWish, type Wish } from './Confirm.tsx';
import type { State } from './flags.ts';
import { stamp } from './stamp.ts';

const FREEZE: Wish = {
  title: 'Freeze all flags: until somebody unfreezes them, all that is possible is a kill.',
  button: 'Freeze all flags',
  done: 'Flags are frozen.',
  command: (reason) => ({ kind: 'freeze', reason }),
};
const UNFREEZE: Wish = {
  title: 'Unfreeze: flags can be changed again.',
  button: 'Unfreeze all flags',
  done: 'Flags can be changed again.',
  command: (reason) => ({ kind: 'unfreeze', reason }),
};

export function Freeze({ frozen }: { frozen: State['frozen'] }) {
  const { wish, setWish, close, heading } = useWish();
  return (
    <section className={frozen ? 'panel freeze frozen' : 'panel freeze'} aria-labelledby="freeze">
      <div className="head">
        <div>
          <h2 id="freeze" ref={heading} tabIndex={-1}>
            {frozen ? 'Flags are frozen' : 'Flags can be changed'}
          </h2>
          {frozen && (
            <p>
              {frozen.reason} <span className="fine">{`${frozen.actor}, ${stamp(frozen.at)}`}</span>
            </p>
          )}
        </div>
        {!wish && (
          <button type="button" className="button quiet" onClick={() => setWish(frozen ? UNFREEZE : FREEZE)}>
            {frozen ? 'Unfreeze…' : 'Freeze…'}
          </button>
        )}
      </div>
      {wish && <Confirm wish={wish} close={close} />}
    </section>
  );
}
