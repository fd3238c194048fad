"""Django's test clients on the project: a list of requests goes in as JSON; answers and events leave as JSON."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import django_site
from django.test import AsyncClient, Client

from tocsin import reporter

FOLDER = Path(os.environ["SITE_FOLDER"])


def said(response: Any) -> dict[str, Any]:
    """Return what a client sees; a body that breaks as far as it came."""
    body, fault = b"", ""
    try:
        if not response.streaming:
            body = response.content
        elif response.is_async:

            async def read() -> bytes:
                return b"".join([chunk async for chunk in response.streaming_content])

            body = asyncio.run(read())
        else:
            body = b"".join(response.streaming_content)
    except OverflowError as broken:
        fault = str(broken)
    headers = {name.lower(): value for name, value in response.headers.items()}
    return {"status": response.status_code, "body": body.decode("utf-8", "replace"), "headers": headers, "fault": fault}


def ask(kind: str, request: dict[str, Any]) -> dict[str, Any]:
    method, path = request.get("method", "get"), request["path"]
    try:
        if kind == "sync":
            client = Client(raise_request_exception=request.get("raises", False), **request.get("client", {}))
            if request.get("enter"):
                client.get("/enter")
            return said(getattr(client, method)(path, request.get("data"), **request.get("more", {})))

        async def later() -> dict[str, Any]:
            client = AsyncClient(raise_request_exception=request.get("raises", False), **request.get("client", {}))
            if request.get("enter"):
                await client.get("/enter")
            response = await getattr(client, method)(path, request.get("data"), **request.get("more", {}))
            if response.streaming and response.is_async:
                found = {"status": response.status_code, "body": "", "headers": {}, "fault": ""}
                try:
                    async for chunk in response.streaming_content:
                        found["body"] += chunk.decode()
                except OverflowError as broken:
                    found["fault"] = str(broken)
                return found
            return said(response)

        return asyncio.run(later())
    except Exception as fault:
        return {"raised": f"{type(fault).__name__}: {fault}"}


def main() -> None:
    django_site.prepare()
    present = reporter.current()
    answers = [ask(kind, request) for kind, request in json.load(sys.stdin)]
    if present is not None:
        present.flush()
        present.close()
    file = FOLDER / "events.jsonl"
    events = [json.loads(line) for line in file.read_text("utf-8").splitlines()] if file.exists() else []
    json.dump({"answers": answers, "events": events}, sys.stdout)


main()
