import type { ProjectName, ServerName } from '../model/ids.ts';
import type { SecretPrints } from '../model/secrets/secret-prints.ts';
import { canonicalJson } from '../model/values/canonical-json.ts';
import { keySource } from './key-source.ts';

/** Characters of a print: 128 bits. */
const printLength = 32;

/** Makes the prints of secrets with the key that is used on this machine. */
export function secretPrinter(environment: Readonly<Record<string, string | undefined>>): {
  /** What the key is called; undefined while there is none. */
  readonly keyName: () => string | undefined;
  /** The prints of a server's secrets, by variable; undefined where no key can be made. Another server's never match. */
  readonly print: (
    whose: { readonly project: ProjectName; readonly server: ServerName },
    secrets: Readonly<Record<string, string>>,
  ) => SecretPrints | undefined;
} {
  const keys = keySource(environment, 'secrets');
  return {
    keyName: () => keys.find()?.name,
    print: ({ project, server }, secrets) => {
      const key = keys.make();
      if (key === undefined) return undefined;
      const printOf = (name: string, value: string) =>
        key.hash(canonicalJson([project, server, name, value])).slice(0, printLength);
      const values = Object.fromEntries(
        Object.entries(secrets).map(([name, value]) => [name, printOf(name, value)] as const),
      );
      return { key: key.name, values };
    },
  };
}
