"""What the service answers."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from service import NAME, VERSION
from service.metrics import Metrics, Observe

# Seconds that one look at a dependency may take.
CHECK_TIMEOUT = 2

logger = logging.getLogger("service")

Ask = Callable[[], Awaitable[Any]]


class Service:
    """Answers the requests. It is complete once all it depends on was added."""

    def __init__(self) -> None:
        self.metrics = Metrics()
        # Whether what the service depends on can be used.
        self.checks: list[tuple[str, Ask]] = []
        # Entries of the answer to GET /.
        self.facts: list[tuple[str, Ask]] = []
        self.draining = False

    def app(self) -> Starlette:
        """Routes the requests."""
        routes = [
            Route("/", self.index),
            Route("/health", self.health),
            Route("/ready", self.ready),
            Route("/metrics", self.all_metrics),
        ]
        observe = Middleware(Observe, metrics=self.metrics, routes=routes)
        app = Starlette(routes=routes, middleware=[observe])
        app.router.redirect_slashes = False
        return app

    async def index(self, _: Request) -> Response:
        """Tells who answers, and shows that the dependencies work."""
        answer = {"service": NAME, "version": VERSION}
        for name, read in self.facts:
            try:
                answer[name] = await asyncio.wait_for(read(), CHECK_TIMEOUT)
            except Exception as error:
                logger.error(
                    "request failed", extra={"dependency": name, "error": repr(error)}
                )
                return JSONResponse({"error": f"{name} is not available"}, 503)
        return JSONResponse(answer)

    async def health(self, _: Request) -> Response:
        """Says that the process lives. It looks at no dependency: a restart would not mend one."""
        return JSONResponse({"status": "ok"})

    async def ready(self, _: Request) -> Response:
        """Says whether requests should come here: not while stopping, and not without the dependencies."""
        if self.draining:
            return JSONResponse({"status": "stopping"}, 503)
        status, code = "ready", 200
        checks = {}
        for name, probe in self.checks:
            checks[name] = "ok"
            try:
                await asyncio.wait_for(probe(), CHECK_TIMEOUT)
            except Exception as error:
                logger.warning(
                    "not ready", extra={"dependency": name, "error": repr(error)}
                )
                checks[name] = "not available"
                status, code = "not ready", 503
        return JSONResponse({"status": status, "checks": checks}, code)

    async def all_metrics(self, _: Request) -> Response:
        return Response(
            self.metrics.text(), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )
