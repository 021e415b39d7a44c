import { dirname } from 'node:path';
import { clients } from '../../clients/table.ts';
import { LoomsError } from '../../model/errors.ts';
import { isRecord } from '../../model/values/is-record.ts';
import { clientFilePath, readClientFile } from './client-file.ts';
import { isOurs } from './connect-client.ts';
import type { ConnectPorts } from './ports.ts';

/** A client as it is found here (schemas/connect-clients.schema.json). */
export type FoundClient = {
  readonly client: string;
  readonly title: string;
  /** Its user's own file, whether it is there or not. */
  readonly file: string;
  readonly found: boolean;
  /** Entries that looms wrote. */
  readonly entries: readonly string[];
  /** Why its file was not read. */
  readonly problem?: string;
};

/** All clients that looms knows, with what is found of them on this machine. */
export const listClients = (ports: ConnectPorts): Promise<readonly FoundClient[]> =>
  Promise.all(
    clients.map(async (client): Promise<FoundClient> => {
      const shown = await clientFilePath(ports, client, false);
      const folder = dirname(shown);
      const traces = [shown, ...(folder === ports.place.home ? [] : [folder]), ...(client.traces?.(ports.place) ?? [])];
      const kinds = await Promise.all(traces.map((trace) => ports.files.kindOf(trace)));
      const found = {
        client: client.id,
        title: client.title,
        file: shown,
        found: kinds.some((kind) => kind !== undefined),
      };
      try {
        const file = await readClientFile(ports, client, shown);
        const servers = isRecord(file.value) ? file.value[client.key] : undefined;
        const names = isRecord(servers) ? Object.entries(servers) : [];
        const ours = await Promise.all(
          names.map(async ([name, entry]) => ((await isOurs(ports, { client, name }, file, entry)) ? [name] : [])),
        );
        return { ...found, entries: ours.flat() };
      } catch (error) {
        if (!(error instanceof LoomsError)) throw error;
        return { ...found, entries: [], problem: error.message };
      }
    }),
  );
