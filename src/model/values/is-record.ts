/** Whether a value from elsewhere is an object with keys; what stands under them is not known. A number that is kept as it was written (`exact-number.ts`) is none. */
export const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !JSON.isRawJSON(value);
