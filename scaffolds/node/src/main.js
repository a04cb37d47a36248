// __NAME__ is an HTTP service of team __TEAM__.

import { once } from 'node:events';
// scaffold:if cache

import { openCache, useCache } from './cache.js';
// scaffold:end
// scaffold:if database
import { openDatabase, useDatabase } from './database.js';
// scaffold:end
import { log } from './log.js';
import { drainTime, name, serve, Service, version } from './service.js';

const defaultPort = '__PORT__';

/** Opens what the service needs, serves until the signal aborts and closes everything again. */
async function run(env, signal) {
  const drain = drainTime(env);
  const port = env.PORT || defaultPort;
  if (!/^\d{1,5}$/.test(port) || Number(port) > 65535) {
    throw new Error(`PORT must be a port, not ${JSON.stringify(port)}`);
  }
  const service = new Service();
  const closers = [];
  try {
    // scaffold:if database
    const database = openDatabase(env);
    closers.push(() => database.close());
    useDatabase(service, database);

    // scaffold:end
    // scaffold:if cache
    const cache = openCache(env);
    closers.push(() => cache.close());
    useCache(service, cache);

    // scaffold:end
    const server = service.server();
    server.listen(Number(port));
    await once(server, 'listening');
    log.info('listening', { service: name, version, port: server.address().port });
    await serve(server, service, drain, signal);
  } finally {
    for (const close of closers.reverse()) {
      await close();
    }
  }
  log.info('stopped');
}

const told = new AbortController();
// A second signal ends the process at once.
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => told.abort());
}
try {
  await run(process.env, told.signal);
} catch (error) {
  log.error('stopped', { error: error.message });
  process.exitCode = 1;
}
