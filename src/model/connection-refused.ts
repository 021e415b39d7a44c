import { LoomsError } from './errors.ts';
import type { ServerName } from './ids.ts';

/** What is said when no connection to a server could be made in time. */
export const connectionRefused = (server: ServerName, port: number): LoomsError =>
  new LoomsError('session-failed', `${server}: connection refused, nothing listens on port ${port}`, {
    hint: 'check that the server listens on 0.0.0.0 and on mcp_server.port, and its env; an isolated server reaches nothing outside (network.mode)',
  });
