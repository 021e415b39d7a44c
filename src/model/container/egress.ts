import type { DesiredServer, EgressTarget } from '../desired.ts';
import type { Refusal } from '../server-view.ts';
import { plural } from '../values/words.ts';

/** Ports on which a connection begins with TLS (IANA's `…s` services, and what is customary beside them). */
const tlsPorts: ReadonlySet<number> = new Set([443, 465, 636, 853, 989, 990, 992, 993, 995, 5671, 8443, 8883]);

export const isTlsPort = (port: number): boolean => tlsPorts.has(port);

/** Each host has an address of its own in the server's network, so that two of them can have one port. */
export const mostTargets = 30;

/** Of these, addresses: each takes a container of its own, and 14 addresses of a subnet are for those of its server. */
export const mostAddresses = 8;

/** Whether a server has a forwarder, that leads it to what it lists, or notes what it tries. */
export const hasForwarder = ({ network }: Pick<DesiredServer, 'network'>): boolean =>
  network.mode === 'isolated' && (network.egress.length > 0 || network.egressLearn);

/** What a server is led to by name, without an address in its list; nothing on an open network, which leads to all. */
export const ledByName = ({ network }: Pick<DesiredServer, 'network'>): readonly EgressTarget[] =>
  network.mode === 'isolated' ? network.egress.filter(({ address }) => address === undefined) : [];

export const isIpv4 = (text: string): boolean =>
  /^(?:0|[1-9]\d{0,2})(?:\.(?:0|[1-9]\d{0,2})){3}$/.test(text) && text.split('.').every((part) => Number(part) <= 255);

/** Addresses that no target has: of the container itself, of a link (metadata services among them), of groups. */
export const isNowhere = (address: string): boolean => /^(?:0|127|22[4-9]|2[3-5]\d)\.|^169\.254\./.test(address);

/** The subnet around a listed address that is its server's alone on an engine. */
export const blockOf = (address: string): string => address.replace(/\d+$/, '0/24');

/**
 * Whether programs may take a name for an IPv4 address in another spelling, by its last label: a number in decimal, octal or
 * hexadecimal (https://url.spec.whatwg.org/#ends-in-a-number-checker; inet_aton(3) takes the same).
 */
export const endsInNumber = (name: string): boolean => /(?:^|\.)(?:\d+|0x[\da-f]*)\.?$/i.test(name);

/** Names of hosts, as a list may have them: lower case, without the dot of the root, and no address in any spelling. */
export const isHostName = (text: string): boolean =>
  /^(?=.{1,253}$)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*$/.test(text) && !endsInNumber(text);

/** A target for people, and as a spec's short form has it. */
export const egressText = ({ host, port }: Pick<EgressTarget, 'host' | 'port'>): string => `${host}:${port}`;

/** How often something was refused, and in how many lines of the forwarder's log where there are more. */
export const refusedTimes = ({ times, ofLast }: Pick<Refusal, 'times' | 'ofLast'>): string =>
  `${plural(times, 'time')}${ofLast === undefined ? '' : ` in the last ${ofLast} lines`}`;
