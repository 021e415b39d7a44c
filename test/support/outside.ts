import { networkInterfaces } from 'node:os';

/** An address of the engine's machine, and so outside of every project; undefined where it has none but loopback. */
export const outsideAddress = Object.values(networkInterfaces())
  .flat()
  .find((one) => one?.family === 'IPv4' && !one.internal)?.address;
