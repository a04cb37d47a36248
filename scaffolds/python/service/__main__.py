"""Start and stop."""

import asyncio
import logging
import os
import socket
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack

from service import NAME, VERSION, log
# scaffold:if cache
from service.cache import Cache
# scaffold:end
# scaffold:if database
from service.database import Database
# scaffold:end
from service.server import Server, drain_time
from service.service import Service

DEFAULT_PORT = "__PORT__"

logger = logging.getLogger("service")


async def run(env: Mapping[str, str]) -> None:
    """Opens what the service needs, serves until told to stop and closes everything again."""
    drain = drain_time(env)
    port = env.get("PORT") or DEFAULT_PORT
    if not (port.isascii() and port.isdigit() and int(port) < 65536):
        raise ValueError(f"PORT must be a port, not {port!r}")
    service = Service()
    async with AsyncExitStack() as opened:
        # scaffold:if database
        database = Database(env)
        await opened.enter_async_context(database)
        database.serve(service)
        # scaffold:end
        # scaffold:if cache
        cache = Cache(env)
        await opened.enter_async_context(cache)
        cache.serve(service)
        # scaffold:end
        listener = listen(int(port))
        opened.callback(listener.close)
        logger.info(
            "listening", extra={"service": NAME, "version": VERSION, "port": int(port)}
        )
        await Server(service, drain).serve(sockets=[listener])
    logger.info("stopped")


def listen(port: int) -> socket.socket:
    """Listens on all addresses of the machine."""
    if socket.has_dualstack_ipv6():
        return socket.create_server(
            ("", port), family=socket.AF_INET6, dualstack_ipv6=True
        )
    return socket.create_server(("", port))


def main() -> int:
    log.start(os.environ.get("LOG_LEVEL", ""))
    try:
        asyncio.run(run(os.environ))
    except (OSError, ValueError) as error:
        logger.error("stopped", extra={"error": str(error)})
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
