import { useEffect, useId, useRef, useState, type ReactNode } from 'react';
import { announce } from '../ui/announce.ts';
import { FaultNote } from '../ui/FaultNote.tsx';
import { useCommand, type Command } from './flags.ts';

const REASON_MAX = 500;

export interface Wish {
  /** What will happen, as a sentence. */
  title: string;
  button: string;
  danger?: boolean;
  done: string;
  command: (reason: string) => Command;
}

/** The second press, with why. It stays where something went wrong, with what the API says. */
export function Confirm({ wish, close, children }: { wish: Wish; close: () => void; children?: ReactNode }) {
  const id = useId();
  const [reason, setReason] = useState('');
  const field = useRef<HTMLInputElement>(null);
  const { mutate, error, isPending } = useCommand();
  useEffect(() => field.current?.focus(), []);
  useEffect(() => {
    const escape = (event: KeyboardEvent) => event.key === 'Escape' && close();
    document.addEventListener('keydown', escape);
    return () => document.removeEventListener('keydown', escape);
  }, [close]);
  const submit = (event: React.FormEvent) => {
    event.preventDefault();
    mutate(wish.command(reason.trim()), {
      onSuccess: () => {
        announce(wish.done);
        close();
      },
    });
  };
  return (
    <form className="confirm" aria-labelledby={`${id}-title`} onSubmit={submit}>
      <p id={`${id}-title`} className="name">
        {wish.title}
      </p>
      {children}
      <label htmlFor={id}>Reason, for the record</label>
      <input
        id={id}
        ref={field}
        value={reason}
        required
        pattern=".*\S.*"
        title="Why you do it"
        maxLength={REASON_MAX}
        autoComplete="off"
        onChange={(event) => setReason(event.target.value)}
      />
      {error && <FaultNote error={error} />}
      <div className="buttons">
        <button type="submit" className={wish.danger ? 'button danger' : 'button'} disabled={isPending}>
          {wish.button}
        </button>
        <button type="button" className="button quiet" onClick={close}>
          Cancel
        </button>
      </div>
    </form>
  );
}

/** A wish that waits for its confirmation, and where the focus goes when that is over. */
export function useWish() {
  const [wish, setWish] = useState<Wish | null>(null);
  const heading = useRef<HTMLHeadingElement>(null);
  const close = () => {
    setWish(null);
    heading.current?.focus({ preventScroll: true });
  };
  return { wish, setWish, close, heading };
}
