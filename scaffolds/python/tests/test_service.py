import asyncio
import json
import socket
import unittest

from service import NAME, VERSION
from service.server import Server, drain_time
from service.service import Service
from tests.support import ask, get


async def works() -> int:
    return 42


async def fails() -> None:
    raise ConnectionError("connect: connection refused")


class Answers(unittest.IsolatedAsyncioTestCase):
    async def test_health_looks_at_no_dependency(self):
        service = Service()
        service.checks = [("database", fails)]
        self.assertEqual(await get(service, "/health"), (200, {"status": "ok"}))

    async def test_ready(self):
        for title, checks, draining, code, status in (
            ("without dependencies", [], False, 200, "ready"),
            ("all dependencies work", [works, works], False, 200, "ready"),
            ("one dependency is away", [works, fails], False, 503, "not ready"),
            ("the first one is away", [fails, works], False, 503, "not ready"),
            ("told to stop", [works], True, 503, "stopping"),
            ("stopping hides failures", [fails], True, 503, "stopping"),
        ):
            with self.subTest(title):
                service = Service()
                service.checks = [("dependency", check) for check in checks]
                service.draining = draining
                got, answer = await get(service, "/ready")
                self.assertEqual((got, answer["status"]), (code, status))
                self.assertNotIn("refused", json.dumps(answer), "strangers are told")

    async def test_index(self):
        service = Service()
        service.facts = [("answer", works)]
        expect = {"service": NAME, "version": VERSION, "answer": 42}
        self.assertEqual(await get(service, "/"), (200, expect))
        service.facts.append(("broken", fails))
        expect = {"error": "broken is not available"}
        self.assertEqual(await get(service, "/"), (503, expect))

    async def test_only_known_routes_answer(self):
        for method, path, code in (
            ("GET", "/nowhere", 404),
            ("GET", "/health/", 404),
            ("POST", "/", 405),
            ("HEAD", "/health", 200),
            ("GET", "/health?verbose", 200),
        ):
            with self.subTest(f"{method} {path}"):
                status, _ = await ask(Service(), method, path)
                self.assertEqual(status, code)

    async def test_metrics_count_requests_by_route(self):
        service = Service()
        for method, path in (
            ("GET", "/health"),
            ("GET", "/health"),
            ("GET", "/a/path/somebody/invented"),
            ("INVENTED", "/health"),
        ):
            await ask(service, method, path)
        _, metrics = await ask(service, "GET", "/metrics")
        lines = metrics.decode().splitlines()
        for line in (
            'http_requests_total{method="GET",route="/health",status="200"} 2.0',
            'http_requests_total{method="other",route="unmatched",status="404"} 1.0',
            'http_requests_total{method="other",route="unmatched",status="405"} 1.0',
            'http_request_duration_seconds_count{method="GET",route="/health"} 2.0',
        ):
            self.assertIn(line, lines)
        self.assertNotIn("nvented", metrics.decode(), "a caller can invent labels")


class Stopping(unittest.IsolatedAsyncioTestCase):
    async def test_a_running_request_is_finished(self):
        """A request that is running when the service is told to stop still gets its answer, and new connections
        are refused afterwards."""
        running, release = asyncio.Event(), asyncio.Event()

        async def slow() -> str:
            running.set()
            await release.wait()
            return "done"

        service = Service()
        service.facts = [("slow", slow)]
        listener = socket.create_server(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        server = Server(service, 0)
        served = asyncio.create_task(server.serve(sockets=[listener]))
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        await running.wait()
        server.stop()
        while not server.should_exit:
            await asyncio.sleep(0)
        release.set()
        self.assertIn(b'"slow":"done"', await reader.read())
        writer.close()
        await served
        listener.close()
        with self.assertRaises(ConnectionError):
            await asyncio.open_connection("127.0.0.1", port)


class DrainTime(unittest.TestCase):
    def test_it_is_a_number_of_seconds(self):
        for text, want in (("", 5), ("0", 0), ("20", 20)):
            self.assertEqual(drain_time({"DRAIN_SECONDS": text}), want)
        for text in ("-1", "soon", "1.5", "100000"):
            with self.assertRaises(ValueError):
                drain_time({"DRAIN_SECONDS": text})
