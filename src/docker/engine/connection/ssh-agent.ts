import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { Agent, type ClientRequestArgs } from 'node:http';
import { Duplex } from 'node:stream';
import type { Endpoint } from './endpoint.ts';

type SshEndpoint = Extract<Endpoint, { kind: 'ssh' }>;

/** How much of ssh's own complaints an error carries, characters. */
const complaintLength = 2_000;

/** The argv that reaches an engine through the user's own ssh, with its config, keys, agents and host checks. */
export function sshArguments(endpoint: SshEndpoint, connectSeconds: number): readonly string[] {
  const remote =
    endpoint.remoteSocket === undefined
      ? ['docker', 'system', 'dial-stdio']
      : ['docker', '--host', `unix://${endpoint.remoteSocket}`, 'system', 'dial-stdio'];
  return [
    ...(endpoint.user === undefined ? [] : ['-l', endpoint.user]),
    ...(endpoint.port === undefined ? [] : ['-p', String(endpoint.port)]),
    '-o',
    `ConnectTimeout=${connectSeconds}`,
    '-T',
    '--',
    endpoint.host,
    // ssh hands the remote shell one line: words are quoted for it.
    ...remote.map((word) => (/^[\w./:@=-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`)),
  ];
}

/** A child's stdin and stdout as the socket of a connection; `end` half-closes, a failure holds its stderr. */
class ProcessSocket extends Duplex {
  readonly #child: ChildProcessWithoutNullStreams;
  #complaint = '';

  constructor(child: ChildProcessWithoutNullStreams, name: string) {
    super({ allowHalfOpen: true });
    this.#child = child;
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#complaint = (this.#complaint + text).slice(-complaintLength);
    });
    child.stdout.on('data', (chunk: Buffer) => {
      if (!this.push(chunk)) child.stdout.pause();
    });
    child.on('error', (error) => this.destroy(error));
    // `close` comes after both streams and the exit code, so that a failure can still be told from an end.
    child.on('close', (code) => {
      if (code === 0 || code === null || this.destroyed) this.push(null);
      else {
        const said = this.#complaint.trim().split('\n').at(-1) ?? '';
        this.destroy(
          Object.assign(new Error(`${name} ended with ${code}${said === '' ? '' : `: ${said}`}`), { code: 'ESSH' }),
        );
      }
    });
    // A write to a child that is gone is told by `close`; the pipe's own error says less.
    child.stdin.on('error', () => undefined);
  }

  override _read(): void {
    this.#child.stdout.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#child.stdin.write(chunk, (error) => done(error));
  }

  override _final(done: () => void): void {
    this.#child.stdin.end(done);
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#child.stdin.destroy();
    this.#child.stdout.destroy();
    this.#child.kill();
    done(error);
  }

  // What node:http asks of a socket besides being a stream; a pipe has nothing to set.
  setTimeout(): this {
    return this;
  }
  setNoDelay(): this {
    return this;
  }
  setKeepAlive(): this {
    return this;
  }
  ref(): this {
    this.#child.ref();
    this.#eachPipe((pipe) => pipe.ref?.());
    return this;
  }
  /** Lets the program end while the connection only waits in the pool. */
  unref(): this {
    this.#child.unref();
    this.#eachPipe((pipe) => pipe.unref?.());
    return this;
  }

  /** The streams of a child are sockets; the types do not say so. */
  #eachPipe(act: (pipe: { ref?: () => void; unref?: () => void }) => void): void {
    for (const pipe of [this.#child.stdin, this.#child.stdout, this.#child.stderr]) act(pipe as object);
  }
}

class CommandAgent extends Agent {
  readonly #command: string;
  readonly #arguments: readonly string[];

  constructor(command: string, argv: readonly string[]) {
    // Connecting costs an ssh handshake: keep connections, and few of them.
    super({ keepAlive: true, maxFreeSockets: 8 });
    this.#command = command;
    this.#arguments = argv;
  }

  override createConnection(_options: ClientRequestArgs): Duplex {
    const child = spawn(this.#command, this.#arguments, { stdio: 'pipe', windowsHide: true });
    return new ProcessSocket(child, this.#command);
  }
}

/** An HTTP agent whose connections are `ssh … docker system dial-stdio` processes. `command` is `ssh` but in tests. */
export const sshAgent = (endpoint: SshEndpoint, connectSeconds: number, command = 'ssh'): Agent =>
  new CommandAgent(command, sshArguments(endpoint, connectSeconds));
