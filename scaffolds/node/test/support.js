import { once } from 'node:events';

/** Serves on loopback until the test ends; the address. */
export async function listening(t, service) {
  const server = service.server().listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${server.address().port}`;
}

/** Asks the service; the status and the decoded answer. */
export async function get(service, path) {
  const server = service.server().listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    const response = await fetch(`http://127.0.0.1:${server.address().port}${path}`);
    return { code: response.status, answer: await response.json() };
  } finally {
    server.close();
    server.closeAllConnections();
  }
}
