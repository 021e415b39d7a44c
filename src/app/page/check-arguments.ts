import type { PageSource } from '../../serve/page/source.ts';

/** `PageSource.checkArguments`. */
export const checkArguments: PageSource['checkArguments'] = async (schema, args, signal) => {
  const { checkInTime } = await import('../../mcp/client/arguments/check-in-time.ts');
  const check = await checkInTime(schema, args, { signal });
  return check.valid === false ? check.fields : undefined;
};
