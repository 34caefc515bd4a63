import { Fault, sentence } from '../api/problem.ts';

/** What went wrong as a sentence, a number to quote, and a way on. */
export function FaultNote({ error, retry, children }: { error: unknown; retry?: () => unknown; children?: React.ReactNode }) {
  const reference = error instanceof Fault ? error.correlationId : null;
  return (
    <div className="fault" role="alert">
      <p>
        <strong>{sentence(error)}</strong> {children}
      </p>
      {reference && (
        <p className="fine">
          If you write to us, name <code>{reference}</code>
        </p>
      )}
      {retry && (
        <button type="button" className="button quiet" onClick={() => retry()}>
          Try again
        </button>
      )}
    </div>
  );
}
