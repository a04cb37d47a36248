// scaffold:file if database

import pg from 'pg';

import { address } from './binding.js';
import { log } from './log.js';

/** The service's PostgreSQL. */
class Database {
  #pool;

  constructor(pool) {
    this.#pool = pool;
  }

  close() {
    return this.#pool.end();
  }

  async ping() {
    await this.#pool.query('SELECT 1');
  }

  /** Asks the server for its version. */
  async serverVersion() {
    const { rows } = await this.#pool.query("SELECT current_setting('server_version') AS version");
    return rows[0].version;
  }
}

/**
 * Prepares connections to DATABASE_URL or to the bound database. It does not wait for the server: until that
 * answers the service is not ready.
 */
export function openDatabase(env) {
  const uri = address(env, 'DATABASE_URL', 'postgresql', 'postgres');
  let pool;
  try {
    if (!['postgres:', 'postgresql:'].includes(new URL(uri).protocol)) {
      throw new Error('another protocol');
    }
    pool = new pg.Pool({
      connectionString: uri,
      connectionTimeoutMillis: 5000,
      query_timeout: 15_000,
      max: 10,
    });
  } catch {
    throw new Error('the address of the database is not one that PostgreSQL understands');
  }
  pool.on('error', (error) => log.warn('a connection to the database broke', { error: error.message }));
  return new Database(pool);
}

/** Makes the service depend on the database. */
export function useDatabase(service, database) {
  service.checks.push({ name: 'database', probe: () => database.ping() });
  service.facts.push({ name: 'database', read: () => database.serverVersion() });
}
