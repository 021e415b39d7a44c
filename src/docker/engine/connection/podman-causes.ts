/**
 * Root causes by which Podman names a failure that Docker has a status of its own for; Podman (5.8) answers 500 to all
 * of them, to some only when it is asked for many things at once. `cause` is the fixed text of an error in its source, not the message that it writes for people.
 */
const statusOfCause: Readonly<Record<string, number>> = {
  'that name is already in use': 409,
  // A rename to a name that is taken.
  'UNIQUE constraint failed: ContainerConfig.Name': 409,
  'container already exists': 409,
  'container state improper': 409,
  'network is being used': 409,
  // Removed between being looked up and being looked at.
  'no such container': 404,
};

/** The status that Docker would have answered, by the body of the answer; undefined where nothing says so. */
export function statusMeant(json: unknown): number | undefined {
  const { cause } = (json ?? {}) as { cause?: unknown };
  return typeof cause === 'string' && Object.hasOwn(statusOfCause, cause) ? statusOfCause[cause] : undefined;
}
