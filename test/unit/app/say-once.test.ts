import { expect, test } from 'vitest';
import { sayOnce } from '../../../src/app/watch/say-once.ts';
import type { Told } from '../../../src/app/watch/told.ts';
import { LoomsError } from '../../../src/model/errors.ts';
import { failureOf } from '../../../src/model/failure.ts';
import { asServerName, type ServerName } from '../../../src/model/ids.ts';

const failure = (message: string) => failureOf(new LoomsError('source-unreachable', message));

function saying() {
  const told: string[] = [];
  const tell = (one: Told): void => {
    told.push('failure' in one && one.failure !== null ? one.failure.message : one.type);
  };
  return { told, said: sayOnce(tell) };
}

test('what is away is told once for each way in which that is found, until it is back', () => {
  const { told, said } = saying();
  for (let turn = 0; turn < 3; turn += 1) {
    said.away('repository', failure('no end after 60 s'));
    said.away('repository', failure('no answer within 15 s'));
  }
  said.back('repository');
  said.back('repository');
  said.away('repository', failure('no end after 60 s'));
  expect(told).toEqual(['no end after 60 s', 'no answer within 15 s', 'back', 'no end after 60 s']);
});

test('files that cannot be used are told each time that something else is wrong with them', () => {
  const { told, said } = saying();
  for (const message of ['a', 'a', 'b', 'a']) said.unusable(failure(message), 1);
  said.back('source');
  said.back('source');
  expect(told).toEqual(['a', 'b', 'a', 'back']);
});

test('what a plan warns of is told once for each code and server, whatever its words count, until it is gone', () => {
  const told: string[] = [];
  const said = sayOnce((one) => void told.push(one.type === 'warning' ? `${one.code} ${one.server ?? ''}` : one.type));
  const [a, b] = [asServerName('a'), asServerName('b')];
  const restarts = (server: ServerName, message: string) => ({ code: 'restarts' as const, server, message });
  said.warned([restarts(a, 'a minute ago')]);
  said.warned([restarts(a, 'two minutes ago'), restarts(b, ''), { code: 'not-in-spec', message: '' }]);
  said.warned([restarts(b, '')]);
  said.warned([restarts(a, ''), restarts(b, '')]);
  expect(told).toEqual(['restarts a', 'restarts b', 'not-in-spec ', 'restarts a']);
});

test('what a plan warns of several fields of a server is told of each, once', () => {
  const told: string[] = [];
  const said = sayOnce((one) => void told.push(one.type === 'warning' ? `${one.message} ${one.at?.line}` : one.type));
  const other = (message: string, line: number) =>
    ({ code: 'other-on-cluster', server: asServerName('a'), message, at: { file: 'a.yaml', line } }) as const;
  for (let turn = 0; turn < 2; turn += 1) said.warned([other('tmpfs', 4), other('platform', 9)]);
  said.warned([other('tmpfs', 5), other('platform', 10)]);
  expect(told).toEqual(['tmpfs 4', 'platform 9']);
});

test('what a plan warns of servers that are in no file is told again when others are among them', () => {
  const told: string[] = [];
  const said = sayOnce((one) => void told.push(one.type === 'warning' ? one.message : one.type));
  for (const message of ['a: in no file', 'a: in no file', 'a, b: in no file'])
    said.warned([{ code: 'not-in-spec', message }]);
  expect(told).toEqual(['a: in no file', 'a, b: in no file']);
});
