import { isMap, parseDocument, stringify } from 'yaml';

const group = (resource) => {
  const [kind, ...rest] = resource.split('.');
  return { kind, group: rest.join('.') };
};

/**
 * A ClusterRole as text, with the reason of each right above its rule.
 *
 * @param {string} name
 * @param {string} what the comment at its top
 * @param {readonly { resource: string, verbs: Record<string, string>, names?: readonly string[] }[]} rights
 * @returns {string}
 */
export function roleText(name, what, rights) {
  const rules = rights.map(({ resource, verbs, names }) => ({
    apiGroups: [group(resource).group],
    resources: [group(resource).kind],
    ...(names === undefined ? {} : { resourceNames: names }),
    verbs: Object.keys(verbs),
  }));
  const role = { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRole', metadata: { name }, rules };
  const document = parseDocument(stringify(role));
  document.commentBefore = ` ${what}\n Written by \`npm run rights\` from src/kubernetes/model/rights.ts.`;
  for (const [index, item] of document.get('rules').items.entries()) {
    if (!isMap(item)) throw new Error(`rule ${index} of ${name} is none`);
    const reasons = Object.entries(rights[index].verbs).map(([verb, why]) => ` ${verb}: ${why}`);
    item.commentBefore = reasons.join('\n');
    for (const { value } of item.items) value.flow = true;
  }
  return document.toString({ lineWidth: 0, flowCollectionPadding: false });
}
