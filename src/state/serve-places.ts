import { join } from 'node:path';
import type { ProjectName } from '../model/ids.ts';
import { stateFolder } from './ledger.ts';

/** Where the gateway of a project listens on this machine, and where its token is when no other file is named. */
export function servePlaces(
  environment: Readonly<Record<string, string | undefined>>,
  project: ProjectName,
): { readonly socket: string; readonly tokenFile: string } {
  const folder = join(stateFolder(environment), 'serve');
  return { socket: join(folder, `${project}.sock`), tokenFile: join(folder, `${project}.token`) };
}
