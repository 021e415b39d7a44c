import type { EngineDescription } from './engine.ts';
import type { Notice } from './notices.ts';

/** A note for each of several engines that did not answer, beside a list of what the others have. */
export const silentNotices = (engine: EngineDescription): readonly Notice[] =>
  engine.kind !== 'several'
    ? []
    : Object.entries(engine.away).map(([name, why]) => ({
        code: 'engine-silent',
        message: `engine ${name} does not answer, and what is on it is not shown: ${why}`,
      }));
