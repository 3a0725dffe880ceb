from __future__ import annotations

import json

import pytest

from tocsin.cli import output


def test_table_in_a_pipe_is_aligned_and_never_cut(capsys: pytest.CaptureFixture[str]) -> None:
    output.table(("id", "url"), [("a", "https://example.com/" + "x" * 300), ("abc", "-")], empty="none")
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["ID   URL", "a    https://example.com/" + "x" * 300, "abc  -"]


def test_empty_table_says_so_beside_the_result(capsys: pytest.CaptureFixture[str]) -> None:
    output.table(("id",), [], empty="no keys")
    out, err = capsys.readouterr()
    assert (out, err) == ("", "no keys\n")


@pytest.mark.parametrize("hostile", ["\x1b[31mred", "a\nb", "\x07", "\x9b2J", "a\u202eb"])
def test_shown_text_holds_no_control_characters(hostile: str) -> None:
    assert output.styled(hostile).plain.isprintable()


def test_markup_of_strangers_is_shown_not_obeyed(capsys: pytest.CaptureFixture[str]) -> None:
    output.console().print(output.styled("[bold]x[/bold] :smile:"))
    assert capsys.readouterr().out == "[bold]x[/bold] :smile:\n"


def test_json_shows_bytes_as_text_or_base64(capsys: pytest.CaptureFixture[str]) -> None:
    output.json_line({"text": b"ok", "bytes": b"\xff\x00"})
    assert json.loads(capsys.readouterr().out) == {"text": "ok", "bytes": "base64:/wA="}


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (b'{"b":1,"a":[2]}', '{\n  "b": 1,\n  "a": [\n    2\n  ]\n}'),
        (b"plain", "plain"),
        (b"\xff", "base64:/w=="),
    ],
)
def test_body_is_shown_as_what_it_is(body: bytes, shown: str) -> None:
    assert output.pretty_body(body) == shown


def test_fields_are_aligned(capsys: pytest.CaptureFixture[str]) -> None:
    output.fields([("id", "1"), ("description", "x")])
    assert capsys.readouterr().out == "id           1\ndescription  x\n"
