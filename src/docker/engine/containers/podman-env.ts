import { label } from '../../../model/labels.ts';

/** What Podman puts into the environment of a container at its first start, unless it is there already. */
const addedAtStart = ['HOME', 'HOSTNAME'] as const;

/** A label that says which of them were asked for: a container that ran does not tell one kind from the other. */
export function givenEnvLabel(env: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const given = addedAtStart.filter((name) => env[name] !== undefined);
  return given.length === 0 ? {} : { [label.givenEnv]: given.join(',') };
}

/** The environment of a container of Podman without what Podman added. */
export function withoutAddedEnv(
  env: Readonly<Record<string, string>>,
  labels: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  const given = (labels[label.givenEnv] ?? '').split(',');
  const added: readonly string[] = addedAtStart.filter((name) => !given.includes(name));
  return Object.fromEntries(Object.entries(env).filter(([name]) => !added.includes(name)));
}
