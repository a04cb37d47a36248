import assert from 'node:assert/strict';
import { once } from 'node:events';
import { suite, test } from 'node:test';

import { drainTime, name, serve, Service, version } from '../src/service.js';
import { get, listening } from './support.js';

const works = async () => {};
const fails = async () => {
  throw new Error('connect: connection refused');
};

test('GET /health looks at no dependency', async () => {
  const service = new Service();
  service.checks = [{ name: 'database', probe: fails }];
  assert.deepEqual(await get(service, '/health'), { code: 200, answer: { status: 'ok' } });
});

suite('GET /ready', () => {
  for (const [title, checks, draining, code, status] of [
    ['without dependencies', {}, false, 200, 'ready'],
    ['all dependencies work', { database: works, cache: works }, false, 200, 'ready'],
    ['one dependency is away', { database: works, cache: fails }, false, 503, 'not ready'],
    ['the first one is away', { database: fails, cache: works }, false, 503, 'not ready'],
    ['told to stop', { database: works }, true, 503, 'stopping'],
    ['stopping hides failures', { database: fails }, true, 503, 'stopping'],
  ]) {
    test(title, async () => {
      const service = new Service();
      service.checks = Object.entries(checks).map(([name, probe]) => ({ name, probe }));
      service.draining = draining;
      const got = await get(service, '/ready');
      assert.equal(got.code, code);
      assert.equal(got.answer.status, status);
      assert.doesNotMatch(JSON.stringify(got.answer), /refused/, 'strangers are told about the inside');
    });
  }
});

test('GET / tells who answers, or what is missing', async () => {
  const service = new Service();
  service.facts.push({ name: 'answer', read: async () => 42 });
  assert.deepEqual(await get(service, '/'), { code: 200, answer: { service: name, version, answer: 42 } });
  service.facts.push({ name: 'broken', read: fails });
  assert.deepEqual(await get(service, '/'), { code: 503, answer: { error: 'broken is not available' } });
});

test('only known routes answer', async (t) => {
  const url = await listening(t, new Service());
  for (const [method, path, code] of [
    ['GET', '/nowhere', 404],
    ['POST', '/', 405],
    ['HEAD', '/health', 200],
    ['GET', '/health?verbose', 200],
  ]) {
    const response = await fetch(url + path, { method });
    await response.arrayBuffer();
    assert.equal(response.status, code, `${method} ${path}`);
  }
});

test('metrics count requests by route', async (t) => {
  const url = await listening(t, new Service());
  for (const [method, path] of [
    ['GET', '/health'],
    ['GET', '/health'],
    ['GET', '/a/path/somebody/invented'],
    ['DELETE', '/health'],
  ]) {
    await (await fetch(url + path, { method })).arrayBuffer();
  }
  const metrics = await (await fetch(`${url}/metrics`)).text();
  for (const line of [
    'http_requests_total{method="GET",route="/health",status="200"} 2',
    'http_requests_total{method="other",route="unmatched",status="404"} 1',
    'http_requests_total{method="other",route="unmatched",status="405"} 1',
    'http_request_duration_seconds_count{method="GET",route="/health"} 2',
  ]) {
    // The order of labels means nothing.
    const found = metrics.split('\n').some((other) => sorted(other) === sorted(line));
    assert.ok(found, `GET /metrics has no line ${line}`);
  }
  assert.doesNotMatch(metrics, /invented|DELETE/, 'a caller can invent labels');
});

const sorted = (line) => line.split(/[{},]/).sort().join();

test('a running request still gets its answer, and new connections are refused afterwards', async () => {
  const service = new Service();
  const running = deferred();
  const release = deferred();
  service.facts.push({
    name: 'slow',
    read: () => {
      running.resolve();
      return release.promise;
    },
  });
  const server = service.server().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${server.address().port}/`;
  const told = new AbortController();
  const served = serve(server, service, 0, told.signal);
  const answered = fetch(url).then((response) => response.json());
  await running.promise;
  told.abort();
  while (server.listening) {
    await new Promise(setImmediate);
  }
  assert.ok(service.draining);
  release.resolve('done');
  assert.equal((await answered).slow, 'done');
  await served;
  await assert.rejects(fetch(url));
});

function deferred() {
  const made = {};
  made.promise = new Promise((resolve) => {
    made.resolve = resolve;
  });
  return made;
}

test('DRAIN_SECONDS is a number of seconds', () => {
  for (const [text, want] of [
    [undefined, 5000],
    ['', 5000],
    ['0', 0],
    ['20', 20_000],
  ]) {
    assert.equal(drainTime({ DRAIN_SECONDS: text }), want);
  }
  for (const text of ['-1', 'soon', '1.5', '100000']) {
    assert.throws(() => drainTime({ DRAIN_SECONDS: text }), /number of seconds/);
  }
});
