/** What a text says as JSON; undefined, which no JSON says, for none and for one that is no JSON. */
export function parsedJson(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? '');
  } catch {
    return undefined;
  }
}
