// scaffold:file if cache

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { openCache, useCache } from '../src/cache.js';
import { Service } from '../src/service.js';
import { get } from './support.js';

test('a bad address of the cache is refused without showing it', () => {
  for (const uri of ['redis://user:hunter2@host:port/0', 'http://user:hunter2@host/0', 'user:hunter2']) {
    assert.throws(
      () => openCache({ CACHE_URL: uri }),
      (error) => !JSON.stringify([error.message, error.stack, error.cause ?? '']).includes('hunter2'),
    );
  }
  assert.throws(() => openCache({}), /neither/);
});

test('not ready without the cache', async (t) => {
  // Port 1 is reserved: nothing listens there.
  const cache = openCache({ CACHE_URL: 'redis://user:hunter2@127.0.0.1:1/0' });
  t.after(() => cache.close());
  const service = new Service();
  useCache(service, cache);
  assert.equal((await get(service, '/ready')).code, 503);
  assert.equal((await get(service, '/')).code, 503);
  await assert.rejects(cache.ping(), (error) => !error.message.includes('hunter2'));
});

const skip = process.env.CACHE_URL ? false : 'CACHE_URL is not set: no cache to ask';
test('the cache counts', { skip }, async (t) => {
  const cache = openCache(process.env);
  t.after(() => cache.close());
  const service = new Service();
  useCache(service, cache);
  // It connects beside us.
  const deadline = Date.now() + 10_000;
  while ((await get(service, '/ready')).code !== 200) {
    assert.ok(Date.now() < deadline, 'the cache does not become ready');
  }
  const first = (await get(service, '/')).answer.visits;
  const second = (await get(service, '/')).answer.visits;
  assert.ok(first >= 1 && second > first, `visits: ${first}, then ${second}`);
});
