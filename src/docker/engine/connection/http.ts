import { Agent } from 'node:http';
import type { LookupFunction } from 'node:net';

export { request } from 'node:http';

/** Connections over HTTP that are kept. `lookup` finds the addresses of hosts; without one the system is asked. */
export const httpAgent = (lookup?: LookupFunction): Agent =>
  new Agent({ keepAlive: true, ...(lookup === undefined ? {} : { lookup }) });
