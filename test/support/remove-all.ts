import { setTimeout as delay } from 'node:timers/promises';
import type Docker from 'dockerode';

type Labels = Readonly<Record<string, string>> | null | undefined;

/** How long an engine may take to let go of a network whose containers are gone: Engine 20.10 counts late. */
const letsGoMs = 30_000;
const askedAgainMs = 250;

const statusOf = (error: unknown): unknown => (error as { statusCode?: unknown }).statusCode;

/** Another process may remove the same at the same moment: then it is gone (404), or going (409). */
async function orGone(removal: Promise<unknown>): Promise<void> {
  try {
    await removal;
  } catch (error) {
    const status = statusOf(error);
    if (status !== 404 && !(status === 409 && String(error).includes('in progress'))) throw error;
  }
}

/**
 * Removes a network once the engine says that nothing is connected (403 until then, for at most `patienceMs`). Engine 20.10
 * can count endpoints of containers that are gone until it is restarted: such a network stays, and is told.
 */
async function removeNetwork(network: Docker.Network, patienceMs: number): Promise<void> {
  const endMs = Date.now() + patienceMs;
  for (;;) {
    try {
      return await orGone(network.remove());
    } catch (error) {
      if (statusOf(error) !== 403) throw error;
      if (Date.now() > endMs) {
        const { Name, Containers } = await network.inspect();
        if (Object.keys(Containers ?? {}).length > 0) throw error;
        return console.log(`network ${Name} stays: the engine counts endpoints on it of containers that are gone`);
      }
    }
    await delay(askedAgainMs);
  }
}

/**
 * Removes all containers, networks and volumes that `isOurs` says are to go, by name and labels. One that cannot be
 * removed does not keep the others: what went wrong is thrown at the end.
 */
export async function removeAll(
  docker: Docker,
  isOurs: (name: string, labels: Labels) => boolean,
  patienceMs = letsGoMs,
): Promise<void> {
  const failed: unknown[] = [];
  const each = async (removal: Promise<void>): Promise<void> => {
    await removal.catch((error: unknown) => failed.push(error));
  };
  for (const { Id, Names, Labels } of await docker.listContainers({ all: true })) {
    if (isOurs(Names.join(), Labels)) await each(orGone(docker.getContainer(Id).remove({ force: true, v: true })));
  }
  for (const { Id, Name, Labels } of await docker.listNetworks()) {
    if (isOurs(Name, Labels)) await each(removeNetwork(docker.getNetwork(Id), patienceMs));
  }
  for (const { Name, Labels } of (await docker.listVolumes()).Volumes ?? []) {
    if (isOurs(Name, Labels)) await each(orGone(docker.getVolume(Name).remove()));
  }
  if (failed.length > 0) throw new AggregateError(failed, `not removed: ${failed.map(String).join('; ')}`);
}
