import { useState } from 'react';
import { changeInWords, type Change } from './definition.ts';
import { stamp } from './stamp.ts';

const FIRST = 6;

/** The newest first: what, why, who, when. */
export function Changes({ changes }: { changes: Change[] }) {
  const [all, setAll] = useState(false);
  const shown = all ? changes : changes.slice(0, FIRST);
  return (
    <section className="changes" aria-labelledby="changes">
      <h2 id="changes">Last changes</h2>
      {changes.length === 0 && <p className="fine">None yet.</p>}
      <ol>
        {shown.map((change) => (
          <li key={change.seq}>
            <p className="what">{changeInWords(change)}</p>
            <p>{change.reason}</p>
            <p className="fine">
              {change.actor}, <time dateTime={change.at}>{stamp(change.at)}</time>
            </p>
          </li>
        ))}
      </ol>
      {shown.length < changes.length && (
        <button type="button" className="textual" onClick={() => setAll(true)}>
          Show older changes
        </button>
      )}
    </section>
  );
}
