import {
  endsInNumber,
  isHostName,
  isIpv4,
  isNowhere,
  isTlsPort,
  mostAddresses,
  mostTargets,
} from '../../model/container/egress.ts';
import type { EgressTarget } from '../../model/desired.ts';
import type { Reader } from '../read/reader.ts';
import type { EgressInput } from './input.ts';

const listPath = 'docker_backend.network.egress';

type Problem = { readonly message: string; readonly hint: string };

/** What an entry says, and what is wrong with it where a sentence helps more than the rule. */
type Written = { readonly host: string; readonly port: number } | Problem;

const example = 'write host:port, as db.example.com:5432';

/** An entry as people write it elsewhere, with what to write here. */
function readText(entry: string): Written {
  const url = /^([a-z][a-z0-9+.-]*):\/\/(?:[^/@]*@)?([^/:@]+)(?::(\d+))?(?:[/?#].*)?$/i.exec(entry);
  if (url !== null) {
    const port = url[3] ?? { http: '80', https: '443', postgres: '5432', postgresql: '5432' }[url[1] ?? ''] ?? 'PORT';
    return { message: 'this is a URL, and what is allowed is a host and a port', hint: `write ${url[2]}:${port}` };
  }
  const protocol = /^(.*)\/(tcp|udp|icmp|sctp)$/i.exec(entry);
  if (protocol?.[2]?.toLowerCase() === 'tcp') return { message: 'egress is TCP already', hint: `write ${protocol[1]}` };
  if (protocol !== null || /^(?:udp|icmp|ping)\b/i.test(entry)) {
    return { message: 'egress is TCP only', hint: 'use a TCP port of the host, where it has one' };
  }
  if (/^[\d.]+\/\d+(?::.*)?$/.test(entry) || /^\d[\d.]*-\d[\d.]*(?::.*)?$/.test(entry)) {
    return {
      message: 'a range of addresses cannot be allowed',
      hint: 'write one entry for each host, by its name or address',
    };
  }
  if (entry.startsWith('[') || (entry.match(/:/g) ?? []).length > 1) {
    return {
      message: 'IPv6 addresses cannot be allowed',
      hint: 'write the name of the host; it needs an IPv4 address',
    };
  }
  const [, host = '', port = ''] = /^([^:]*):(.*)$/.exec(entry) ?? [];
  if (!entry.includes(':')) return { message: `${entry} has no port`, hint: `write ${entry}:PORT` };
  if (port === '*' || /^\d+[-,]\d+/.test(port)) {
    return { message: 'several ports cannot be allowed at once', hint: 'write one entry for each port' };
  }
  if (!/^\d{1,5}$/.test(port) || Number(port) < 1 || Number(port) > 65535) {
    return { message: `${port === '' ? 'nothing' : port} is not a port from 1 to 65535`, hint: example };
  }
  return { host, port: Number(port) };
}

/** Why a host cannot be one of the list; undefined for one that can. */
function refusedHost(host: string, port: number, tls: boolean, address: string | undefined): Problem | undefined {
  if (host === 'localhost') return { message: 'localhost is the server itself', hint: 'write the name of the host' };
  if (host.startsWith('_')) {
    return { message: `${host} is an SRV name, which is no host`, hint: 'write the hosts that it stands for' };
  }
  const undotted = host.replace(/\.+$/, '');
  if (endsInNumber(undotted.replace(/^\*\./, '')) && !isIpv4(undotted)) {
    return {
      message: `${host} is a number or ends in one, so it is the name of no host: programs take it for an address`,
      hint: `write an address as four decimal numbers, without zeros before them, as 10.1.2.3:${port}`,
    };
  }
  if (undotted !== host) return { message: 'the name ends in a dot', hint: `write ${undotted}:${port}` };
  if (host === '*') return { message: '* is every host', hint: 'write the hosts that the server needs' };
  const isWildcard = host.startsWith('*.');
  const name = isWildcard ? host.slice(2) : host;
  if (!isHostName(name)) {
    return { message: `${JSON.stringify(host)} is not the name of a host`, hint: example };
  }
  if (!isWildcard) return undefined;
  if (!name.includes('.')) {
    return { message: `${host} is a whole top-level domain`, hint: 'write the hosts that the server needs' };
  }
  if (address !== undefined) return { message: 'a wildcard has no address', hint: 'leave address out' };
  if (!tls) {
    return {
      message: `port ${port} is not one of TLS, and elsewhere nothing tells which host is meant`,
      hint: 'write each host; where connections begin with TLS, { host, port, tls: true }',
    };
  }
  return undefined;
}

/** Why an address cannot be one of the list; `tls` is what the entry says of it. */
function refusedAddress(host: string, port: number, tls: boolean | undefined, address = host): Problem | undefined {
  const named = `{ host: NAME, address: ${address}, port: ${port} } with a NAME of your choice, and let the server connect to NAME:${port}`;
  if (address !== host) {
    return { message: `${host} is an address, and led to another one`, hint: `leave address out, or write ${named}` };
  }
  if (isNowhere(host)) {
    return { message: `${host} is not the address of a host`, hint: 'write the IPv4 address of the host, or its name' };
  }
  if (/\.(?:0|255)$/.test(host)) {
    return {
      message: `${host} is at an end of its subnet, where no container can stand in for it`,
      hint: `write ${named}`,
    };
  }
  if (tls !== true) return undefined;
  return {
    message: 'who connects to an address names no host in TLS',
    hint: 'leave tls out, or write a NAME of your choice as host, and this as its address',
  };
}

function target(reader: Reader, entry: EgressInput, path: string): EgressTarget | undefined {
  const refuse = ({ message, hint }: Problem, at = path): undefined => {
    reader.report({ code: 'invalid-egress', path: at, message, hint });
    return undefined;
  };
  if (typeof entry === 'object') {
    for (const key of ['host', 'port'] as const) {
      if (reader.has(`${path}.${key}`)) continue;
      reader.report({ code: 'missing-key', path, message: `an entry needs ${key}` });
    }
    if (entry.host === undefined || entry.port === undefined) return undefined;
  }
  const written = typeof entry === 'string' ? readText(entry) : { host: entry.host ?? '', port: entry.port ?? 0 };
  if ('message' in written) return refuse(written);
  const { address, tls: said } = typeof entry === 'string' ? {} : entry;
  if (isIpv4(written.host)) {
    const { host, port } = written;
    const problem = refusedAddress(host, port, said, address);
    return problem === undefined ? { host, port, tls: false, address: host } : refuse(problem);
  }
  const tls = said ?? isTlsPort(written.port);
  const host = written.host.toLowerCase();
  const problem = refusedHost(host, written.port, tls, address);
  if (problem !== undefined) return refuse(problem, typeof entry === 'string' ? path : `${path}.host`);
  if (address === undefined) return { host, port: written.port, tls };
  if (!isIpv4(address) || isNowhere(address)) {
    const hint = 'write the IPv4 address of the host, or leave it out';
    return refuse({ message: `${JSON.stringify(address)} is not the address of a host`, hint }, `${path}.address`);
  }
  return { host, port: written.port, tls, address };
}

/** The hosts that a server may reach, sorted; reports what cannot be kept, and what to write instead. */
export function egressOf(reader: Reader, entries: readonly EgressInput[]): readonly EgressTarget[] {
  const first = new Map<string, string>();
  const targets = entries.flatMap((entry, index) => {
    const path = `${listPath}[${index}]`;
    const one = target(reader, entry, path);
    if (one === undefined) return [];
    const name = `${one.host}:${one.port}`;
    const other = first.get(name);
    if (other === undefined) {
      first.set(name, path);
      return [one];
    }
    const related = [{ path: other, message: 'first here' }];
    reader.report({ code: 'duplicate-egress', path, message: `${name} is listed twice`, related });
    return [];
  });
  const hosts = new Set(targets.map(({ host }) => host));
  if (hosts.size > mostTargets) {
    const message = `${hosts.size} hosts: a server can be led to ${mostTargets} at most`;
    reader.report({ code: 'invalid-egress', path: listPath, onKey: true, message });
  }
  const addresses = [...hosts].filter(isIpv4);
  if (addresses.length > mostAddresses) {
    const message = `${addresses.length} addresses: a server can be led to ${mostAddresses} at most`;
    const hint = 'write { host: NAME, address: …, port: … } where the server can be told a NAME of your choice';
    reader.report({ code: 'invalid-egress', path: listPath, onKey: true, message, hint });
  }
  return targets.toSorted((a, b) => (a.host === b.host ? a.port - b.port : a.host < b.host ? -1 : 1));
}
