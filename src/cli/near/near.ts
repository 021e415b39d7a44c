// The way from the command line to a gateway that runs already. It is a bundle of its own, which loads nothing but itself.
import { lstatSync, readdirSync, readFileSync } from 'node:fs';
import { createConnection, type Socket } from 'node:net';
import { constants, homedir } from 'node:os';
import { join } from 'node:path';
import { stateFolder } from '../../model/state-folder.ts';
import { watchOutput } from '../terminal/lost-output.ts';
import { type FrameTakers, frameOf, frameReader, kinds, type NearCommand, nearNames } from './near-frames.ts';
import { viewOfFiles } from './near-view.ts';

const commands: ReadonlySet<string> = new Set(nearNames);
/** How long a gateway may take to say that it would do it, ms; nothing is done before it heard that it shall. */
const readyMs = 2_000;
/** A second signal ends this program this long after the first, ms, when the gateway has not answered that. */
const patienceMs = 3_000;
const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
/** `server-exited` of docs/exit-codes.md; the table there loads more than this way to a gateway may. */
const unreachable = 69;

/**
 * Has a gateway of this user's do a command, where one runs that serves its project. False when this program has to do it:
 * then nothing was done. Ends the process otherwise.
 */
export async function runNear(argv: readonly string[], root: string): Promise<boolean> {
  if (argv[0] !== 'mcp' || !commands.has(argv[1] ?? '')) return false;
  const end = argv.indexOf('--');
  const flags = end === -1 ? argv : argv.slice(0, end);
  if (flags.some((word) => word === '--direct' || word === '--help' || word === '-h')) return false;
  for (const socket of socketsFor(flags).filter(isOwn)) {
    const connection = await agreed(socket, argv, root);
    if (connection !== undefined) await follow(connection);
  }
  return false;
}

/** Where gateways of this user listen: of the project, where the command or its environment names one. */
function socketsFor(flags: readonly string[]): readonly string[] {
  const folder = join(stateFolder(process.env, homedir), 'serve');
  const at = flags.findIndex((word) => word === '--project' || word.startsWith('--project='));
  const flag = flags[at]?.includes('=') ? flags[at]?.slice('--project='.length) : flags[at + 1];
  const named = (at === -1 ? undefined : flag) ?? (process.env.LOOMS_PROJECT || undefined);
  if (named !== undefined) return /^[a-z0-9-]+$/.test(named) ? [join(folder, `${named}.sock`)] : [];
  try {
    return readdirSync(folder).flatMap((name) => (name.endsWith('.sock') ? [join(folder, name)] : []));
  } catch {
    return [];
  }
}

/** Whether a socket is this user's own: who listens is shown the environment, with the secrets in it. */
function isOwn(path: string): boolean {
  try {
    return process.getuid === undefined || lstatSync(path).uid === process.getuid();
  } catch {
    return false;
  }
}

type Connection = { readonly socket: Socket; takers: FrameTakers };

/** Shows the command to a gateway; undefined where none listens, it is none of its, or it does not say so in time. */
function agreed(path: string, argv: readonly string[], root: string): Promise<Connection | undefined> {
  const { promise, resolve } = Promise.withResolvers<Connection | undefined>();
  const socket = createConnection(path);
  const give = (): void => {
    clearTimeout(timer);
    socket.destroy();
    resolve(undefined);
  };
  const timer = setTimeout(give, readyMs);
  const ready = (): void => {
    clearTimeout(timer);
    socket.off('close', give);
    resolve(connection);
  };
  const connection: Connection = { socket, takers: { [kinds.ready]: ready, else: give } };
  const read = frameReader(() => connection.takers);
  let head = '';
  const onHead = (piece: Buffer): void => {
    head += piece.toString('latin1');
    const at = head.indexOf('\r\n\r\n');
    if (at === -1) return;
    if (!head.startsWith('HTTP/1.1 101')) {
      give();
      return;
    }
    socket.off('data', onHead).on('data', read);
    read(Buffer.from(head.slice(at + 4), 'latin1'));
  };
  socket.on('data', onHead);
  socket.on('error', give).on('close', give);
  socket.write('GET /looms HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: looms\r\n\r\n');
  socket.write(frameOf(kinds.command, JSON.stringify(commandOf(argv, root))));
  return promise;
}

function commandOf(argv: readonly string[], root: string): NearCommand {
  const { stdin, stdout, stderr } = process;
  return {
    version: JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version,
    argv,
    environment: process.env,
    workingDirectory: process.cwd(),
    pid: process.pid,
    view: viewOfFiles(),
    isTerminal: [stdin.isTTY === true, stdout.isTTY === true, stderr.isTTY === true],
    size: [stdout.columns, stdout.rows, stderr.columns, stderr.rows],
  };
}

/** Lets the gateway do it, and passes on what goes in and out until its end, which ends this process. */
function follow(connection: Connection): Promise<never> {
  const { socket } = connection;
  const end = watchOutput();
  const say = (...[kind, content]: Parameters<typeof frameOf>): void => void socket.write(frameOf(kind, content));
  let asking: AbortController | undefined;
  let since: number | undefined;
  for (const signal of signals) {
    process.on(signal, () => {
      if (since !== undefined && performance.now() - since > patienceMs) process.exit(128 + constants.signals[signal]);
      since ??= performance.now();
      say(kinds.signal, signal);
    });
  }
  const finish = (code: number): void => {
    socket.off('close', broken);
    process.exitCode = code;
    end();
  };
  const broken = (): void => {
    process.stderr.write(
      'error[server-exited]: the gateway ended before it answered; what was asked may have been done\n' +
        'hint: `looms audit` shows what was sent; --direct goes past the gateway\n',
    );
    finish(unreachable);
  };
  const ask = async (question: string): Promise<void> => {
    const { askLine } = await import('../terminal/ask-line.ts');
    asking = new AbortController();
    const typed = await askLine(question, { signal: asking.signal });
    say(kinds.typed, JSON.stringify('line' in typed ? typed : { ended: typed.ended }));
  };
  connection.takers = {
    [kinds.stdout](content) {
      // One that reads slowly slows down whoever writes.
      if (process.stdout.write(content)) return;
      socket.pause();
      process.stdout.once('drain', () => socket.resume());
    },
    [kinds.stderr]: (content) => void process.stderr.write(content),
    [kinds.wantInput]: () =>
      void process.stdin.on('data', (piece) => say(kinds.input, piece)).on('end', () => say(kinds.inputEnd)),
    [kinds.ask]: (content) => (content.length > 0 ? void ask(JSON.parse(content.toString())) : asking?.abort()),
    [kinds.exit]: (content) => finish(Number(content.toString())),
  };
  socket.off('close', broken).on('close', broken);
  say(kinds.go);
  return new Promise(() => {});
}
