import type { EgressTarget } from '../../model/desired.ts';
import type { WayOut } from './way-out.ts';

/** Stands in a configuration for the networks that its forwarder is on, which the engine chooses (forwarder-program.ts). */
export const ownNetworks = '=own-networks=';

/**
 * Addresses that no name may lead to: of the forwarder itself, of a link (its server's network among them), of groups, and
 * of the project's way out, on which the other forwarders are, and by its gateway the engine's host.
 */
const nowhere = `0.0.0.0/8 127.0.0.0/8 169.254.0.0/16 224.0.0.0/3 ${ownNetworks}`;

/**
 * The name in TLS as the server wrote it, in a form that has no blanks and no control characters, and as long as names can
 * be; `-` where there was none.
 */
const nameInTls = '%[var(txn.sni),bytes(0,253),url_enc]';

/**
 * One frontend for an address and port. The name is resolved when a connection comes, and the rules wait for the answer
 * as long as `inspect-delay` says, ms. On ports of TLS the name in it must be the listed one: every host behind the same
 * address would be reached else.
 */
function frontend({ host, port, tls, address }: EgressTarget, index: number, own: string): readonly string[] {
  const suffix = host.startsWith('*') ? host.slice(1) : undefined;
  const sni =
    suffix === undefined
      ? `{ req.ssl_sni -i ${host} }`
      : `{ req.ssl_sni -m end -i ${suffix} } { req.ssl_sni -m reg -i ^[a-z0-9_-]+(\\.[a-z0-9_-]+)+$ }`;
  const name = suffix === undefined ? `str(${host})` : 'req.ssl_sni,lower';
  return [
    `frontend t${index}`,
    `  bind ${own}:${port}`,
    '  tcp-request inspect-delay 10s',
    ...(tls
      ? [
          '  tcp-request content set-var(txn.at) str(tls)',
          '  tcp-request content set-var(txn.sni) req.ssl_sni',
          `  tcp-request content reject unless ${sni}`,
        ]
      : []),
    ...(address === undefined
      ? [
          '  tcp-request content set-var(txn.at) str(name)',
          `  tcp-request content do-resolve(txn.to,engine,ipv4) ${name}`,
          '  tcp-request content reject unless { var(txn.to) -m found }',
          '  tcp-request content set-var(txn.at) str(address)',
          `  tcp-request content reject if { var(txn.to) -m ip ${nowhere} }`,
          '  tcp-request content set-dst var(txn.to)',
        ]
      : []),
    `  log-format "connection to ${host}:${port} ended %ts at %[var(txn.at)], name in TLS ${nameInTls}, address ${address ?? '%[var(txn.to)]'}"`,
    `  default_backend t${index}`,
    `backend t${index}`,
    `  server target ${address ?? '0.0.0.0'}:${port}`,
  ];
}

/** HAProxy's configuration; '' where it has nothing to do. Connections of databases are idle for hours, so only the two ends end them. */
export function proxyConfig({ targets, addresses }: Pick<WayOut, 'targets' | 'addresses'>): string {
  if (targets.length === 0) return '';
  return [
    'global',
    // A line has at most 1,024 characters else, and a name in TLS that is all escapes has 759.
    '  log stdout len 2048 format raw daemon',
    '  nbthread 1',
    '  maxconn 800',
    'defaults',
    '  mode tcp',
    '  log global',
    // Else what went well pushes what was refused out of the lines that are read (refusals.ts).
    '  option dontlog-normal',
    '  option clitcpka',
    '  option srvtcpka',
    '  timeout connect 10s',
    '  timeout client 24d',
    '  timeout server 24d',
    'resolvers engine',
    '  nameserver engine 127.0.0.11:53',
    '  hold valid 1s',
    '  resolve_retries 2',
    '  timeout resolve 1s',
    '  timeout retry 1s',
    ...targets.flatMap((target, index) => frontend(target, index, addresses.get(target.host) ?? '')),
    '',
  ].join('\n');
}
