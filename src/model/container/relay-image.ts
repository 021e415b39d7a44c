/** Image of what HTTP servers are reached through: it needs `sleep` and Perl, as Debian's and Ubuntu's have. */
const defaultRelayImage = 'debian:bookworm-slim';

/** The image of the relays that a run makes; `LOOMS_RELAY_IMAGE` names another one. */
export const relayImageOf = ({ LOOMS_RELAY_IMAGE }: Readonly<Record<string, string | undefined>>): string =>
  LOOMS_RELAY_IMAGE || defaultRelayImage;
