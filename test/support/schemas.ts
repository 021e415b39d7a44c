import { readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';

/** What is wrong with a value by `schemas/<name>.schema.json`; empty when it fits. */
export function schemaProblems(name: string, value: unknown): readonly string[] {
  const read = (one: string) =>
    JSON.parse(readFileSync(new URL(`../../schemas/${one}.schema.json`, import.meta.url), 'utf8'));
  const ajv = new Ajv2020({ allErrors: true, strict: true, allowUnionTypes: true, formats: { 'date-time': true } });
  // A saved plan holds a plan, and what a watch and the trail tell parts of one.
  if (['saved-plan', 'watch-event', 'events', 'audit-change'].includes(name)) ajv.addSchema(read('plan'));
  const validate = ajv.compile(read(name));
  return validate(value)
    ? []
    : (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);
}
