import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { queryClient } from './api/queries.ts';
import { App } from './app.tsx';
import { broke, viewed, watchErrors } from './client/errors.ts';
import { introduce } from './client/identity.ts';
import { ChunkGone, watchPreloads } from './client/recovery.ts';
import './ui/style.css';

watchErrors();
watchPreloads();
introduce();
viewed();

const told = (error: unknown) => {
  console.error(error);
  if (!(error instanceof ChunkGone)) broke('render', error);
};
createRoot(document.getElementById('root')!, { onCaughtError: told, onUncaughtError: told }).render(
  <StrictMode>
    <App cache={queryClient()} />
  </StrictMode>,
);
