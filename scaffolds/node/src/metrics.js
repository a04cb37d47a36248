import { collectDefaultMetrics, Counter, Histogram, Registry } from 'prom-client';

import { log } from './log.js';

/** Counts, times and logs the requests. */
export class Metrics {
  #registry = new Registry();
  #requests = new Counter({
    name: 'http_requests_total',
    help: 'Requests answered, by method, route and status.',
    labelNames: ['method', 'route', 'status'],
    registers: [this.#registry],
  });
  #duration = new Histogram({
    name: 'http_request_duration_seconds',
    help: 'Time to answer a request, by method and route.',
    labelNames: ['method', 'route'],
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers: [this.#registry],
  });

  constructor() {
    collectDefaultMetrics({ register: this.#registry });
  }

  get contentType() {
    return this.#registry.contentType;
  }

  /** All metrics, as Prometheus reads them. */
  text() {
    return this.#registry.metrics();
  }

  /** Counts, times and logs the answer once it is sent. Probes and scrapes are logged at debug only. */
  observe(request, response, method, route) {
    const start = process.hrtime.bigint();
    response.once('finish', () => {
      const seconds = Number(process.hrtime.bigint() - start) / 1e9;
      const status = response.statusCode;
      this.#requests.inc({ method, route, status });
      this.#duration.observe({ method, route }, seconds);
      const level = ['/health', '/ready', '/metrics'].includes(route) ? 'debug' : 'info';
      const path = request.url.split('?', 1)[0];
      log[level]('request', { method: request.method, path, status, duration: `${(seconds * 1e3).toFixed(3)}ms` });
    });
  }
}
