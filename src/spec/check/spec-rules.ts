import {
  hasPasswordInUri,
  isHarmlessName,
  isNoCredential,
  looksLikeConnectionUri,
  looksLikeCredential,
  looksLikeKey,
  standsAsCredential,
} from '../../model/secrets/credentials.ts';
import type { Wording } from '../read/explain.ts';
import type { Finding } from '../read/findings.ts';
import type { PrepareOptions, RefusedKey } from '../read/prepare.ts';
import { describeScalar, lastName } from '../read/words.ts';
import { credentialsOf } from './credentials-of.ts';

const environments = new Set(['docker_backend.environment', 'mcp_server.env', 'docker_backend.mcp_server.env']);

/** Settings that other tools have and looms refuses, with the reason; asked for keys that no place knows. */
const refusedKeys: Readonly<Record<string, RefusedKey>> = {
  privileged: {
    message: 'privileged does not exist in looms: it hands the whole host to the server',
    hint: 'name what the server needs in security.cap_add',
  },
  ports: {
    message: 'ports does not exist in looms: nothing of a server is published outside its network',
    hint: 'for an HTTP server set mcp_server.port; looms reaches it through a relay',
  },
  devices: {
    message: 'devices does not exist in looms: a device of the host is a way out of the container',
    hint: 'remove it',
  },
};

/** The code of a finding that a document is one of another program. */
export const otherDocument = 'other-document';

/** Documents of other programs, by a key at the top that only they have. */
const otherDocuments: Readonly<Record<string, RefusedKey>> = {
  mcp_servers: {
    code: otherDocument,
    message: 'this is the configuration of an MCP client, not a spec',
    hint: 'write a document for each server: name, docker_backend with its image, mcp_server with its command',
  },
  services: {
    code: otherDocument,
    message: 'this is a file of docker compose, not a spec',
    hint: 'write a document for each MCP server: name, docker_backend with its image, mcp_server with its command',
  },
};

const hostNamespace = (key: string): RefusedKey => ({
  message: `${key} does not exist in looms: a namespace shared with the host ends the isolation`,
  hint: 'remove it; servers of one project reach each other by name',
});

/** What variables and keys of a spec mean, for `prepare`. */
export function specOptions(
  environment: Readonly<Record<string, string | undefined>>,
  strict: boolean,
): PrepareOptions {
  return {
    environment,
    called: 'a spec',
    useOf: (path) =>
      environments.has(path) ? 'env' : path === 'docker_backend.build_config.env' ? 'image-env' : 'plain',
    refused: (path, key) => {
      if (path === '' && Object.hasOwn(otherDocuments, key)) return otherDocuments[key];
      if (!/^docker_backend(?:\.security|\.network)?$/.test(path)) return undefined;
      if (Object.hasOwn(refusedKeys, key)) return refusedKeys[key];
      return /^(?:host_)?(?:network|pid|ipc|userns|uts|cgroup)(?:_mode|_namespace)?$/.test(key) && key !== 'network'
        ? hostNamespace(key)
        : undefined;
    },
    keepReference: (key, variable, around) =>
      [key, variable].some((name) => looksLikeCredential(name) || looksLikeConnectionUri(name)) ||
      standsAsCredential(around),
    credentialsOf,
    checkText: (text) => {
      const lint = strict ? 'error' : 'warning';
      const { name, span, path } = text;
      const found = (code: string, message: string, hint: string, severity: Finding['severity'] = lint): Finding[] => [
        { span, path, severity, code, message, hint },
      ];
      const isCredential = (variable: string): boolean =>
        text.credentials.has(variable) || looksLikeCredential(variable);
      if (text.use === 'plain') {
        const visible = text.names.find(isCredential);
        if (visible !== undefined) {
          return found(
            'credential-visible',
            `the value of ${visible} becomes part of the container's config`,
            'hand it to the process as a variable: mcp_server.env',
          );
        }
        if (!text.literal || !holdsProcessText.test(path) || !looksLikeKey(text.value)) return [];
        return found(
          'credential-literal',
          `${name} has the shape of a key, and stands in the file`,
          'anyone who may inspect the container can read it: hand it over as a variable, with mcp_server.env and ${secret:…}',
        );
      }
      const credential = looksLikeCredential(name) || hasPasswordInUri(text.value);
      if (text.use === 'image-env') {
        const used = text.names.find(isCredential) ?? (looksLikeCredential(name) ? text.names[0] : undefined);
        if (used !== undefined) {
          const message = `${name} would store the value of ${used} in the image`;
          return found('credential-in-image', message, 'hand it to the process instead: mcp_server.env', 'error');
        }
      }
      const readable =
        text.use === 'env' ? text.readable.find((one) => !isHarmless(name, one, environment[one])) : undefined;
      if (readable !== undefined) {
        return found(
          'variable-readable',
          `the value of ${readable} will be readable: ${whereReadable(path)}`,
          `write \${secret:${secretNameFor(readable)}} if it is a secret, \${plain:${readable}} if it may be read`,
        );
      }
      if (!text.literal || text.value === '' || isNoCredential(text.value)) return [];
      if (!credential) {
        if (text.names.length > 0 || !looksLikeKey(text.value)) return [];
        const message = `the value of ${name} has the shape of a key, and stands in the file`;
        return found('credential-literal', message, `write \${secret:${secretNameFor(name)}}`);
      }
      return found(
        'credential-literal',
        `${name} looks like a credential, and its value stands in the file`,
        text.use === 'env'
          ? `write \${secret:${secretNameFor(name)}} or \${${variableNameFor(name)}}`
          : 'everyone who has the image can read it: use mcp_server.env',
      );
    },
  };
}

/** Texts that a process or the engine is given as they are. */
const holdsProcessText = /(?:^|\.)(?:args|command|labels)(?:[.[]|$)/;

/** By its name, or that of its key; but for a value that has the shape of a key, or a password in it, under any name. */
const isHarmless = (key: string, variable: string, value = ''): boolean =>
  (isHarmlessName(variable) || isHarmlessName(key)) && !looksLikeKey(value);

const whereReadable = (path: string): string =>
  path.startsWith('docker_backend.environment')
    ? 'in the plan, in the record of the server and where its container is looked at (`docker inspect`, `kubectl describe`)'
    : 'in the plan and in the record of the server';

const variableNameFor = (name: string): string => name.replaceAll(/[^A-Za-z0-9_]+/g, '_');
const secretNameFor = (name: string): string => name.toLowerCase().replaceAll(/[^a-z0-9_]+/g, '_');

/** Words for values that were meant for another tool, or for a later version of looms. */
export const specWording: Wording = (path, value) => {
  if (path === 'docker_backend' && value === undefined) {
    return {
      message: 'the document needs docker_backend',
      hint: 'for example docker_backend: { runtime_type: node, node: { preinstall_packages: ["PACKAGE@VERSION"] } }; `looms init` writes a whole spec',
    };
  }
  if (typeof value !== 'string') return undefined;
  if (path === 'docker_backend.runtime_type' && /^(?:RUNTIME_TYPE_)?(?:RUBY|RUST|GO)$/i.test(value)) {
    return {
      message: `runtime_type ${value} is reserved, not implemented`,
      hint: 'use python, node or custom; custom runs any image or Dockerfile',
    };
  }
  if (path.startsWith('docker_backend.security.tmpfs[')) {
    return {
      message: `tmpfs ${lastName(path)}: expected a size such as 64m, or 64m,exec, got ${describeScalar(value)}`,
      hint: 'write digits and k, m or g; nothing but ,exec may follow, without a space',
    };
  }
  if (path === 'docker_backend.network.mode' && /^(?:host|container:.*|service:.*)$/.test(value)) {
    return {
      message: `mode ${value} does not exist in looms: it ends the isolation from the host or from other servers`,
      hint: 'use isolated, and list in network.egress what the server may reach of the outside, or none',
    };
  }
  if (
    /mcp_server\.transport$/.test(path) &&
    /^(?:http|https|streamable|streamablehttp|streamable_http)$/i.test(value)
  ) {
    return {
      message: `transport: expected one of stdio, streamable-http, sse, got ${JSON.stringify(value)}`,
      hint: 'did you mean streamable-http?',
    };
  }
  return undefined;
};
