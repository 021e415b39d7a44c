import { LoomsError } from '../../../model/errors.ts';
import { asNetworkId, type NetworkId, shortId } from '../../../model/ids.ts';
import { overlap, rangeOf } from '../../model/ipv4.ts';
import { label } from '../../model/labels.ts';
import type { NetworkShape } from '../../model/observed.ts';
import { ask, askList, askObject, get, post, remove } from '../connection/ask.ts';
import { orNull, poll } from '../connection/call.ts';
import type { Client } from '../connection/connection.ts';
import { statusOf } from '../connection/errors.ts';

/** A network as the engine lists and inspects it; only an inspect tells who is on it. */
export type InspectedNetwork = {
  readonly Id: string;
  readonly Name: string;
  readonly Driver: string;
  readonly Internal: boolean;
  readonly EnableIPv6?: boolean;
  readonly Options?: Readonly<Record<string, string>> | null;
  readonly Labels?: Readonly<Record<string, string>> | null;
  readonly IPAM?: {
    readonly Config?: readonly { readonly Subnet?: string; readonly IPRange?: string }[] | null;
  } | null;
  readonly Containers?: Readonly<Record<string, unknown>> | null;
};

/** All networks, or those with `text` in their name. */
export const listNetworks = (client: Client, text?: string): Promise<readonly InspectedNetwork[]> =>
  askList(client, 'list networks', get('/networks', text === undefined ? {} : { filters: { name: [text] } }));

/** The subnets of a network. */
export const subnetsOf = ({ IPAM: ipam }: InspectedNetwork): readonly string[] =>
  (ipam?.Config ?? []).flatMap(({ Subnet: subnet }) => subnet ?? []);

/** A network with its members; null when it is gone. */
export const inspectNetwork = (client: Client, id: string): Promise<InspectedNetwork | null> =>
  orNull(askObject<InspectedNetwork>(client, `inspect network ${shortId(id)}`, get(`/networks/${id}`), ['Id', 'Name']));

/** Why the engine made no network, with what helps: its addresses are taken, or the engine has none left to choose from. */
async function refusedNetwork(client: Client, { name, subnet }: NetworkShape, error: unknown): Promise<unknown> {
  if (!(error instanceof LoomsError) || statusOf(error) === undefined) return error;
  const others = (await listNetworks(client)).filter((one) => one.Name !== name);
  if (subnet === undefined) {
    const hint = `where the engine has no address pool left (networks beside this one: ${others.length}): remove those that nothing uses (\`docker network ls\`), or give the engine more with default-address-pools in its daemon.json`;
    return new LoomsError(error.code, error.message, { hint, cause: error });
  }
  const range = rangeOf(subnet);
  const isInIt = (cidr: string): boolean => {
    const other = rangeOf(cidr);
    return range !== undefined && other !== undefined && overlap(range, other);
  };
  const holder = others.find((one) => subnetsOf(one).some(isInIt));
  if (holder === undefined) return error;
  return new LoomsError('engine-conflict', `${error.message}: network ${holder.Name} has addresses of ${subnet}`, {
    hint: 'that network was made in the meantime: run the same command again, and looms takes addresses that are free then or says why it cannot',
    cause: error,
  });
}

/**
 * Makes a network, or takes the one of ours that is there already. Engines before 25 make two networks of one name
 * when two ask at once: all but the one with the lowest id are removed again, by everyone who asked, so one stays.
 * Throws `engine-conflict` when a network that is not this project's has the name, or another network has the addresses.
 */
export async function createNetwork(
  client: Client,
  network: NetworkShape,
  labels: Readonly<Record<string, string>>,
): Promise<NetworkId> {
  const body = {
    Name: network.name,
    Driver: network.driver,
    Internal: network.internal,
    // Left out, it is what the engine's `default-network-opts` say (27 and later).
    ...(network.ipv6 === undefined ? {} : { EnableIPv6: network.ipv6 }),
    Options: network.options,
    ...(network.subnet === undefined
      ? {}
      : {
          IPAM: {
            Config: [
              {
                Subnet: network.subnet,
                ...(network.ipRange && { IPRange: network.ipRange }),
                ...(network.gateway && { Gateway: network.gateway }),
              },
            ],
          },
        }),
    Labels: labels,
    CheckDuplicate: true,
  };
  try {
    await ask(client, `create network ${network.name}`, post('/networks/create', {}, body));
  } catch (error) {
    if (statusOf(error) !== 409) throw await refusedNetwork(client, network, error);
  }
  // The engine's own filter matches parts of names.
  const [kept, ...duplicates] = (await listNetworks(client, network.name))
    .filter(({ Name: name }) => name === network.name)
    .sort((a, b) => (a.Id < b.Id ? -1 : 1));
  const isOurs = (candidate: InspectedNetwork | undefined): boolean =>
    candidate?.Labels?.[label.project] === labels[label.project];
  if (kept === undefined || !isOurs(kept)) {
    throw new LoomsError('engine-conflict', `a network named ${network.name} is there that looms did not make`, {
      hint: `rename or remove it: docker network rm ${network.name}`,
    });
  }
  for (const duplicate of duplicates.filter(isOurs)) await removeNetwork(client, asNetworkId(duplicate.Id));
  return asNetworkId(kept.Id);
}

/** Endpoints of containers that were just removed go a moment after them, ms. */
const endpointLimitMs = 3_000;
const pollMs = 200;

/** Podman (5.8) refuses to remove a network in use only by its name, which is unique: by id it takes it away. */
async function removalNameOf(client: Client, id: NetworkId): Promise<string> {
  if (client.engine.kind === 'docker') return id;
  const network = await inspectNetwork(client, id);
  return network === null ? id : encodeURIComponent(network.Name);
}

/**
 * Removes a network; one that is gone already is no error. false: the engine keeps it, because it still counts
 * endpoints of containers that are gone, which Engine 20.10 does now and then when many are removed at once, until it
 * is restarted. Throws `engine-conflict` while containers are on it.
 */
export async function removeNetwork(client: Client, id: NetworkId): Promise<boolean> {
  const what = `remove network ${shortId(id)}`;
  const tryIt = async (): Promise<true | undefined> => {
    try {
      const name = await removalNameOf(client, id);
      await orNull(ask(client, what, remove(`/networks/${name}`)));
      return true;
    } catch (error) {
      // Podman: 409.
      if (![403, 409].includes(statusOf(error) ?? 0)) throw error;
      const network = await inspectNetwork(client, id);
      if (network === null || Object.keys(network.Containers ?? {}).length === 0) return undefined;
      throw new LoomsError('engine-conflict', `cannot ${what}: there are still containers on it`, { cause: error });
    }
  };
  return (await poll(tryIt, { everyMs: pollMs, limitMs: endpointLimitMs })) ?? false;
}
