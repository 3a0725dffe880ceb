"""The console's files: what is served, under which policy; and that they need nothing from elsewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from control.console.serving import FOLDER, PATH, POLICY, pages

SOURCES = sorted(FOLDER.rglob("*.js"))
OWN = [file for file in SOURCES if "vendor" not in file.parts]
_IMPORT = re.compile(r'(?:from|import) *"([^"]+)"')


@pytest.mark.parametrize("entrance", ["/", "/console"])
def test_entrances_lead_to_the_console(api: TestClient, entrance: str) -> None:
    answer = api.get(entrance, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (307, PATH)


@pytest.mark.parametrize(
    ("path", "media_type"),
    [
        ("", "text/html; charset=utf-8"),
        ("index.html", "text/html; charset=utf-8"),
        ("app.js", "text/javascript; charset=utf-8"),
        ("views/keys.js", "text/javascript; charset=utf-8"),
        ("vendor/preact.js", "text/javascript; charset=utf-8"),
        ("style.css", "text/css; charset=utf-8"),
        ("icon.svg", "image/svg+xml"),
    ],
)
def test_file_is_served_under_the_policy_without_a_key(api: TestClient, path: str, media_type: str) -> None:
    answer = api.get(PATH + path)
    assert (answer.status_code, answer.headers["content-type"]) == (200, media_type)
    assert answer.content == (FOLDER / (path or "index.html")).read_bytes()
    assert answer.headers["content-security-policy"] == POLICY
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_policy_allows_nothing_inline_and_nothing_from_elsewhere() -> None:
    assert "unsafe" not in POLICY
    assert "require-trusted-types-for 'script'" in POLICY
    assert {word for rule in POLICY.split("; ") for word in rule.split()[1:]} == {
        "'none'",
        "'self'",
        "'script'",
    }


def test_known_version_is_not_sent_again_and_every_content_has_its_own(api: TestClient) -> None:
    tag = api.get(PATH).headers["etag"]
    again = api.get(PATH, headers={"If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")
    assert api.get(f"{PATH}app.js", headers={"If-None-Match": tag}).status_code == 200


def test_size_is_small_where_the_browser_takes_it_compressed(api: TestClient) -> None:
    plain = api.get(f"{PATH}style.css", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert api.get(f"{PATH}style.css").headers["content-encoding"] == "gzip"
    assert sum(len(page.compressed) for page in pages().values()) < 100_000


@pytest.mark.parametrize(
    "path",
    ["nothing.js", "../serving.py", "%2e%2e/serving.py", "..%2fserving.py", "vendor/README.md", "vendor/htm.LICENSE", "views/"],
)  # fmt: skip
def test_what_is_no_file_of_the_console_is_not_found(api: TestClient, path: str) -> None:
    answer = api.get(PATH + path)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_other_methods_and_other_paths_are_the_api_s(api: TestClient) -> None:
    assert api.post(PATH).status_code == 404
    assert api.get("/v1/webhooks").status_code == 401
    policy = api.get("/livez").headers["content-security-policy"]
    assert policy == "default-src 'none'; frame-ancestors 'none'"


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: file.relative_to(FOLDER).as_posix())
def test_module_imports_only_files_that_are_there(file: Path) -> None:
    found = _IMPORT.findall(file.read_text())
    assert [each for each in found if not (file.parent / each).is_file()] == []


@pytest.mark.parametrize(
    "forbidden", ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "http://", "https://"]
)  # fmt: skip
def test_no_module_makes_markup_or_code_of_text_or_asks_elsewhere(forbidden: str) -> None:
    harmless = "https://example.com/hooks"  # shown in an empty field
    assert [file.name for file in OWN if forbidden in file.read_text().replace(harmless, "")] == []


def test_page_holds_no_script_and_no_style_of_its_own() -> None:
    page = (FOLDER / "index.html").read_text()
    assert re.findall(r"<script(?![^>]* src=)|<style|style=|\son\w+=|//", page) == []
