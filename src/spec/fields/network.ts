import { type DesiredServer, type NetworkMode, serverFields, type Transport } from '../../model/desired.ts';
import { plainOf } from '../../model/fields.ts';
import type { Reader } from '../read/reader.ts';
import { egressOf } from './egress.ts';
import type { BackendInput, McpInput } from './input.ts';

/** The network of a server, with the hosts that it may reach. */
export function networkOf(reader: Reader, backend: BackendInput): DesiredServer['network'] {
  const { mode, egressLearn } = plainOf(serverFields.network.fields, backend.network);
  const egress = egressOf(reader, backend.network?.egress ?? []);
  const without = [...(egress.length > 0 ? ['egress'] : []), ...(egressLearn ? ['egress_learn'] : [])];
  for (const key of mode === 'isolated' ? [] : without) {
    reader.report({
      code: 'no-effect',
      path: `docker_backend.network.${key}`,
      onKey: true,
      message: `${key} has no effect with mode ${mode}`,
      hint: mode === 'bridge' ? 'remove mode: bridge, which reaches everything' : 'remove it, or set mode: isolated',
      related: [{ path: 'docker_backend.network.mode', message: 'mode is here' }],
    });
  }
  return { mode, egress, egressLearn };
}

/** The transport of a server with its port and path; reports what cannot be reached or has no effect. */
export function transportOf(reader: Reader, mcp: McpInput, at: string, mode: NetworkMode): Transport {
  const kind = mcp.transport ?? 'stdio';
  if (kind === 'stdio') {
    for (const field of ['port', 'path']) {
      if (!reader.has(`${at}.${field}`) || (reader.has(`${at}.transport`) && mcp.transport === undefined)) continue;
      reader.report({
        code: 'no-effect',
        path: `${at}.${field}`,
        onKey: true,
        message: `${field} has no effect with transport stdio`,
        hint: 'remove it, or set transport: streamable-http',
      });
    }
    return { kind };
  }
  if (mode === 'none') {
    reader.report({
      code: 'unreachable',
      path: `${at}.transport`,
      message: `transport ${kind} cannot be reached with network mode none`,
      hint: 'use mode: isolated, which nothing outside reaches either, or transport: stdio',
      related: [{ path: 'docker_backend.network.mode', message: 'mode is here' }],
    });
  }
  if (!reader.has(`${at}.port`)) {
    reader.report({
      code: 'missing-key',
      path: `${at}.transport`,
      message: `transport ${kind} needs port`,
      hint: 'add port: and the port that the server listens on in its container',
    });
  }
  return { kind, port: mcp.port ?? 1, path: mcp.path ?? defaultPaths[kind] };
}

/** Paths of the MCP endpoint when a spec names none: what the SDKs' own examples serve. */
export const defaultPaths = { 'streamable-http': '/mcp', sse: '/sse' } as const;
