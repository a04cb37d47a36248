"""Asking the service without a network."""

import json
from typing import Any

from service.service import Service


async def ask(service: Service, method: str, path: str) -> tuple[int, bytes]:
    """The status and the body of an answer."""
    path, _, query = path.partition("?")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [],
    }
    status, body = 0, b""

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        nonlocal status, body
        status = message.get("status", status)
        body += message.get("body", b"")

    await service.app()(scope, receive, send)
    return status, body


async def get(service: Service, path: str) -> tuple[int, Any]:
    """The status and the decoded answer."""
    status, body = await ask(service, "GET", path)
    return status, json.loads(body)
