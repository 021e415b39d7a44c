import { argvTemplateOf } from '../../model/container/argv.ts';
import { isIpv4, ledByName } from '../../model/container/egress.ts';
import { readTmpfs } from '../../model/container/tmpfs.ts';
import { builtDirOf, usualHome } from '../../model/container/usual-process.ts';
import { type DesiredServer, type Env, isHttp, type Mount } from '../../model/desired.ts';
import { isNonEmpty } from '../../model/plan.ts';
import { processEnv } from '../../model/secrets/secret-names.ts';
import { label, scriptsName, volumeClaimName, workloadName } from '../model/names.ts';
import { bytesQuantity, coresQuantity } from './quantities.ts';
import { runFolder, scriptsFolder } from './scripts.ts';

const mebibyte = 1024 * 1024;

/** What an idle pod asks of its node: a request as large as the limit would fill nodes with pods that do nothing. */
const asked = { cpu: 0.01, memoryBytes: 64 * mebibyte } as const;

/** What the container beside an HTTP server may take, through which that is gated and reached. */
const reachLimits = { cpu: '1', memory: '256Mi' } as const;

/** Added to what a probe's own clock gives a server, seconds: the kubelet does not promise to end what it gave up. */
const probeSlackSeconds = 5;

/** A user by numbers; undefined for a name, which only an image knows. */
export function numericUser(user: string): { readonly uid: number; readonly gid?: number } | undefined {
  const [, uid, gid] = /^(\d+)(?::(\d+))?$/.exec(user) ?? [];
  if (uid === undefined) return undefined;
  return { uid: Number(uid), ...(gid === undefined ? {} : { gid: Number(gid) }) };
}

/** Capabilities as Kubernetes names them. */
const capabilities = (names: readonly string[]): readonly string[] =>
  [...new Set(names.map((name) => name.replace(/^CAP_/, '')))].sort();

function securityContext({ security }: DesiredServer): object {
  const user = numericUser(security.user);
  const { capAdd, capDrop } = security;
  return {
    allowPrivilegeEscalation: !security.noNewPrivileges,
    capabilities: {
      ...(isNonEmpty(capDrop) ? { drop: capabilities(capDrop) } : {}),
      ...(isNonEmpty(capAdd) ? { add: capabilities(capAdd) } : {}),
    },
    readOnlyRootFilesystem: security.readOnlyRoot,
    runAsNonRoot: user?.uid !== 0,
    ...(user === undefined ? {} : { runAsUser: user.uid }),
    ...(user?.gid === undefined ? {} : { runAsGroup: user.gid }),
  };
}

/** Variables in the order of their names, so that the same spec gives the same object; those with secrets by reference. */
const environment = (name: string, env: Env): readonly object[] =>
  Object.entries(env)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([variable, value]) =>
      value.kind === 'literal'
        ? { name: variable, value: escaped(value.value) }
        : { name: variable, valueFrom: { secretKeyRef: { name, key: variable } } },
    );

/** Kubernetes fills in `$(NAME)` in values and arguments, and takes `$$` for `$`; a spec's text is meant as it stands. */
const escaped = (text: string): string => text.replaceAll(/\$(?=[$(])/g, () => '$$');

type Volume = { readonly name: string } & Readonly<Record<string, unknown>>;
type Mounted = { readonly volume: Volume; readonly mount: { readonly name: string; readonly mountPath: string } };

const memoryFolder = (name: string, mountPath: string, bytes: number): Mounted => ({
  volume: { name, emptyDir: { medium: 'Memory', sizeLimit: bytesQuantity(bytes) } },
  mount: { name, mountPath },
});

/** Scripts and the folder that they write to. */
const own = (): readonly Mounted[] => [
  {
    volume: { name: 'looms-scripts', configMap: { name: scriptsName, defaultMode: 0o444 } },
    mount: { name: 'looms-scripts', mountPath: scriptsFolder },
  },
  memoryFolder('looms-run', runFolder, mebibyte),
];

const tmpfs = ({ security }: DesiredServer): readonly Mounted[] =>
  Object.entries(security.tmpfs).map(([path, size], index) =>
    memoryFolder(`tmpfs-${index}`, path, readTmpfs(size)?.sizeBytes ?? 64 * mebibyte),
  );

/** Named volumes; folders of a host are refused before (`unlike.ts`). */
const volumes = ({ mounts }: DesiredServer): readonly Mounted[] => {
  const named = mounts.filter(({ type }) => type === 'volume');
  const sources = [...new Set(named.map(({ source }) => source))];
  return named.map(({ source, target, readOnly }) => {
    const name = `volume-${sources.indexOf(source)}`;
    return {
      volume: { name, persistentVolumeClaim: { claimName: volumeClaimName(source) } },
      mount: { name, mountPath: target, ...(readOnly ? { readOnly } : {}) },
    };
  });
};

const mountedBy = (all: readonly Mounted[]) => ({
  volumeMounts: all.map(({ mount }) => mount),
});

const probe = (command: readonly string[], timeoutSeconds: number): object => ({
  exec: { command: command.map(escaped) },
  timeoutSeconds: timeoutSeconds + probeSlackSeconds,
  // The kubelet looks once when it has made a container, before that runs, and then at each period: a longer one is waited out.
  periodSeconds: 1,
  failureThreshold: 3,
  successThreshold: 1,
});

const inShell = (script: string, ...args: readonly string[]): string[] => [
  '/bin/sh',
  `${scriptsFolder}/${script}`,
  ...args,
];

/** Waits for the sessions of a pod before it is told to end. */
const drain = ({ lifecycle: { drainSeconds } }: DesiredServer): object =>
  drainSeconds === 0
    ? {}
    : { lifecycle: { preStop: { exec: { command: inShell('drain.sh', String(drainSeconds)) } } } };

function resources({ limits }: DesiredServer): object {
  const memoryBytes = limits.memoryMiB * mebibyte;
  return {
    limits: {
      cpu: coresQuantity(limits.cpuCores),
      ...(limits.storageMiB === undefined ? {} : { 'ephemeral-storage': bytesQuantity(limits.storageMiB * mebibyte) }),
      memory: bytesQuantity(memoryBytes),
    },
    requests: {
      cpu: coresQuantity(Math.min(asked.cpu, limits.cpuCores)),
      // A limit alone would be taken for what is asked.
      ...(limits.storageMiB === undefined ? {} : { 'ephemeral-storage': '1Mi' }),
      memory: bytesQuantity(Math.min(asked.memoryBytes, memoryBytes)),
    },
  };
}

const pullPolicies = { missing: 'IfNotPresent', always: 'Always', never: 'Never' } as const;

/** What runs in a stdio server's container, and how it is gated: sessions are processes beside an idle one. */
function stdioProcess(spec: DesiredServer): object {
  const { entrypoint = [], command = [] } = argvTemplateOf(spec);
  const { timeoutSeconds, protocol } = spec.mcp;
  const argv = [...entrypoint, ...command];
  return {
    command: inShell('idle.sh'),
    ...drain(spec),
    // Where the spec leaves it open how a server is spoken to, it may be asked twice.
    startupProbe: probe(
      inShell('gate.sh', String(timeoutSeconds), protocol, ...argv),
      protocol === 'auto' ? 2 * timeoutSeconds : timeoutSeconds,
    ),
  };
}

function httpProcess(spec: DesiredServer): object {
  const { entrypoint, command } = argvTemplateOf(spec);
  const { transport } = spec.mcp;
  return {
    ...(entrypoint === undefined ? {} : { command: entrypoint.map(escaped) }),
    ...(command === undefined ? {} : { args: command.map(escaped) }),
    ...('port' in transport
      ? {
          ports: [{ name: 'mcp', containerPort: transport.port, protocol: 'TCP' }],
          readinessProbe: {
            tcpSocket: { port: 'mcp' },
            timeoutSeconds: 1,
            periodSeconds: 2,
            failureThreshold: 3,
            successThreshold: 1,
          },
        }
      : {}),
  };
}

/** The container beside an HTTP server, which has the tools to ask it that its own image may lack. */
function reachContainer(spec: DesiredServer, image: string): readonly object[] {
  const { transport, timeoutSeconds, protocol } = spec.mcp;
  if (transport.kind === 'stdio') return [];
  const argv = [String(timeoutSeconds), protocol, transport.kind, String(transport.port), transport.path];
  return [
    {
      name: 'reach',
      image,
      imagePullPolicy: 'IfNotPresent',
      command: inShell('idle.sh'),
      resources: { limits: reachLimits, requests: { cpu: coresQuantity(asked.cpu), memory: '16Mi' } },
      securityContext: {
        allowPrivilegeEscalation: false,
        capabilities: { drop: ['ALL'] },
        readOnlyRootFilesystem: true,
        runAsNonRoot: true,
        runAsUser: 65534,
        runAsGroup: 65534,
      },
      startupProbe: probe(['perl', `${scriptsFolder}/gate-http.pl`, ...argv], timeoutSeconds),
      ...mountedBy(own()),
    },
  ];
}

/** A platform as nodes are labelled with it; what stands behind the second slash is a kind of processor that they do not tell. */
function nodeSelector(platform: string | undefined): object {
  const [os, architecture] = platform?.split('/') ?? [];
  if (os === undefined) return {};
  return {
    nodeSelector: {
      'kubernetes.io/os': os,
      ...(architecture === undefined ? {} : { 'kubernetes.io/arch': architecture }),
    },
  };
}

/** How long a pod stays on a node that is not heard of, seconds: Kubernetes itself waits five minutes. */
const lostNodeSeconds = 30;

/** Where its node is lost, a server begins on another one. */
const tolerations = ['not-ready', 'unreachable'].map((what) => ({
  key: `node.kubernetes.io/${what}`,
  operator: 'Exists',
  effect: 'NoExecute',
  tolerationSeconds: lostNodeSeconds,
}));

/** Outside names are answered with an error at once, and no name server of the cluster carries what they say outside. */
const noNames = {
  dnsPolicy: 'None',
  dnsConfig: {
    nameservers: ['127.0.0.1'],
    options: [
      { name: 'attempts', value: '1' },
      { name: 'timeout', value: '1' },
    ],
  },
} as const;

/**
 * Names are asked for where the cluster's pods ask, and as they stand: with the domains of the cluster behind them they are
 * refused (`network-policies.ts`), and musl gives up at a refusal.
 */
const listedNames = { dnsConfig: { options: [{ name: 'ndots', value: '1' }] } } as const;

function namesIn(spec: DesiredServer): object {
  if (spec.network.mode === 'bridge') return {};
  return ledByName(spec).length === 0 ? noNames : listedNames;
}

/** The names that a server was given for addresses of its list. */
function hostAliases({ network }: DesiredServer): object {
  const named = network.egress.flatMap(({ host, address }) =>
    address === undefined || isIpv4(host) ? [] : [{ ip: address, host }],
  );
  const byAddress = Map.groupBy(named, ({ ip }) => ip);
  if (byAddress.size === 0) return {};
  return {
    hostAliases: [...byAddress].map(([ip, all]) => ({
      ip,
      hostnames: [...new Set(all.map(({ host }) => host))].sort(),
    })),
  };
}

/** The working directory of what looms builds, in memory, unless something is mounted there. */
function builtDir(spec: DesiredServer, others: readonly Mounted[]): readonly Mounted[] {
  const path = builtDirOf(spec);
  const isMounted = others.some(({ mount }) => path === mount.mountPath || path?.startsWith(`${mount.mountPath}/`));
  return path === undefined || isMounted ? [] : [memoryFolder('workspace', path, 64 * mebibyte)];
}

export type PodParts = {
  /** The Secret that its variables with secrets are taken from. */
  readonly secret: string;
  /** What the server runs, as nodes can pull it. */
  readonly server: string;
  /** What gates and reaches servers over HTTP: with a shell and Perl. */
  readonly reach: string;
};

/** The pod of a server, as its Deployment's template has it (docs/kubernetes.md). */
export function podOf(spec: DesiredServer, parts: PodParts): object {
  const mounted = [...own(), ...tmpfs(spec), ...volumes(spec)];
  const all = [...mounted, ...builtDir(spec, mounted)];
  const workingDir = spec.workingDir ?? builtDirOf(spec);
  const byName = new Map(all.map(({ volume }) => [volume.name, volume]));
  const { hostname, lifecycle } = spec;
  return {
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    ...(hostname === '' ? {} : { hostname }),
    ...nodeSelector(spec.platform),
    ...namesIn(spec),
    ...hostAliases(spec),
    tolerations,
    securityContext: { seccompProfile: { type: 'RuntimeDefault' }, ...groupOf(spec) },
    // Sessions may go on for so long, and then the processes have what Kubernetes gives them by default.
    terminationGracePeriodSeconds: isHttp(spec) ? 30 : lifecycle.drainSeconds + 30,
    containers: [
      {
        name: 'server',
        image: parts.server,
        // Of an image that is built, a spec's policy is about what the build starts from.
        imagePullPolicy: spec.image.kind === 'image' ? pullPolicies[spec.pullPolicy] : 'IfNotPresent',
        ...(isHttp(spec) ? httpProcess(spec) : stdioProcess(spec)),
        ...(workingDir === undefined ? {} : { workingDir }),
        env: environment(parts.secret, { ...usualHome, ...spec.environment, ...processEnv(spec) }),
        resources: resources(spec),
        securityContext: securityContext(spec),
        ...mountedBy(all),
      },
      ...reachContainer(spec, parts.reach),
    ],
    volumes: [...byName.values()],
  };
}

/** Files of named volumes belong to the server's group, or it could not write to them. */
const groupOf = ({ mounts, security }: DesiredServer): object => {
  const gid = numericUser(security.user)?.gid;
  return gid === undefined || !mounts.some(isVolume) ? {} : { fsGroup: gid, fsGroupChangePolicy: 'OnRootMismatch' };
};

const isVolume = ({ type }: Mount): boolean => type === 'volume';

/** Labels of a server's pods, by which network policies and Services find them. */
export const podLabels = (spec: DesiredServer): Readonly<Record<string, string>> => ({
  [label.server]: spec.name,
  [label.network]: spec.network.mode,
  [label.name]: workloadName(spec.name),
});
