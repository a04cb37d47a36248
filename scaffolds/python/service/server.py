"""Serving until told to stop."""

import asyncio
import logging
import signal
from collections.abc import Mapping
from types import FrameType

import uvicorn

from service.service import Service

# Seconds that running requests may take to finish. Together with the drain time it stays below the 30 seconds
# after which Kubernetes kills the pod.
SHUTDOWN_TIMEOUT = 20

logger = logging.getLogger("service")


class Server(uvicorn.Server):
    """Answers requests until SIGINT or SIGTERM. Then it says on /ready that it stops, keeps answering for the
    drain time, takes no new connections and lets running requests finish."""

    def __init__(self, service: Service, drain: float) -> None:
        super().__init__(
            uvicorn.Config(
                service.app(),
                access_log=False,
                http="h11",
                lifespan="off",
                log_config=None,
                server_header=False,
                timeout_graceful_shutdown=SHUTDOWN_TIMEOUT,
                timeout_keep_alive=60,
                ws="none",
            )
        )
        self.service = service
        self.drain = drain

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Called for each signal. A second one ends the process at once."""
        if self.service.draining:
            signal.signal(sig, signal.SIG_DFL)
            signal.raise_signal(sig)
        self.stop()

    def stop(self) -> None:
        """Begins to stop."""
        logger.info("stopping", extra={"drain": f"{self.drain:g}s"})
        self.service.draining = True
        loop = asyncio.get_running_loop()
        loop.call_soon_threadsafe(loop.call_later, self.drain, self._drained)

    def _drained(self) -> None:
        self.should_exit = True


def drain_time(env: Mapping[str, str]) -> float:
    """How many seconds the service keeps answering after it was told to stop, so that load balancers notice
    first: DRAIN_SECONDS, by default 5."""
    text = env.get("DRAIN_SECONDS") or "5"
    if not (text.isascii() and text.isdigit() and int(text[:4]) < 256):
        raise ValueError(f"DRAIN_SECONDS must be a number of seconds, not {text!r}")
    return float(text)
