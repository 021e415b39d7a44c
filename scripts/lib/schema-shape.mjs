/** Schema transformations of scripts/build-validators.mjs: spellings, and the shape that the YAML walker follows. */

const camelCase = (key) => key.replace(/_([a-z0-9])/g, (_, letter) => letter.toUpperCase());

const eachObject = (schema, visit) => {
  const objects = [['#', schema], ...Object.entries(schema.$defs ?? {}).map(([name, def]) => [`#/$defs/${name}`, def])];
  for (const [pointer, node] of objects) if (node.properties !== undefined) visit(node, pointer);
};

/** The schema as written by hand: snake_case only. What validators are compiled from, since keys are normalised first. */
export function withoutCamelCase(schema) {
  const copy = structuredClone(schema);
  eachObject(copy, (node) => {
    delete node.patternProperties;
  });
  return copy;
}

/** The schema of a file that is a policy and nothing else, which looms.yaml has under a key. */
export function policySchema(project) {
  const { policy, ...defs } = project.$defs;
  const used = {};
  const follow = (node) => {
    for (const [, name] of JSON.stringify(node).matchAll(/"\$ref":"#\/\$defs\/(\w+)(?=")/g)) {
      if (used[name] !== undefined) continue;
      used[name] = defs[name];
      follow(defs[name]);
    }
  };
  follow(policy);
  return {
    $schema: project.$schema,
    $id: project.$id.replace('project', 'policy'),
    title: 'policy.yaml: rules for servers',
    ...policy,
    description:
      'What `policy` of a looms.yaml may hold, for all projects of a user (`~/.config/looms/policy.yaml`) or of a machine (`/etc/looms/policy.yaml`). Keys starting with x- are ignored; camelCase spellings of all keys are accepted.',
    ...(Object.keys(used).length === 0 ? {} : { $defs: used }),
  };
}

/** Without what only editors and people read, so that it is not carried into the program. */
export function withoutAnnotations(schema) {
  const strip = (node) => {
    const { description, default: _default, $comment, title, examples, ...rest } = node;
    for (const holder of ['properties', '$defs']) {
      if (rest[holder] === undefined) continue;
      rest[holder] = Object.fromEntries(Object.entries(rest[holder]).map(([key, value]) => [key, strip(value)]));
    }
    for (const holder of ['items', 'additionalProperties', 'propertyNames']) {
      if (typeof rest[holder] === 'object') rest[holder] = strip(rest[holder]);
    }
    return rest;
  };
  return strip(schema);
}

/**
 * The schema for editors: every object also takes the camelCase spelling of its keys, as patterns (an editor then
 * checks them but does not offer each key twice), and keys that start with x-.
 */
export function withCamelCase(schema) {
  const copy = withoutCamelCase(schema);
  eachObject(copy, (node, pointer) => {
    node.patternProperties = { '^x-': { description: 'Ignored by looms.' } };
    for (const key of Object.keys(node.properties)) {
      if (camelCase(key) !== key) {
        node.patternProperties[`^${camelCase(key)}$`] = { $ref: `${pointer}/properties/${key}` };
      }
    }
  });
  return copy;
}

const numberWords = (node, noun) => {
  if (node.minimum !== undefined && node.maximum !== undefined)
    return `${noun} from ${node.minimum} to ${node.maximum}`;
  return noun;
};

/** What is expected at a scalar, in words; `$comment` of the schema wins. */
function scalarWords(node) {
  if (node.enum !== undefined) {
    const short = node.enum.filter((value) => !value.startsWith('RUNTIME_TYPE_'));
    return `one of ${short.join(', ')}`;
  }
  if (node.$comment !== undefined) return node.$comment;
  if (node.type === 'integer') return numberWords(node, 'a whole number');
  if (node.type === 'number') return numberWords(node, 'a number');
  if (node.type === 'boolean') return 'true or false';
  return 'text';
}

function shapeAt(root, node) {
  if (node.$ref !== undefined) {
    return shapeAt(
      root,
      node.$ref
        .split('/')
        .slice(1)
        .reduce((at, key) => at[key], root),
    );
  }
  if (Array.isArray(node.type) && node.type.includes('object')) {
    const { properties: _, additionalProperties: __, ...other } = node;
    const type = node.type.includes('array') ? 'array' : 'string';
    return {
      kind: 'either',
      other: shapeAt(root, { ...other, type }),
      map: shapeAt(root, { ...node, type: 'object' }),
    };
  }
  if (node.properties !== undefined) {
    const keys = {};
    for (const [key, value] of Object.entries(node.properties)) keys[key] = shapeAt(root, value);
    return { kind: 'map', keys };
  }
  if (node.type === 'object') {
    return {
      kind: 'dictionary',
      values: shapeAt(root, node.additionalProperties),
      ...(node.propertyNames === undefined ? {} : { nameWords: node.propertyNames.$comment }),
    };
  }
  if (node.type === 'array') return { kind: 'list', items: shapeAt(root, node.items) };
  return {
    kind: 'scalar',
    types: node.enum === undefined ? [node.type].flat() : ['string'],
    words: scalarWords(node),
    ...(node.enum === undefined ? {} : { options: node.enum }),
    ...(node.examples === undefined ? {} : { examples: node.examples }),
  };
}

/** The shape of a schema: which keys and kinds of values are valid where (src/spec/read/shape.ts). */
export const shapeOf = (schema) => shapeAt(schema, schema);

/** The TypeScript type of a value that `prepare` and the validator let through: all of a map may be absent. */
export function typeOf(shape) {
  switch (shape.kind) {
    case 'map':
      return `{ ${Object.entries(shape.keys)
        .map(([key, inner]) => `readonly ${key}?: ${typeOf(inner)}`)
        .join('; ')} }`;
    case 'dictionary':
      return `Readonly<Record<string, ${typeOf(shape.values)}>>`;
    case 'either':
      return `${typeOf(shape.other)} | ${typeOf(shape.map)}`;
    case 'list':
      return `readonly (${typeOf(shape.items)})[]`;
    default:
      if (shape.options !== undefined) return shape.options.map((option) => JSON.stringify(option)).join(' | ');
      if (shape.types.includes('string')) return 'string';
      return shape.types.includes('boolean') ? 'boolean' : 'number';
  }
}
