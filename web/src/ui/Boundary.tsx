import { Component, type ReactNode } from 'react';
import { Page } from './Page.tsx';

/** A page that throws leaves the rest of the shop standing. What was thrown is reported by the root, see main.tsx. */
export class Boundary extends Component<{ children: ReactNode }, { broken: boolean }> {
  override state = { broken: false };

  static getDerivedStateFromError() {
    return { broken: true };
  }

  override render() {
    return this.state.broken ? <Broken /> : this.props.children;
  }
}

function Broken() {
  return (
    <Page title="This page broke" lead="We have been told. Your basket is kept.">
      <p className="actions" role="alert">
        <button type="button" className="button" onClick={() => location.reload()}>
          Reload the page
        </button>
        <a className="button quiet" href="/">
          Back to the shop
        </a>
      </p>
    </Page>
  );
}
