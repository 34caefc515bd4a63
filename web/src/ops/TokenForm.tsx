import { useState } from 'react';
import { FaultNote } from '../ui/FaultNote.tsx';
import { token } from './flags.ts';

export function TokenForm({ refusal }: { refusal: Error | null }) {
  const [typed, setTyped] = useState('');
  const submit = (event: React.FormEvent) => {
    event.preventDefault();
    token.set(typed.trim());
  };
  return (
    <form className="panel token" onSubmit={submit}>
      {refusal && <FaultNote error={refusal} />}
      <label htmlFor="token">Token of the ops API</label>
      <input
        id="token"
        type="password"
        value={typed}
        required
        pattern="\s*slw_[0-9a-f]{16}_[0-9a-f]{64}\s*"
        title="slw_, 16 digits or letters a to f, _, and 64 more of them"
        maxLength={200}
        autoComplete="off"
        spellCheck={false}
        aria-describedby="token-says"
        onChange={(event) => setTyped(event.target.value)}
      />
      <p id="token-says" className="fine">
        It stays in this page’s memory, and is gone when you reload or close it. <code>release token create</code> makes one.
      </p>
      <button type="submit" className="button">
        Show the flags
      </button>
    </form>
  );
}
