"""A receiver in FastAPI: verify the raw body, answer at once, work afterwards.

TOCSIN_SYSTEM=tork WEBHOOK_SECRET=whsec_… uvicorn --app-dir examples fastapi_receiver:app
"""

from __future__ import annotations

import os
from typing import Any

from fastapi import BackgroundTasks, FastAPI, HTTPException, Request, Response

import tocsin
from tocsin.errors import SignatureInvalid

SYSTEM = os.environ["TOCSIN_SYSTEM"]
# While a secret rotates, put both here, separated by a space.
SECRETS = os.environ["WEBHOOK_SECRET"].split()

app = FastAPI()


@app.post("/webhooks", status_code=204)
async def receive(request: Request, background: BackgroundTasks) -> Response:
    """Take one webhook."""
    body = await request.body()
    try:
        tocsin.verify(SYSTEM, request.headers, body, SECRETS)
    except SignatureInvalid as error:
        raise HTTPException(401, str(error)) from error
    background.add_task(handle, await request.json())
    return Response(status_code=204)


def handle(event: dict[str, Any]) -> None:
    """Do what the event asks for; the same one may come twice, so remember its id."""
    print(event.get("type") or event.get("event_type"), flush=True)
