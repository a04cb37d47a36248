import { once } from 'node:events';
import { createServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

import { log } from './log.js';
import { Metrics } from './metrics.js';

export const name = '__NAME__';

/** Set by the image: docker build --build-arg VERSION=v1.2.3. */
export const version = process.env.SERVICE_VERSION || 'dev';

/** How many milliseconds one look at a dependency may take. */
const checkTimeout = 2000;

/**
 * How many milliseconds running requests may take to finish. Together with the drain time it stays below the
 * 30 seconds after which Kubernetes kills the pod.
 */
const shutdownTimeout = 20_000;

/** The service answers the requests. It is complete once every use… function was called that applies. */
export class Service {
  metrics = new Metrics();
  /** Whether what the service depends on can be used: {name, probe}. */
  checks = [];
  /** Entries of the answer to GET /: {name, read}. */
  facts = [];
  draining = false;

  #routes = new Map([
    ['/', () => this.#index()],
    ['/health', () => this.#health()],
    ['/ready', () => this.#ready()],
    ['/metrics', () => this.#metrics()],
  ]);

  /** A server for this service, not yet listening. */
  server() {
    const options = { headersTimeout: 5000, requestTimeout: 15_000, keepAliveTimeout: 60_000 };
    return createServer(options, (request, response) => this.#answer(request, response));
  }

  async #answer(request, response) {
    const path = request.url.split('?', 1)[0];
    const route = this.#routes.get(path);
    const known = route && ['GET', 'HEAD'].includes(request.method);
    // Labels come from the route that matched, so that no caller can invent new ones.
    const labels = known ? [request.method, path] : ['other', 'unmatched'];
    this.metrics.observe(request, response, ...labels);
    if (!route) {
      return this.#send(response, 404, { error: 'not found' });
    }
    if (!known) {
      response.setHeader('Allow', 'GET, HEAD');
      return this.#send(response, 405, { error: 'method not allowed' });
    }
    try {
      const { code = 200, type = 'application/json', body } = await route();
      return this.#send(response, code, body, type);
    } catch (error) {
      log.error('request failed', { path, error: error.message });
      return this.#send(response, 500, { error: 'internal error' });
    }
  }

  #send(response, code, body, type = 'application/json') {
    if (this.draining) {
      response.setHeader('Connection', 'close');
    }
    response.writeHead(code, { 'Content-Type': type });
    response.end(typeof body === 'string' ? body : `${JSON.stringify(body)}\n`);
  }

  /** Tells who answers, and shows that the dependencies work. */
  async #index() {
    const body = { service: name, version };
    for (const fact of this.facts) {
      try {
        body[fact.name] = await within(checkTimeout, fact.read());
      } catch (error) {
        log.error('request failed', { dependency: fact.name, error: error.message });
        return { code: 503, body: { error: `${fact.name} is not available` } };
      }
    }
    return { body };
  }

  /** Says that the process lives. It looks at no dependency: a restart would not mend one. */
  #health() {
    return { body: { status: 'ok' } };
  }

  /** Says whether requests should come here: not while stopping, and not without the dependencies. */
  async #ready() {
    if (this.draining) {
      return { code: 503, body: { status: 'stopping' } };
    }
    const checks = {};
    let ready = true;
    await Promise.all(
      this.checks.map(async (check) => {
        try {
          await within(checkTimeout, check.probe());
          checks[check.name] = 'ok';
        } catch (error) {
          log.warn('not ready', { dependency: check.name, error: error.message });
          checks[check.name] = 'not available';
          ready = false;
        }
      }),
    );
    return { code: ready ? 200 : 503, body: { status: ready ? 'ready' : 'not ready', checks } };
  }

  async #metrics() {
    return { type: this.metrics.contentType, body: await this.metrics.text() };
  }
}

/**
 * Answers requests until the signal aborts. Then it says on /ready that it stops, keeps answering for the drain
 * time, takes no new connections and lets running requests finish.
 */
export async function serve(server, service, drain, signal) {
  if (!signal.aborted) {
    await once(signal, 'abort');
  }
  log.info('stopping', { drain: `${drain / 1000}s` });
  service.draining = true;
  await sleep(drain);
  const closed = once(server, 'close');
  server.close();
  try {
    await within(shutdownTimeout, closed);
  } catch {
    server.closeAllConnections();
    throw new Error(`requests still running after ${shutdownTimeout / 1000}s`);
  }
}

/**
 * How many milliseconds the service keeps answering after it was told to stop, so that load balancers notice
 * first: DRAIN_SECONDS, by default 5.
 */
export function drainTime(env) {
  const text = env.DRAIN_SECONDS || '5';
  if (!/^\d{1,3}$/.test(text) || Number(text) > 255) {
    throw new Error(`DRAIN_SECONDS must be a number of seconds, not ${JSON.stringify(text)}`);
  }
  return Number(text) * 1000;
}

/** What the promise gives, if it does so in time. */
async function within(milliseconds, promise) {
  const timer = new AbortController();
  const late = sleep(milliseconds, null, { signal: timer.signal }).then(() => {
    throw new Error(`no answer within ${milliseconds / 1000}s`);
  });
  // What loses the race may fail unheard.
  late.catch(() => {});
  Promise.resolve(promise).catch(() => {});
  try {
    return await Promise.race([promise, late]);
  } finally {
    timer.abort();
  }
}
