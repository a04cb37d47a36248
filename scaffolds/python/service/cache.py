# scaffold:file if cache

"""Redis."""

from collections.abc import Mapping
from typing import Self

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from service import NAME
from service.binding import address
from service.service import CHECK_TIMEOUT, Service


class Cache:
    """The service's Redis."""

    def __init__(self, env: Mapping[str, str]) -> None:
        """Prepares connections to CACHE_URL or to the bound cache. It does not wait for the server: until that
        answers the service is not ready."""
        uri = address(env, "CACHE_URL", "redis")
        try:
            self.client = Redis.from_url(
                uri,
                socket_connect_timeout=CHECK_TIMEOUT,
                socket_timeout=CHECK_TIMEOUT,
                retry=Retry(NoBackoff(), 1),
            )
        except ValueError:
            raise ValueError(
                "the address of the cache is not one that Redis understands"
            ) from None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.client.aclose()

    async def ping(self) -> None:
        await self.client.ping()

    async def visit(self) -> int:
        """Counts one more visit and returns how many there were."""
        return await self.client.incr(f"{NAME}:visits")

    def serve(self, service: Service) -> None:
        """Makes the service depend on this cache."""
        service.checks.append(("cache", self.ping))
        service.facts.append(("visits", self.visit))
