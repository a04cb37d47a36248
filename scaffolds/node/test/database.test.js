// scaffold:file if database

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { openDatabase, useDatabase } from '../src/database.js';
import { Service } from '../src/service.js';
import { get } from './support.js';

test('a bad address of the database is refused without showing it', () => {
  for (const uri of ['postgres://user:hunter2@host:port/name', 'mysql://user:hunter2@host/name', 'user:hunter2']) {
    assert.throws(
      () => openDatabase({ DATABASE_URL: uri }),
      (error) => !JSON.stringify([error.message, error.stack, error.cause ?? '']).includes('hunter2'),
    );
  }
  assert.throws(() => openDatabase({}), /neither/);
});

test('not ready without the database', async (t) => {
  // Port 1 is reserved: nothing listens there.
  const database = openDatabase({ DATABASE_URL: 'postgres://user:hunter2@127.0.0.1:1/0' });
  t.after(() => database.close());
  const service = new Service();
  useDatabase(service, database);
  assert.equal((await get(service, '/ready')).code, 503);
  assert.equal((await get(service, '/')).code, 503);
  await assert.rejects(database.ping(), (error) => !error.message.includes('hunter2'));
});

const skip = process.env.DATABASE_URL ? false : 'DATABASE_URL is not set: no database to ask';
test('the database answers', { skip }, async (t) => {
  const database = openDatabase(process.env);
  t.after(() => database.close());
  const service = new Service();
  useDatabase(service, database);
  assert.equal((await get(service, '/ready')).code, 200);
  const { code, answer } = await get(service, '/');
  assert.equal(code, 200);
  assert.match(answer.database, /^\d/);
});
