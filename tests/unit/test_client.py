"""The client, as far as no API is needed to know it."""

from __future__ import annotations

from pathlib import Path

import pytest

import tocsin
from tocsin.client import Webhook
from tocsin.errors import ApiUnavailable, ConfigurationError


def test_client_without_a_key_is_a_configuration_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TOCSIN_API_KEY", raising=False)
    with pytest.raises(ConfigurationError, match="TOCSIN_API_KEY"):
        tocsin.Client("http://127.0.0.1:9")


def test_api_that_does_not_answer_is_an_error_of_its_own() -> None:
    with tocsin.Client("http://127.0.0.1:9", "toc_x") as client, pytest.raises(ApiUnavailable):
        client.webhooks.get("wh_1")


def test_secret_is_not_shown_by_accident() -> None:
    webhook = Webhook("wh_1", "https://h/", ("*",), True, 1, "canary", {"secret": "canary"})
    assert "canary" not in repr(webhook)
