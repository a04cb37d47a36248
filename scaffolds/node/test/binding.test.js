// scaffold:file if database or cache

import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, suite, test } from 'node:test';

import { address } from '../src/binding.js';

suite('the address of a dependency', () => {
  const root = mkdtempSync(join(tmpdir(), 'bindings-'));
  after(() => rmSync(root, { recursive: true }));
  // As Kubernetes mounts them.
  for (const [binding, entries] of Object.entries({
    'a-cache': { type: 'redis', uri: 'redis://cache:6379\n' },
    'b-database': { type: 'postgresql\n', uri: 'postgres://database' },
    'c-queue': { type: 'rabbitmq' },
    '..data': { uri: 'no type' },
  })) {
    mkdirSync(join(root, binding));
    for (const [entry, content] of Object.entries(entries)) {
      writeFileSync(join(root, binding, entry), content);
    }
  }
  writeFileSync(join(root, 'a-file'), 'no binding');

  const bound = { SERVICE_BINDING_ROOT: root };
  for (const [title, env, types, want] of [
    ['the variable wins', { X_URL: 'redis://here', ...bound }, ['redis'], 'redis://here'],
    ['a binding', bound, ['redis'], 'redis://cache:6379'],
    ['one of two types', bound, ['postgres', 'postgresql'], 'postgres://database'],
    ['no such binding', bound, ['mysql'], /of type mysql/],
    ['a binding, no uri', bound, ['rabbitmq'], /c-queue/],
    ['no such folder', { SERVICE_BINDING_ROOT: join(root, 'none') }, ['redis'], /read the bindings/],
    ['nothing to look at', {}, ['redis'], /neither X_URL nor SERVICE_BINDING_ROOT/],
  ]) {
    test(title, () => {
      const find = () => address(env, 'X_URL', ...types);
      if (want instanceof RegExp) {
        assert.throws(find, want);
      } else {
        assert.equal(find(), want);
      }
    });
  }
});
