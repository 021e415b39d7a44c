import type { Duplex } from 'node:stream';
import { messageOf } from '../../model/failure.ts';
import type { ProjectName } from '../../model/ids.ts';
import type { CommandClass } from '../base-command.ts';
import { exitCode } from '../exit-codes.ts';
import { exitRequested, reportError } from '../report-error.ts';
import { type NearProgram, nearProgram, ProgramLeft } from './near-program.ts';
import { viewOfFiles } from './near-view.ts';
import type { NearCommands, Warm } from './warm.ts';

/** How many commands of other programs are carried out at once; one more is left to its own program. */
const mostAtOnce = 64;

type Served = {
  /** Of looms: another version may mean something else by the same words. */
  readonly version: string;
  readonly root: string;
  readonly project: ProjectName;
  readonly engine: string | undefined;
  /** By the word after `mcp`. */
  readonly commands: Readonly<Record<string, () => Promise<{ readonly default: CommandClass }>>>;
  readonly warm: Omit<Warm, 'admit'>;
  readonly log: (text: string) => void;
};

/** Not for this gateway: nothing was done, and whoever asked does it without. */
class Declined extends Error {}

/**
 * Carries out `looms mcp …` for programs of the same user, as they would themselves, with what is open here. A program is
 * asked once more before anything is done, so that what it does itself after it has waited too long is done once.
 */
export function nearCommands(served: Served): NearCommands {
  const view = viewOfFiles();
  const running = new Set<NearProgram>();
  /** Whoever has a connection, also before and after its command: none may keep the gateway from ending. */
  const connected = new Set<NearProgram>();

  const carryOut = async (socket: Duplex, head: Buffer): Promise<void> => {
    const near = nearProgram(socket, head);
    connected.add(near);
    socket.once('close', () => connected.delete(near));
    const command = await near.command;
    const load = served.commands[command.argv[1] ?? ''];
    const isAlike = command.version === served.version && command.view === view && command.argv[0] === 'mcp';
    if (!isAlike || load === undefined || running.size >= mostAtOnce) return near.end('declined');
    running.add(near);
    try {
      const own = near.programOf(command);
      let isAdmitted = false;
      const admit: Warm['admit'] = async ({ project, engine }) => {
        if (project !== served.project || engine === undefined || engine !== served.engine) throw new Declined();
        await near.agree();
        isAdmitted = true;
      };
      const program = { ...own, warm: { ...served.warm, admit } };
      const { default: Command } = await load();
      let failedWith: number | undefined;
      try {
        Command.id = `mcp:${command.argv[1]}`;
        await new Command(command.argv.slice(2), Command.configFor(served.root)).start(program);
      } catch (error) {
        failedWith = exitRequested(error) ?? (await reportError(error, program, (text) => text));
      }
      // What failed before is said best by the program itself.
      await near.end(isAdmitted ? { exitCode: failedWith ?? own.exitCode() ?? exitCode.done } : 'declined');
    } finally {
      running.delete(near);
    }
  };
  return {
    take(socket, head) {
      carryOut(socket, head).catch((error: unknown) => {
        socket.destroy();
        if (!(error instanceof ProgramLeft)) served.log(`a command of another program failed: ${messageOf(error)}`);
      });
    },
    stop() {
      for (const near of connected) near.stop();
    },
  };
}
