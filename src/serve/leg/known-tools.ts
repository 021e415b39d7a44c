import { canonicalJson } from '../../model/values/canonical-json.ts';
import { isRecord } from '../../model/values/is-record.ts';
import { shownTools } from '../filter.ts';
import { ownTerms } from '../messages/envelope.ts';
import { paramsOf } from '../messages/message.ts';
import type { HeaderFields, Message } from '../messages/protocol.ts';
import type { Serves } from '../upstreams.ts';
import type { Answered, Line } from './line.ts';

/** Which tools the client of a leg knows, and from which container; it is told when another one has others. */
export type KnownTools = {
  /** Takes note of an answer to `tools/list`. */
  readonly listed: (line: Line, request: Message, answered: Answered) => void;
  /**
   * Asks a container for its tools in the words of the client's own list, if there was one. Throws what `ask` throws; the
   * client is told then that they may differ.
   */
  readonly compare: (line: Line, ask: (message: Message, headers?: HeaderFields) => Promise<Answered>) => Promise<void>;
  /** Another container serves, and nothing is open to ask it with: its tools may differ. */
  readonly replaced: (by: Serves) => void;
};

/** `tell` is given `notifications/tools/list_changed`. */
export function knownTools(tell: (changed: Message) => void): KnownTools {
  let known: { readonly tools: string; readonly of: Serves } | undefined;
  let list: ReturnType<typeof ownTerms> | undefined;
  /** Who shares a leg shares what is known of its tools: what one of them has seen of a new container is news for the others. */
  const saw = (of: Serves, tools: string): void => {
    const isNews = known !== undefined && !isOn(of, known.of) && known.tools !== tools;
    known = { tools, of };
    if (isNews) tell({ jsonrpc: '2.0', method: 'notifications/tools/list_changed' });
  };
  return {
    listed(line, request, answered) {
      if (paramsOf(request).cursor !== undefined) return;
      list = ownTerms(request, 'tools/list');
      const tools = toolsText(answered) ?? (known === undefined ? unknownTools : undefined);
      if (tools !== undefined) saw(line, tools);
    },
    replaced(by) {
      if (known !== undefined && !isOn(by, known.of) && !isAlike(by, known.of)) saw(by, unknownTools);
    },
    async compare(line, ask) {
      if (known === undefined || isOn(line, known.of)) return;
      const { meta, headers } = list ?? {};
      const params = meta === undefined ? {} : { params: { _meta: meta } };
      try {
        const answered = await ask({ jsonrpc: '2.0', method: 'tools/list', ...params }, headers);
        // What one said after another took its place is no news.
        if (!line.isOver) saw(line, toolsText(answered) ?? unknownTools);
      } catch (error) {
        // Nobody knows what it has, and no later look would ask it: its client looks for itself.
        if (!line.isOver && !isOn(line, known.of)) saw(line, unknownTools);
        throw error;
      }
    },
  };
}

/** In place of tools that nobody has seen, and that are none of a list. */
const unknownTools = 'unknown';

/** Whether a line leads to this run of this container. */
export const isOn = (line: Serves, { container, run }: Serves): boolean =>
  line.container === container && line.run === run;

/** Whether two containers are made from the same. */
const isAlike = (one: Serves, other: Serves): boolean =>
  one.container !== other.container && one.generation !== undefined && one.generation === other.generation;

/** The tools of a list that its client may see, as one text, whatever their order: of some servers it differs from start to start. */
function toolsText({ message: { result }, spec }: Answered): string | undefined {
  if (!isRecord(result) || !Array.isArray(result.tools)) return undefined;
  return shownTools(spec.mcp.tools, result.tools).map(canonicalJson).sort().join('\n');
}
