#!/usr/bin/env node
/**
 * Makes src/spec/generated/validators.mjs from schemas/spec.schema.json and schemas/project.schema.json, which holds the
 * schema of a policy, too: ajv validators
 * as plain code, so that ajv's compiler is never loaded by the program, the shapes that the parser walks (keys that
 * are valid at each place, and what is expected there in words), and the types of what comes out.
 *
 * Also src/mcp/client/generated/schema-check.mjs, which says whether the schema of a tool is one: the same kind of code, made
 * from the schema of schemas.
 *
 * `--write-schemas` also brings the camelCase spellings in the schemas up to date, which are written once, in snake_case,
 * and policy.schema.json.
 */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import Ajv2020 from 'ajv/dist/2020.js';
import standaloneCode from 'ajv/dist/standalone/index.js';
import { build } from 'esbuild';
import { bundleForNode } from './lib/bundle-for-node.mjs';
import {
  policySchema,
  shapeOf,
  typeOf,
  withCamelCase,
  withoutAnnotations,
  withoutCamelCase,
} from './lib/schema-shape.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const schemaFiles = { spec: 'schemas/spec.schema.json', project: 'schemas/project.schema.json' };
const policyFile = 'schemas/policy.schema.json';
const read = (file) => JSON.parse(readFileSync(join(root, file), 'utf8'));

/** Writes by renaming, and only what differs: several builds may run in one tree at once. */
function writeIfChanged(file, text) {
  try {
    if (readFileSync(file, 'utf8') === text) return;
  } catch (error) {
    if (error.code !== 'ENOENT') throw error;
  }
  mkdirSync(dirname(file), { recursive: true });
  const fresh = `${file}.${process.pid}.tmp`;
  writeFileSync(fresh, text);
  renameSync(fresh, file);
}

const schemas = {};
for (const [name, file] of Object.entries(schemaFiles)) {
  const plain = withoutCamelCase(read(file));
  if (process.argv.includes('--write-schemas')) {
    writeIfChanged(join(root, file), `${JSON.stringify(withCamelCase(plain), null, 2)}\n`);
  }
  schemas[name] = plain;
}

const policy = policySchema(schemas.project);
if (process.argv.includes('--write-schemas')) {
  writeIfChanged(join(root, policyFile), `${JSON.stringify(withCamelCase(policy), null, 2)}\n`);
}
schemas.policy = policy;

const ajv = new Ajv2020({
  strict: true,
  strictRequired: false,
  allowUnionTypes: true,
  allErrors: true,
  code: { source: true, esm: true },
});
const ids = {};
for (const [name, schema] of Object.entries(schemas)) {
  ajv.addSchema(withoutAnnotations(schema));
  ids[`${name}Validator`] = schema.$id;
}
const shapes = Object.entries(schemas).map(([name, schema]) => [name, shapeOf(schema)]);
const capital = (name) => `${name[0].toUpperCase()}${name.slice(1)}`;

/** ajv's code still requires its helpers (ucs2length) by name, also as ESM: bundling puts them in. */
async function bundled(contents) {
  const { outputFiles } = await build({
    ...bundleForNode,
    stdin: { contents, resolveDir: root, sourcefile: 'validators.js' },
  });
  return outputFiles[0].text;
}

const validators = [
  standaloneCode(ajv, ids),
  ...shapes.map(([name, shape]) => `export const ${name}Shape = ${JSON.stringify(shape)};`),
].join('\n');
writeIfChanged(
  join(root, 'src/spec/generated/validators.mjs'),
  `// Made by scripts/build-validators.mjs from schemas/; do not edit.\n${await bundled(validators)}`,
);
writeIfChanged(
  join(root, 'src/spec/generated/validators.d.mts'),
  `// Made by scripts/build-validators.mjs; do not edit.
import type { Shape, Validator } from '../read/shape.ts';
${shapes
  .map(
    ([name, shape]) => `export declare const ${name}Validator: Validator;
export declare const ${name}Shape: Shape;
/** A document as its schema lets it through: keys in snake_case, variables put in. */
export type ${capital(name)}Input = ${typeOf(shape)};
`,
  )
  .join('')}`,
);

// As src/mcp/client/arguments/argument-validation.ts reads the schemas of tools.
const ofSchemas = new Ajv2020({
  strict: false,
  allErrors: true,
  validateFormats: false,
  logger: false,
  strictNumbers: false,
  code: { source: true, esm: true },
});
const schemaCheck = standaloneCode(ofSchemas, { isSchema: 'https://json-schema.org/draft/2020-12/schema' });
writeIfChanged(
  join(root, 'src/mcp/client/generated/schema-check.mjs'),
  `// Made by scripts/build-validators.mjs; do not edit.\n${await bundled(schemaCheck)}`,
);
writeIfChanged(
  join(root, 'src/mcp/client/generated/schema-check.d.mts'),
  `// Made by scripts/build-validators.mjs; do not edit.
import type { ValidateFunction } from 'ajv/dist/2020.js';
/** Whether a value is a JSON Schema of 2020-12; its \`errors\` say why it is none. */
export declare const isSchema: ValidateFunction;
`,
);
