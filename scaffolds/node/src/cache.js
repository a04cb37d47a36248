// scaffold:file if cache

import { createClient } from '@redis/client';

import { address } from './binding.js';
import { log } from './log.js';
import { name } from './service.js';

/** The service's Redis. */
class Cache {
  #client;

  constructor(client) {
    this.#client = client;
  }

  close() {
    this.#client.destroy();
  }

  async ping() {
    await this.#client.ping();
  }

  /** Counts one more visit and returns how many there were. */
  visit() {
    return this.#client.incr(`${name}:visits`);
  }
}

/**
 * Begins to connect to CACHE_URL or to the bound cache. It does not wait for the server: until that answers the
 * service is not ready.
 */
export function openCache(env) {
  const uri = address(env, 'CACHE_URL', 'redis');
  let client;
  try {
    client = createClient({
      url: uri,
      // Without a connection a command fails at once.
      disableOfflineQueue: true,
      socket: {
        connectTimeout: 2000,
        reconnectStrategy: (retries) => Math.min(50 * 2 ** retries, 2000),
      },
    });
  } catch {
    throw new Error('the address of the cache is not one that Redis understands');
  }
  client.on('error', (error) => log.warn('no connection to the cache', { error: error.message || error.code }));
  client.connect().catch((error) => log.warn('no connection to the cache', { error: error.message }));
  return new Cache(client);
}

/** Makes the service depend on the cache. */
export function useCache(service, cache) {
  service.checks.push({ name: 'cache', probe: () => cache.ping() });
  service.facts.push({ name: 'visits', read: () => cache.visit() });
}
