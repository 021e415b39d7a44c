import { LoomsError } from '../../model/errors.ts';

export type ClusterAccess = { readonly context: string; readonly endpoint: string };

type Place = { readonly environment: Readonly<Record<string, string | undefined>>; readonly homeDirectory: string };

export async function findCluster(_input: Place & { readonly context?: string }): Promise<ClusterAccess | null> {
  throw new LoomsError('not-implemented', 'placeholder');
}

export async function contextsOf(_input: Place): Promise<readonly string[]> {
  return [];
}
