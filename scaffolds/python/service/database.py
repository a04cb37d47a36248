# scaffold:file if database

"""PostgreSQL."""

from collections.abc import Mapping
from typing import Self
from urllib.parse import urlsplit

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict
from psycopg_pool import AsyncConnectionPool

from service.binding import address
from service.service import CHECK_TIMEOUT, Service


class Database:
    """The service's PostgreSQL."""

    def __init__(self, env: Mapping[str, str]) -> None:
        """Prepares connections to DATABASE_URL or to the bound database."""
        uri = address(env, "DATABASE_URL", "postgresql", "postgres")
        try:
            parts = urlsplit(uri)
            if parts.scheme not in ("postgresql", "postgres"):
                raise ValueError("another protocol")
            parts.port  # noqa: B018 it is read when it is asked for
            conninfo_to_dict(uri)
        except (ProgrammingError, ValueError):
            raise ValueError(
                "the address of the database is not one that PostgreSQL understands"
            ) from None
        self.pool = AsyncConnectionPool(
            uri,
            kwargs={"autocommit": True, "connect_timeout": 5},
            min_size=1,
            max_size=10,
            timeout=CHECK_TIMEOUT,
            reconnect_timeout=30,
            check=AsyncConnectionPool.check_connection,
            open=False,
        )

    async def __aenter__(self) -> Self:
        """Begins to connect. It does not wait for the server: until that answers the service is not ready."""
        await self.pool.open(wait=False)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.pool.close()

    async def _ask(self, question: str) -> str:
        async with self.pool.connection() as connection:
            cursor = await connection.execute(question)
            row = await cursor.fetchone()
            return row[0]

    async def ping(self) -> None:
        await self._ask("SELECT 1")

    async def server_version(self) -> str:
        """Asks the server for its version."""
        return await self._ask("SELECT current_setting('server_version')")

    def serve(self, service: Service) -> None:
        """Makes the service depend on this database."""
        service.checks.append(("database", self.ping))
        service.facts.append(("database", self.server_version))
