"""The strict URL parser: what it refuses, what it accepts, and that its normal form means the same to everybody."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from urllib.parse import urlsplit

import httpx
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from yarl import URL

from tocsin.destinations import Destination, Policy, parse_url
from tocsin.destinations.address import IPV4_REFUSED
from tocsin.destinations.host import METADATA_NAMES, REFUSED_SUFFIXES
from tocsin.errors import DestinationNotAllowed, UrlInvalid

STRICT = Policy()
HTTP = Policy(allow_http=True)
DEMO = Policy.of(allow_http=True, allow_cidrs=["127.0.0.0/8", "::1/128"])


def _refused(text: str, policy: Policy = HTTP) -> bool:
    try:
        parse_url(text, policy)
    except (UrlInvalid, DestinationNotAllowed):
        return True
    return False


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("https://example.com", "https://example.com/"),
        ("https://example.com/", "https://example.com/"),
        ("HTTPS://EXAMPLE.COM/Path", "https://example.com/Path"),
        ("https://example.com:443/a", "https://example.com/a"),
        ("https://example.com:8443/a", "https://example.com:8443/a"),
        ("https://example.com:80/a", "https://example.com:80/a"),
        ("https://example.com./a", "https://example.com/a"),
        ("https://example.com?q=1", "https://example.com/?q=1"),
        ("https://example.com/a?", "https://example.com/a"),
        ("https://example.com/a/../b/./c", "https://example.com/b/c"),
        ("https://example.com/../../a/..", "https://example.com/"),
        ("https://example.com/a//b/", "https://example.com/a//b/"),
        ("https://example.com/%7Euser/%2f?sig=%2B%3d", "https://example.com/%7Euser/%2f?sig=%2B%3d"),
        ("https://example.com/a@b:c;d=e,f/(g)'!$&*+~", "https://example.com/a@b:c;d=e,f/(g)'!$&*+~"),
        ("https://example.com/?a[]=1&b=/?:@", "https://example.com/?a[]=1&b=/?:@"),
        ("https://example.com/ü?ß", "https://example.com/%C3%BC?%C3%9F"),
        ("https://bücher.example/", "https://xn--bcher-kva.example/"),
        ("https://xn--bcher-kva.example/", "https://xn--bcher-kva.example/"),
        ("https://ＥＸＡＭＰＬＥ.com/", "https://example.com/"),
        ("https://example。com/", "https://example.com/"),
        ("https://faß.example/", "https://xn--fa-hia.example/"),
        ("https://a-b.c--d.example/", "https://a-b.c--d.example/"),
        ("https://1e100.example/", "https://1e100.example/"),
        ("https://8.8.8.8/", "https://8.8.8.8/"),
        ("https://⑧.⑧.⑧.⑧/", "https://8.8.8.8/"),
        ("https://[2606:4700:4700:0:0:0:0:1111]/", "https://[2606:4700:4700::1111]/"),
        ("https://[2606:4700:4700::1111]:8443/x", "https://[2606:4700:4700::1111]:8443/x"),
        ("https://[2A00:1450::200E]/", "https://[2a00:1450::200e]/"),
    ],
)
def test_url_is_accepted_in_its_normal_form(text: str, normal: str) -> None:
    """One spelling is stored and sent, whatever was written."""
    assert parse_url(text, STRICT).url == normal


@pytest.mark.parametrize(
    "text",
    [
        "",
        "example.com",
        "//example.com/",
        "https:",
        "https:/",
        "https://",
        "https:///path",
        "https:/example.com/",
        "https:example.com",
        "https//example.com",
        "https://?q",
        "ftp://example.com/",
        "file:///etc/passwd",
        "gopher://example.com/",
        "javascript:alert(1)",
        "httpss://example.com/",
        "ws://example.com/",
        "ｈttps://example.com/",
        "unix:///run/docker.sock",
        "view-source:https://example.com/",
        " https://example.com/",
        "https://example.com/ ",
        "\thttps://example.com/",
        "ht\ttps://example.com/",
        "https://exam\tple.com/",
        "https://example.com/a\r\nHost: evil",
        "https://example.com/\n",
        "https://example.com\r",
        "https://example.com/\x00",
        "https://example.com/\x7f",
        "https://example.com/\x85",
        "https://example.com/\xa0",
        "https://example.com/\u2028",
        "https://example.com/\u202e",
        "https://example.com/\u200b",
        "https://local\u00adhost/",
        "https://127.0.0\u00ad.1/",
        "https://loc\u200balhost/",
        "https://example.com\u2060/",
        "https://example.com/\ufeff",
        "https://example.com/\ud800",
        "https://example.com/\ue000",
        "https://example.com/a b",
        "https://exam ple.com/",
        "https://example.com\\@evil.example/",
        "https:\\\\example.com\\",
        "https://example.com/<>",
        'https://example.com/"',
        "https://example.com/{a}",
        "https://example.com/a|b",
        "https://example.com/a^b",
        "https://example.com/`",
        "https://user@example.com/",
        "https://user:password@example.com/",
        "https://@example.com/",
        "https://:@example.com/",
        "https://8.8.8.8@example.com/",
        "https://example.com%40evil.example/",
        "https://exam%70le.com/",
        "https://127.0.0.1%00.example.com/",
        "https://example.com%2f@evil.example/",
        "https://example.com:%38443/",
        "https://example.com/#",
        "https://example.com/#fragment",
        "https://example.com#@evil.example/",
        "https://example.com/%",
        "https://example.com/%zz",
        "https://example.com/?%2",
        "https://example.com/?%u0041",
        "https://example.com:/",
        "https://example.com:0/",
        "https://example.com:00443/",
        "https://example.com:0443/",
        "https://example.com:+443/",
        "https://example.com:-443/",
        "https://example.com:4_43/",
        "https://example.com: 443/",
        "https://example.com:４４３/",
        "https://example.com:٤٤٣/",
        "https://example.com:0x1bb/",
        "https://example.com:443.0/",
        "https://example.com:443:443/",
        "https://example.com:65979/",
        "https://example.com:99999999999999999999/",
        "https://example.com:22/",
        "https://example.com:25/",
        "https://example.com:6379/",
        "https://example.com:444/",
        "https://8.8.8.8:22/",
        "https://.example.com/",
        "https://example..com/",
        "https://example.com../",
        "https://./",
        "https://../",
        "https://-example.com/",
        "https://example-.com/",
        "https://exa_mple.com/",
        "https://exa*mple.com/",
        "https://exa,mple.com/",
        "https://exa;mple.com/",
        "https://exa=mple.com/",
        "https://exa!mple.com/",
        "https://exa$mple.com/",
        "https://exa&mple.com/",
        "https://xn--.com/",
        "https://xn--a.com/",
        "https://xn--localhost-/",
        "https://xn--localhost-.com/",
        "https://xn--www-hia.example/",
        "https://xn--ls8h.example/",
        "https://☃.example/",
        "https://💩.example/",
        "https://a\u2044b.example/",
        "https://a℀b.example/",
        "https://" + "a" * 64 + ".example/",
        "https://" + "ü" * 60 + ".example/",
        "https://" + ".".join(["a" * 49] * 5) + ".example/",
        "https://example.com/" + "a" * 2048,
        "https://example.com/" + "ü" * 400,
        "https://[::1",
        "https://::1/",
        "https://[]/",
        "https://[/",
        "https://]/",
        "https://2606:4700:4700::1111/",
        "https://[2606:4700:4700::1111/",
        "https://2606:4700:4700::1111]/",
        "https://a[2606:4700:4700::1111]/",
        "https://[2606:4700:4700::1111]a/",
        "https://[2606:4700:4700::1111].example.com/",
        "https://[2606:4700:4700::1111]:/",
        "https://[2606:4700:4700::1111]:0/",
        "https://[2606:4700:4700::1111]443/",
        "https://[[2606:4700:4700::1111]]/",
        "https://[2606:4700:4700::1111%25eth0]/",
        "https://[2606:4700:4700::1111%eth0]/",
        "https://[fe80::1%25lo]/",
        "https://[2606:4700:4700:::1111]/",
        "https://[2606:4700:4700::11111]/",
        "https://[v1.2606]/",
        "https://[8.8.8.8]/",
        "https://[example.com]/",
        "https://[::８]/",
    ],
)
def test_text_that_is_not_a_strict_url_is_invalid(text: str) -> None:
    """Nothing is repaired, whatever other parsers make of it."""
    with pytest.raises(UrlInvalid):
        parse_url(text, HTTP)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("https://user@example.com/", "user info"),
        ("https://exam%70le.com/", "percent sign in the host"),
        ("https://example.com/#a", "fragment"),
        ("https://example.com:22/", "80, 443, 8080, 8443"),
        ("http://example.com/", "use https"),
        ("https://127.1/", "dotted quad"),
    ],
)
def test_refusal_says_what_is_wrong(text: str, reason: str) -> None:
    """Whoever wrote the URL can mend it."""
    with pytest.raises(UrlInvalid, match=reason):
        parse_url(text, STRICT)


@pytest.mark.parametrize(
    "host",
    [
        "127.1",
        "127.0.1",
        "127.0.0.1.",
        "8.8.8.8.",
        "0",
        "0.",
        "1",
        "2130706433",
        "017700000001",
        "0x7f000001",
        "0X7F000001",
        "0x7f.1",
        "0x7f.0.0.1",
        "0x7f.0x0.0x0.0x1",
        "0177.0.0.1",
        "0127.0.0.1",
        "127.0.0.01",
        "127.000.000.001",
        "127.0.0.0x1",
        "1.2.3",
        "1.2.3.4.5",
        "256.1.1.1",
        "1.1.1.256",
        "8.8.2056",
        "0x08080808",
        "134744072",
        "010.010.010.010",
        "example.1",
        "example.0x1",
        "example.0x",
        "example.0xg",
        "example.com.123",
        "１２７.１",
        "０x7f.1",
        "127。1",
        "٠.٠.٠.٠",
        "1.2.3.٤",
    ],
)
def test_number_that_is_no_canonical_dotted_quad_is_invalid(host: str) -> None:
    """All of these connect somewhere with the C library, and none where a reader would think."""
    with pytest.raises(UrlInvalid):
        parse_url(f"https://{host}/", HTTP)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "10.0.0.1",
        "169.254.169.254",
        "168.63.129.16",
        "0.0.0.0",
        "255.255.255.255",
        "224.0.0.1",
        "①②⑦.⓪.⓪.①",
        "127。0。0。1",
        "127．0．0．1",
        "127｡0｡0｡1",
        "１２７.０.０.１",
        "１６９.２５４.１６９.２５４",
        "𝟏𝟐𝟕.𝟎.𝟎.𝟏",
        "[::1]",
        "[::]",
        "[0:0:0:0:0:0:0:1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[::ffff:8.8.8.8]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "[fe80::1]",
        "[fd00:ec2::254]",
        "[fec0::1]",
        "[ff02::1]",
        "[2001:db8::1]",
    ],
)
def test_literal_of_a_refused_address_is_not_allowed(host: str) -> None:
    """A literal is judged when it is written, after UTS 46 has shown what it is."""
    with pytest.raises(DestinationNotAllowed):
        parse_url(f"https://{host}/", HTTP)


@pytest.mark.parametrize("name", sorted(REFUSED_SUFFIXES | METADATA_NAMES))
@pytest.mark.parametrize("prefix", ["", "a.", "a.b.", "xn--bcher-kva."])
@pytest.mark.parametrize("dot", ["", ".", "。"])
def test_private_name_is_not_allowed_with_or_without_labels_and_dot(prefix: str, name: str, dot: str) -> None:
    """The name itself and everything below it."""
    with pytest.raises(DestinationNotAllowed):
        parse_url(f"https://{prefix}{name}{dot}/", HTTP)


@pytest.mark.parametrize(
    "host",
    [
        "example",
        "kafka",
        "metadata",
        "com.",
        "LOCALHOST",
        "Localhost.",
        "ⓛⓞⓒⓐⓛⓗⓞⓢⓣ",
        "ｌｏｃａｌｈｏｓｔ",
        "metadata.google.internal",
        "instance-data.ec2.internal",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
        "xn--bcher-kva",
    ],
)
def test_single_label_or_disguised_private_name_is_not_allowed(host: str) -> None:
    """Names are classified after UTS 46."""
    with pytest.raises(DestinationNotAllowed):
        parse_url(f"https://{host}/", HTTP)


@pytest.mark.parametrize(
    "host",
    ["localhost.example.com", "local.example", "mylocal.example", "notcorp.example", "svc.example.com"],
)
def test_public_name_that_only_looks_like_a_private_one_is_accepted(host: str) -> None:
    """Only whole trailing labels count."""
    assert parse_url(f"https://{host}/", STRICT).host == host


def test_http_needs_the_switch_and_yields_to_a_system_that_says_https_only() -> None:
    """A deployment may allow it; a system's own rule stands above that."""
    with pytest.raises(UrlInvalid):
        parse_url("http://example.com/", STRICT)
    assert parse_url("http://example.com/", HTTP).port == 80
    with pytest.raises(UrlInvalid):
        parse_url("http://example.com/", HTTP, https_only=True)
    assert parse_url("https://example.com/", HTTP, https_only=True).port == 443


def test_url_of_2048_characters_is_the_longest() -> None:
    """The limit counts characters, and holds for the normal form too."""
    longest = "https://example.com/" + "a" * (2048 - 20)
    assert parse_url(longest, STRICT).url == longest
    with pytest.raises(UrlInvalid):
        parse_url(longest + "a", STRICT)


def test_name_of_253_characters_is_the_longest() -> None:
    """As long as DNS can carry, final dot not counted."""
    name = ".".join(["a" * 63] * 3 + ["b" * 57, "com"])
    assert len(name) == 253
    assert parse_url(f"https://{name}./", STRICT).host == name
    with pytest.raises(UrlInvalid):
        parse_url(f"https://b{name}/", STRICT)


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("http://127.0.0.1:40123/hook", "http://127.0.0.1:40123/hook"),
        ("http://[::1]:40123/hook", "http://[::1]:40123/hook"),
        ("http://localhost:40123/hook", "http://localhost:40123/hook"),
        ("http://tork.localhost:40123/hook", "http://tork.localhost:40123/hook"),
        ("https://hooks.example.com:40123/", "https://hooks.example.com:40123/"),
    ],
)
def test_opened_loopback_is_usable_on_any_port_by_address_and_name(text: str, url: str) -> None:
    """What the demo and the tests live on. A name keeps its port's verdict until its answers are known."""
    assert parse_url(text, DEMO).url == url


@pytest.mark.parametrize(
    "text",
    [
        "http://10.0.0.1:8080/",
        "http://8.8.8.8:22/",
        "http://[::ffff:127.0.0.1]/",
        "http://kafka:8080/",
        "http://db.internal/",
        "http://127.1/",
        "http://localhost:0/",
        "http://localhost:70000/",
    ],
)
def test_opening_loopback_opens_no_other_name_or_address(text: str) -> None:
    """`allow_cidrs` is about addresses; of names only localhost follows it."""
    assert _refused(text, DEMO)


def test_destination_knows_its_parts() -> None:
    """Scheme, host and port as they will be dialled; the address when there is one."""
    assert parse_url("HTTPS://Example.com.:8443/a", STRICT) == Destination(
        "https://example.com:8443/a", "https", "example.com", 8443, None
    )
    literal = parse_url("https://[2606:4700::1]/", STRICT)
    assert (literal.host, literal.address, literal.is_literal) == (
        "2606:4700::1",
        IPv6Address("2606:4700::1"),
        True,
    )


_LABEL = st.from_regex(r"[a-z0-9]([a-z0-9]{0,8}-?[a-z0-9])?", fullmatch=True)
_NAME = st.lists(_LABEL, min_size=1, max_size=3).map(lambda labels: ".".join([*labels, "example"]))
_REST = st.text(st.sampled_from("abcXYZ019-._~!$&'()*+,;=:@/?[]%2fü漢"), max_size=30)


@settings(deadline=None)
@given(_NAME, st.sampled_from(["", ":443", ":8443", ":80", ":8080"]), _REST)
@example("a.example", "", "/../?/../x")
@example("a.example", "", "//..//a")
def test_normal_form_is_a_fixed_point_and_every_parser_reads_it_alike(
    name: str, port: str, rest: str
) -> None:
    """What was checked is what is sent: ours, httpx's, yarl's and the standard library's reading agree."""
    try:
        found = parse_url(f"https://{name}{port}/{rest}", STRICT)
    except UrlInvalid:
        assume(False)
        return
    assert parse_url(found.url, STRICT) == found
    assert str(httpx.URL(found.url)) == found.url
    assert str(URL(found.url, encoded=True)) == found.url
    split = urlsplit(found.url)
    assert (
        (split.hostname, split.port or 443)
        == (found.host, found.port)
        == (httpx.URL(found.url).host, found.port)
    )
    assert URL(found.url, encoded=True).raw_host == found.host
    assert found.url.isascii()


@settings(deadline=None)
@given(st.text(max_size=60))
@example("https://[")
@example("https://\ud800/")
@example("https://a\u3002/")
@example("https://xn--/")
def test_any_text_is_accepted_in_normal_form_or_refused_by_name(text: str) -> None:
    """No text makes the parser raise anything else."""
    for url in (
        text,
        f"https://{text}",
        f"https://{text}/",
        f"https://example.com/{text}",
        f"https://a.example:{text}/",
    ):
        try:
            found = parse_url(url, HTTP)
        except (UrlInvalid, DestinationNotAllowed):
            continue
        assert parse_url(found.url, HTTP) == found
        assert urlsplit(found.url).hostname == found.host


@settings(deadline=None)
@given(
    st.characters(),
    st.sampled_from(["https://exam{}ple.com/", "https://a.example{}/", "https://a.example:{}443/"]),
)
def test_character_in_the_authority_never_moves_the_host_elsewhere(character: str, shape: str) -> None:
    """Whatever is put there, what comes out is a host the standard library reads the same, or nothing."""
    try:
        found = parse_url(shape.format(character), STRICT)
    except (UrlInvalid, DestinationNotAllowed):
        return
    assert urlsplit(found.url).hostname == found.host
    assert found.host.isascii()


_REFUSED_IPV4 = st.sampled_from([network for network, _ in IPV4_REFUSED]).flatmap(
    lambda network: st.integers(0, network.num_addresses - 1).map(lambda offset: network[offset])
)
_DIGITS = st.sampled_from(["0123456789", "０１２３４５６７８９", "⓪①②③④⑤⑥⑦⑧⑨", "𝟘𝟙𝟚𝟛𝟜𝟝𝟞𝟟𝟠𝟡", "٠١٢٣٤٥٦٧٨٩"])


@settings(deadline=None)
@given(
    _REFUSED_IPV4,
    _DIGITS,
    st.sampled_from(".。．｡"),
    st.integers(1, 4),
    st.lists(st.sampled_from("dxo"), min_size=4, max_size=4),
)
def test_no_spelling_of_a_refused_ipv4_address_is_accepted(
    address: IPv4Address, digits: str, dot: str, parts: int, radixes: list[str]
) -> None:
    """Decimal, hexadecimal and octal parts, one to four of them, in five scripts and with four dots."""
    octets = list(address.packed)
    tail = int.from_bytes(bytes(octets[parts - 1 :]), "big")
    numbers = [*octets[: parts - 1], tail]
    formats = {"d": "{:d}", "x": "0x{:x}", "o": "0{:o}"}
    spelled = dot.join(formats[radix].format(number) for radix, number in zip(radixes, numbers, strict=False))
    translated = spelled.translate(str.maketrans("0123456789", digits))
    assert _refused(f"https://{translated}/")
    assert _refused(f"https://{spelled}/")


def test_hyphens_in_third_and_fourth_place_are_fine_for_a_plain_name() -> None:
    """IDNA 2008 keeps them for itself, DNS does not, and hosts are named so."""
    assert parse_url("https://my--app.example.com/", Policy()).host == "my--app.example.com"
