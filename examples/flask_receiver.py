"""A receiver in Flask: verify the raw body before anything parses it.

TOCSIN_SYSTEM=tork WEBHOOK_SECRET=whsec_… flask --app examples/flask_receiver.py run
"""

from __future__ import annotations

import os

from flask import Flask, request

import tocsin
from tocsin.errors import SignatureInvalid

SYSTEM = os.environ["TOCSIN_SYSTEM"]
# While a secret rotates, put both here, separated by a space.
SECRETS = os.environ["WEBHOOK_SECRET"].split()

app = Flask(__name__)


@app.post("/webhooks")
def receive() -> tuple[str, int]:
    """Take one webhook."""
    try:
        tocsin.verify(SYSTEM, request.headers, request.get_data(), SECRETS)
    except SignatureInvalid as error:
        return str(error), 401
    event = request.get_json()
    print(event.get("type") or event.get("event_type"), flush=True)
    return "", 204
