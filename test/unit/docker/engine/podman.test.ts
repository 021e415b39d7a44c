import { describe, expect, test } from 'vitest';
import { engineError, statusOf } from '../../../../src/docker/engine/connection/errors.ts';
import { givenEnvLabel, withoutAddedEnv } from '../../../../src/docker/engine/containers/docker-to-shape.ts';
import type { InspectedContainer } from '../../../../src/docker/engine/containers/inspected.ts';
import { otherSettings } from '../../../../src/docker/engine/containers/other-settings.ts';
import { readTmpfsOptions, tmpfsOptions } from '../../../../src/docker/engine/containers/tmpfs-options.ts';
import { followBuild } from '../../../../src/docker/engine/images/build-log.ts';
import { isSameName } from '../../../../src/docker/engine/images/reference.ts';

/** What Podman 5.8 was seen to answer where Docker answers otherwise. */
describe('Podman', () => {
  test.each([
    ['that name is already in use', 409, 'engine-conflict'],
    ['UNIQUE constraint failed: ContainerConfig.Name', 409, 'engine-conflict'],
    ['container state improper', 409, 'engine-conflict'],
    ['no such container', 404, 'engine-not-found'],
    ['invalid mount option', 500, 'engine-rejected'],
    ['constructor', 500, 'engine-rejected'],
  ])('that answers 500 because of "%s" means %i', (cause, status, code) => {
    const answer = Object.assign(new Error('words'), { statusCode: 500, json: { cause, message: 'words' } });
    expect([statusOf(answer), engineError(answer, 'do it').code]).toEqual([status, code]);
  });

  test('adds HOME and HOSTNAME to an environment, which are its own unless they were asked for', () => {
    const live = { HOME: '/tmp', HOSTNAME: 'd0e577971dc8', MODE: 'a' };
    expect(withoutAddedEnv(live, givenEnvLabel({ MODE: 'a' }))).toEqual({ MODE: 'a' });
    expect(withoutAddedEnv(live, givenEnvLabel({ HOME: '/tmp', MODE: 'a' }))).toEqual({ HOME: '/tmp', MODE: 'a' });
    expect(givenEnvLabel({ MODE: 'a' })).toEqual({});
  });

  test('gives a tmpfs to the user of its container, and to nobody else', () => {
    const mount = { sizeBytes: 1024, exec: true, mode: '700', owner: '1000:1000' };
    const asked = tmpfsOptions('/work', mount, { engine: 'podman', user: '1000:1000' });
    expect(asked).toBe('rw,nosuid,nodev,exec,size=1024,mode=700,U');
    expect(readTmpfsOptions(`${asked},rprivate,tmpcopyup`, '1000:1000')).toEqual(mount);
    const started = 'rw,nosuid,nodev,exec,size=1024,mode=700,uid=1000,gid=1000,rprivate,tmpcopyup';
    expect(readTmpfsOptions(started, '1000:1000')).toEqual(mount);
    const ofGroup = started.replace('gid=1000', 'gid=0');
    expect(readTmpfsOptions(ofGroup, '1000').owner).toBe('1000');
    expect(() => tmpfsOptions('/work', mount, { engine: 'podman', user: '33:33' })).toThrow(
      'on Podman, tmpfs /work cannot belong to "1000:1000"',
    );
  });

  test('reports a number of CPUs as a quota of a period, which is no setting of its own', () => {
    const settings = (host: object): readonly string[] =>
      otherSettings({ Config: {}, HostConfig: host } as InspectedContainer);
    expect(settings({ NanoCpus: 500_000_000, CpuPeriod: 100_000, CpuQuota: 50_000 })).toEqual([]);
    expect(settings({ NanoCpus: 333_333_333, CpuPeriod: 100_000, CpuQuota: 33_333 })).toEqual([]);
    expect(settings({ CpuPeriod: 100_000, CpuQuota: 50_000 })).toEqual(['cpu-period=100000', 'cpu-quota=50000']);
  });

  test('spells out the names of images', () => {
    const ref = 'looms/python:0a1b';
    expect(['localhost/looms/python:0a1b', 'docker.io/looms/python:0a1b', ref].every((a) => isSameName(a, ref))).toBe(
      true,
    );
    expect(['localhost/looms/python:other', 'quay.io/looms/python:0a1b'].some((a) => isSameName(a, ref))).toBe(false);
    expect(isSameName('docker.io/library/mine:1', 'mine:1')).toBe(true);
  });

  test('has a builder of its own, whose steps, images and exit codes are read', () => {
    const build = followBuild();
    const say = (stream: string) => build.accept({ stream })?.text;
    expect(say('STEP 1/3: FROM debian:bookworm-slim\n')).toBe('1/3 FROM debian:bookworm-slim');
    expect(say('STEP 2/3: RUN true\n')).toBe('2/3 RUN true');
    say('--> Using cache 90412bffeb1cc718e528d086c6e88f0ad69442c3d15296fc8e8d105213eadce4\n');
    say('--> 90412bffeb1c\n');
    say('STEP 3/3: RUN echo "x": y; exit 7\n');
    expect(say('x: y\n')).toBe('3/3 RUN echo "x": y; exit 7: x: y');
    say('--> d3f24e4edd2f\n');
    const error = 'building at STEP "RUN echo "x": y; exit 7": while running runtime: exit status 7\n';
    build.accept({ error, errorDetail: { message: error } });
    expect(build.log()).toMatchObject({
      output: ['x: y'],
      madeImages: ['d3f24e4edd2f'],
      failure: { message: 'while running runtime: exit status 7', exitCode: 7 },
    });
  });

  test('has a builder that is told apart from its parser', () => {
    const build = followBuild();
    build.accept({ stream: 'STEP 2/2: NONSENSE\n' });
    const error =
      'building at STEP "NONSENSE ": Build error: Unknown instruction: "NONSENSE" &imagebuilder.Step{Env:[]}\n';
    build.accept({ error, errorDetail: { message: error } });
    expect(build.log().failure).toEqual({ message: 'Build error: Unknown instruction: "NONSENSE"' });
  });
});

test('a step that draws over its own line without an end costs no more for each piece than for the one before', () => {
  const build = followBuild();
  build.accept({ stream: 'Step 1/1 : RUN fetch\n' });
  const began = performance.now();
  for (let percent = 0; percent < 20_000; percent += 1)
    build.accept({ stream: `\r${percent} of 20000 ${'.'.repeat(80)}` });
  const first = performance.now() - began;
  for (let percent = 0; percent < 20_000; percent += 1)
    build.accept({ stream: `\r${percent} of 20000 ${'.'.repeat(80)}` });
  expect(performance.now() - began).toBeLessThan(20 * first);
  build.accept({ stream: '\rdone\n' });
  expect(build.log().output).toEqual(['done']);
});
