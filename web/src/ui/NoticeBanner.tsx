import { useState } from 'react';
import { notice, type Notice } from '../client/notices.ts';
import { useSignal } from '../client/signal.ts';
import { day } from './format.ts';

/** A newer release of the shop is there. Loud when this one no longer works, quiet before. */
export function NoticeBanner() {
  const current = useSignal(notice);
  const [dismissed, setDismissed] = useState(false);
  if (!current || (dismissed && !current.tooOld)) return null;
  return (
    <div className={current.tooOld ? 'notice loud' : 'notice'} role={current.tooOld ? 'alert' : 'status'}>
      <p>{words(current)}</p>
      <button type="button" className="button small" onClick={() => location.reload()}>
        Reload
      </button>
      {!current.tooOld && (
        <button type="button" className="button small quiet" onClick={() => setDismissed(true)}>
          Later
        </button>
      )}
    </div>
  );
}

function words({ tooOld, sunset }: Notice): string {
  if (tooOld) return 'The shop has changed and this page is too old for it. Please reload; your basket is kept.';
  return `There is a newer version of the shop.${sunset ? ` This one works until ${day(sunset)}.` : ''}`;
}
