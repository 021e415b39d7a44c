import type { ProjectName, ServerName } from '../../model/ids.ts';
import type { GenerationView } from '../../model/server-view.ts';
import { isoTime } from '../../model/times.ts';
import { brokenRules } from '../plan/require-rules.ts';
import type { Ports } from '../ports.ts';

/** A generation with what can still be done with it. */
export type Generation = Omit<GenerationView, 'recorded' | 'since' | 'until'> & {
  /** Why it can be neither run nor gone back to: its record cannot be read, or breaks rules of a file; null: it can. */
  readonly unusable: string | null;
  readonly since: string | null;
  readonly until: string | null;
};

async function whyUnusable(ports: Ports, { recorded }: GenerationView): Promise<string | null> {
  if (recorded === undefined) return 'its record cannot be read';
  const broken = await brokenRules(ports, recorded.spec);
  return broken.length === 0 ? null : broken.join('; ');
}

/** A server's generations, newest first: what runs, what is recorded. Throws `server-not-found` for neither. */
export async function getHistory(
  ports: Ports,
  { project, name }: { readonly project: ProjectName; readonly name: ServerName },
): Promise<Generation[]> {
  const generations = await (await ports.orchestrator()).history(project, name);
  return Promise.all(
    generations.map(async (view) => {
      const { recorded: _, since, until, ...shown } = view;
      return {
        ...shown,
        since: since === null ? null : isoTime(since),
        until: until === null ? null : isoTime(until),
        unusable: await whyUnusable(ports, view),
      };
    }),
  );
}
