import { spawn } from 'node:child_process';
import type { Finished } from './looms.ts';

/** The `kubectl` of the cluster that KUBECONFIG names (npm run test:kube); '': there is no cluster for tests. */
export const kubectlProgram = process.env.LOOMS_TEST_KUBECTL ?? '';

/** Runs `kubectl` to its end. */
export async function kubectl(args: readonly string[], stdin = ''): Promise<Finished> {
  const child = spawn(kubectlProgram, args, { stdio: 'pipe' });
  const read = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      read[name] += text;
    });
  }
  child.stdin.end(stdin);
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { code, ...read };
}

/** What it says; throws where it fails. */
export async function kubectlSays(args: readonly string[], stdin = ''): Promise<string> {
  const { code, stdout, stderr } = await kubectl(args, stdin);
  if (code !== 0) throw new Error(`kubectl ${args.join(' ')}: ${stderr}`);
  return stdout;
}

/** An answer of it, of which a test knows what is in it. */
export const kubectlJson = async <T>(args: readonly string[]): Promise<T> =>
  JSON.parse(await kubectlSays([...args, '-o', 'json'])) as T;
