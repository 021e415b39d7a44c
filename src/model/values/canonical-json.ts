import { isRecord } from './is-record.ts';

/** Printable ASCII that JSON writes as it is. */
const plainText = /^[ !#-[\]-~]*$/;

const quoted = (text: string): string => (plainText.test(text) ? `"${text}"` : JSON.stringify(text));

/** Sorts only what is not sorted: most of what is read back from a record is. */
function sortedKeys(value: object): readonly string[] {
  const keys = Object.keys(value);
  return keys.every((key, index) => index === 0 || (keys[index - 1] ?? '') < key) ? keys : keys.sort();
}

/** JSON with sorted keys and without undefined values: the same content gives the same text. */
export function canonicalJson(value: unknown): string {
  if (typeof value === 'string') return quoted(value);
  // Without lists of pairs and of texts: plans of thousands of servers spend most of their time here.
  let text = '';
  if (Array.isArray(value)) {
    for (const item of value) text += `${text === '' ? '' : ','}${canonicalJson(item ?? null)}`;
    return `[${text}]`;
  }
  if (!isRecord(value)) return JSON.stringify(value) ?? 'null';
  for (const key of sortedKeys(value)) {
    const inner = value[key];
    if (inner !== undefined) text += `${text === '' ? '' : ','}${quoted(key)}:${canonicalJson(inner)}`;
  }
  return `{${text}}`;
}
