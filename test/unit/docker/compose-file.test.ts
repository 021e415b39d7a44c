import { expect, test } from 'vitest';
import { composeExporter } from '../../../src/docker/export/compose-file.ts';
import { project, server } from '../../support/planner-world.ts';

const settings = { project, relayImage: 'relay:1', managedBy: 'looms/0.0.0', recordOf: () => '' };

const withSecret = (name: string, from: 'provider' | 'environment', secret: string) =>
  server(name, { mcp: { env: { URI: { kind: 'secret', parts: [{ from, name: secret }] } } } });

test('two secrets that Compose would take from one variable are refused, with both names', () => {
  const servers = [withSecret('a', 'provider', 'db.uri'), withSecret('b', 'provider', 'db-uri')];
  expect(() => composeExporter.write(servers, settings)).toThrow(
    'Compose would take ${secret:db.uri} and ${secret:db-uri} from one variable, LOOMS_SECRET_DB_URI',
  );
});

test('a secret that several servers have is one variable', () => {
  const servers = [withSecret('a', 'provider', 'db.uri'), withSecret('b', 'provider', 'db.uri')];
  expect(composeExporter.write([...servers, withSecret('c', 'environment', 'TOKEN')], settings).secrets).toEqual([
    {
      keys: [
        { name: 'LOOMS_SECRET_DB_URI', value: '${secret:db.uri}' },
        { name: 'TOKEN', value: '${TOKEN}' },
      ],
    },
  ]);
});
