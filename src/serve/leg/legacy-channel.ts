import type { Channel } from '../../mcp/link/channel.ts';
import { isRecord } from '../../model/values/is-record.ts';
import { isRequest } from '../messages/message.ts';
import { type ClientRequest, code, type Message, modernRevision } from '../messages/protocol.ts';
import { type StatelessTalk, sayError, statelessTalk } from './stateless-talk.ts';

/**
 * A channel that is spoken to in the revisions with sessions, whatever its server speaks: once a server refuses
 * `initialize` for its revision, `server/discover` answers it, and what follows is put in the terms of 2026-07-28. There,
 * what a server wants to know comes back as `input_required`: it is asked as the requests that older clients know, and the
 * call is sent again with their answers.
 */
export function legacyChannel(channel: Channel, server: string, isModern: boolean): Channel {
  let handshake: ClientRequest | undefined;
  let talk: StatelessTalk | undefined;
  const say = (text: string, message: Message): void => over.ontext?.(text, message);
  const begin = (message: ClientRequest): Promise<void> => {
    talk?.close();
    talk = statelessTalk(channel, server, message, say);
    return talk.discover(message.id);
  };
  const over: Channel = {
    async send(text, sent, headers) {
      const message = sent as Message;
      if (message.method === 'initialize' && isRequest(message)) {
        if (isModern || talk !== undefined) return begin(message);
        handshake = message;
      }
      return talk === undefined ? channel.send(text, message, headers) : talk.send(message);
    },
    drop: (id) => (talk === undefined ? channel.drop(id) : talk.drop(id)),
    async close() {
      talk?.close();
      await channel.close();
    },
  };
  channel.ontext = (text, heard) => {
    const message = heard as Message;
    if (talk !== undefined) return talk.hear(text, message);
    if (handshake !== undefined && message.id === handshake.id && knowsNoSessions(message)) {
      const { id } = handshake;
      begin(handshake).catch((error: unknown) => sayError(say, id, String(error)));
      return;
    }
    say(text, message);
  };
  channel.onend = (why) => {
    talk?.close();
    over.onend?.(why);
  };
  return over;
}

function knowsNoSessions({ error }: Message): boolean {
  if (!isRecord(error) || error.code !== code.unsupportedVersion) return false;
  const supported: unknown = isRecord(error.data) ? error.data.supported : undefined;
  return !Array.isArray(supported) || supported.includes(modernRevision);
}
