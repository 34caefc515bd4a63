import { changeInWords, type Change } from './definition.ts';
import { stamp } from './stamp.ts';

/** The newest first: what, why, who, when. */
export function Changes({ changes }: { changes: Change[] }) {
  return (
    <section className="changes" aria-labelledby="changes">
      <h2 id="changes">Last changes</h2>
      {changes.length === 0 && <p className="fine">None yet.</p>}
      <ol>
        {changes.map((change) => (
          <li key={change.seq}>
            <p className="what">{changeInWords(change)}</p>
            <p>{change.reason}</p>
            <p className="fine">
              {change.actor}, <time dateTime={change.at}>{stamp(change.at)}</time>
            </p>
          </li>
        ))}
      </ol>
    </section>
  );
}
