// Runs before all other modules are so much as evaluated: what breaks there is told, too.
import { viewed, watchErrors } from './client/errors.ts';
import { introduce } from './client/identity.ts';
import { watchPreloads } from './client/recovery.ts';

watchErrors();
watchPreloads();
introduce();
viewed();
