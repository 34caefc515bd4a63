import { useEffect, useRef, type ReactNode } from 'react';

let shown: string | null = null;
let wentBack = false;
window.addEventListener('popstate', () => (wentBack = true));

/** A page with its heading. After a navigation the heading has the focus, so that readers start there; the first page leaves it alone. */
export function Page({ title, lead, children }: { title: string; lead?: ReactNode; children?: ReactNode }) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    if (shown !== null && shown !== location.pathname) arrive(heading.current);
    shown = location.pathname;
  }, []);
  useEffect(() => {
    document.title = `${title} · Slipway Store`;
  }, [title]);
  return (
    <>
      <div className="title">
        <h1 ref={heading} tabIndex={-1}>
          {title}
        </h1>
        {lead && <p className="lead">{lead}</p>}
      </div>
      {children}
    </>
  );
}

function arrive(heading: HTMLElement | null): void {
  heading?.focus({ preventScroll: true });
  if (!wentBack) window.scrollTo(0, 0); // the browser knows where a page was left
  wentBack = false;
}
