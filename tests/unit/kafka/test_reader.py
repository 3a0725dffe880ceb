"""A record whose header has a name that is not UTF-8, from a producer that is not Java's, as the client hands it out."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import confluent_kafka
import pytest
from confluent_kafka import Consumer, Message, TopicPartition

from tocsin import events
from tocsin.errors import Undecodable
from tocsin.kafka.reader import headers_of, record_of

WITHIN_S: Final = 20.0
_PRODUCER, _RKT, _VALUE, _HEADER = 0, 2, 4, 9  # of librdkafka's enums


class _Sized(ctypes.Structure):
    _fields_ = (("data", ctypes.c_char_p), ("size", ctypes.c_size_t))


class _Header(ctypes.Structure):
    _fields_ = (("name", ctypes.c_char_p), ("value", ctypes.c_char_p), ("size", ctypes.c_ssize_t))


class _Value(ctypes.Union):
    _fields_ = (
        ("pointer", ctypes.c_void_p),
        ("sized", _Sized),
        ("header", _Header),
        ("padding", ctypes.c_char * 64),
    )


class _Argument(ctypes.Structure):
    _fields_ = (("kind", ctypes.c_int), ("value", _Value))


def librdkafka() -> ctypes.CDLL:
    """Return the library that the client brings along: its Python side would refuse such a name."""
    (file,) = Path(confluent_kafka.__file__).parents[1].glob("confluent_kafka.libs/librdkafka*")
    library = ctypes.CDLL(str(file))
    for name in ("conf_new", "new", "topic_new", "handle_mock_cluster", "produceva"):
        getattr(library, f"rd_kafka_{name}").restype = ctypes.c_void_p
    library.rd_kafka_mock_cluster_bootstraps.restype = ctypes.c_char_p
    return library


@pytest.fixture
def message() -> Iterator[Message]:
    library, said = librdkafka(), ctypes.create_string_buffer(512)
    configuration = ctypes.c_void_p(library.rd_kafka_conf_new())
    library.rd_kafka_conf_set(configuration, b"test.mock.num.brokers", b"1", said, 512)
    producer = ctypes.c_void_p(library.rd_kafka_new(_PRODUCER, configuration, said, 512))
    cluster = ctypes.c_void_p(library.rd_kafka_handle_mock_cluster(producer))
    library.rd_kafka_mock_topic_create(cluster, b"t", 1, 1)
    topic = ctypes.c_void_p(library.rd_kafka_topic_new(producer, b"t", None))
    arguments = (_Argument * 3)(
        _Argument(_RKT, _Value(pointer=topic)),
        _Argument(_VALUE, _Value(sized=_Sized(b"v", 1))),
        _Argument(_HEADER, _Value(header=_Header(b"\xff\xfe", b"x", 1))),
    )
    assert library.rd_kafka_produceva(producer, arguments, ctypes.c_size_t(3)) is None
    assert library.rd_kafka_flush(producer, int(WITHIN_S * 1000)) == 0
    servers = library.rd_kafka_mock_cluster_bootstraps(cluster).decode()
    options: dict[str, Any] = {"bootstrap.servers": servers, "group.id": "g"}
    consumer = Consumer(options)
    consumer.assign([TopicPartition("t", 0, 0)])
    found = consumer.poll(WITHIN_S)
    assert found is not None
    assert found.error() is None
    yield found
    consumer.close()
    library.rd_kafka_topic_destroy(topic)
    library.rd_kafka_destroy(producer)


def test_record_with_headers_that_cannot_be_read_is_one_without_any(message: Message) -> None:
    """The client raises once, and would crash the process when it is asked again."""
    for _ in range(1_000):  # until the interpreter has specialized the calls
        sound = record_of(Message("t", partition=0, offset=0, value=b"v", headers=[("a", b"b")]))
        assert headers_of(Message("t", headers=[("a", b"b")])) == sound.headers == [("a", b"b")]
    record = record_of(message)
    assert (record.value, record.headers, headers_of(message)) == (b"v", [], [])
    with pytest.raises(Undecodable):
        events.from_headers(record.headers, topic="t", partition=0, offset=0, timestamp_ms=0)
