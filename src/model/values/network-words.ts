/** What Node's codes of a connection that did not come about, or broke, mean for people; undefined for other codes. */
export const networkWords: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there',
  ECONNRESET: 'it dropped the connection',
  EPIPE: 'it dropped the connection',
  ETIMEDOUT: 'it did not answer',
  EHOSTUNREACH: 'there is no way to its host',
  ENETUNREACH: 'there is no way to its host',
  ENOTFOUND: 'its host name does not resolve',
  EAI_AGAIN: 'its host name does not resolve now',
};
