import { refusalOf } from '../port.ts';

/** Whether the API server refused since who asked has not the right (403), and not for what was asked. */
export const isForbidden = (error: unknown): boolean => refusalOf(error)?.status === 403;
