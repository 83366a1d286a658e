"""http(s): the bytes of an allowed host, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import urlsplit

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cenote.config.media_hosts import spell_host
from cenote.errors import CenoteError, InvalidRequest, MediaFetchError, MediaUnavailable
from cenote.media import MediaPolicy, load_media
from cenote.media.address import parse_target
from cenote.media.http import HttpLoader


def refusal(loader: HttpLoader, url: str, policy: MediaPolicy, kind: type[CenoteError] = InvalidRequest) -> str:
    with pytest.raises(kind) as refused:
        loader.load(url, policy)
    assert type(refused.value) is kind
    text = str(refused.value)
    assert "127.0.0.1" in url or "127.0.0.1" not in text
    return text


def test_an_allowed_host_is_asked_at_the_address_that_was_checked(loader, names, server, policy) -> None:
    assert loader.load(f"http://IMAGES.example.:{server.port}/page?a=%20b#top", policy) == b"bytes of a page"
    assert server.seen == [(f"images.example:{server.port}", "/page?a=%20b")]
    assert names.asked == ["images.example"]


def test_a_listed_address_needs_no_name(server) -> None:
    policy = MediaPolicy(allowed_domains=(f"127.0.0.1:{server.port}",))
    assert load_media(f"http://127.0.0.1:{server.port}/page", policy) == b"bytes of a page"


def test_letters_beyond_ascii_are_sent_as_utf8(loader, server, policy) -> None:
    loader.load(f"http://images.example:{server.port}/page/straße?q=ü%41", policy)
    assert server.seen[0][1] == "/page/stra%C3%9Fe?q=%C3%BC%41"


def test_a_host_with_other_letters_is_compared_in_ascii(loader, names, server) -> None:
    allowed = MediaPolicy(allowed_domains=(f"*.xn--bcher-kva.example:{server.port}", "127.0.0.1"))
    loader.load(f"http://bilder.BÜCHER。example:{server.port}/page", allowed)
    assert names.asked == ["bilder.xn--bcher-kva.example"]


def test_tls_is_verified_against_the_name_though_the_address_is_pinned(names, tls_server, trusting) -> None:
    policy = MediaPolicy(allowed_domains=(f"*.example:{tls_server.port}", "127.0.0.1"))
    loader = HttpLoader(names, trusting)
    assert loader.load(f"https://images.example:{tls_server.port}/page", policy) == b"bytes of a page"
    text = refusal(loader, f"https://other.example:{tls_server.port}/page", policy, MediaFetchError)
    assert text == f"The certificate of 'other.example:{tls_server.port}' is not valid for it."
    url = f"https://images.example:{tls_server.port}/page"
    assert "certificate" in refusal(HttpLoader(names), url, policy, MediaFetchError)
    assert len(tls_server.seen) == 1


def test_http_is_not_spoken_to_a_tls_port_nor_tls_to_one_of_http(names, server, tls_server, trusting) -> None:
    loader = HttpLoader(names, trusting, pauses=())
    for scheme, port in (("https", server.port), ("http", tls_server.port)):
        policy = MediaPolicy(allowed_domains=(f"images.example:{port}", "127.0.0.1"), timeout=5)
        text = refusal(loader, f"{scheme}://images.example:{port}/page", policy, MediaUnavailable)
        assert "could not be reached" in text


def test_nothing_is_fetched_unless_a_host_is_allowed(loader, names) -> None:
    text = refusal(loader, "https://images.example/a.png", MediaPolicy())
    assert text.startswith("Nothing is fetched over http(s) here: the operator allows no host")
    assert names.asked == []


@pytest.mark.parametrize(
    "url",
    [
        "http://evil.example/",
        "http://images.example/",  # the entry names another port
        "http://images.example.evil.example:{port}/",
        "http://notimages.example:{port}/",
        "http://sub.images.example:{port}/",
        "http://images.example:{port}@evil.example/",
        "http://images.example:{port}\\@evil.example/",
        "http://evil.example\\@images.example:{port}/",
        "http://user:secret@images.example:{port}/",
        "http://evil.example/@images.example:{port}/",
        "http://evil.example?@images.example:{port}/",
        "http://evil.example#@images.example:{port}/",
        "http://images.example:{port}\n.evil.example/",
        "http://images.example:{port} .evil.example/",
        "http://images%2eexample:{port}/",
        "http://images.example:{port}:80/",
        "http://images.example:٨٠/",
        "http://images..example:{port}/",
        "http://:{port}/",
        "http:///images.example:{port}/",
        "http:images.example:{port}/",
        "http:\\\\images.example:{port}/",
        "http://[images.example]:{port}/",
        "http://[fe80::1%25eth0]/",
        "http://127.0.0.1:{port}/",
        "http://127.1:{port}/",
        "http://2130706433:{port}/",
        "http://0x7f000001:{port}/",
        "http://0177.0.0.1:{port}/",
        "http://[::ffff:127.0.0.1]:{port}/",
        "http://localhost:{port}/",
        "http://images.example:{port}/\ud800",
        "http://images.example:99999/",
        "http://images.example:{port}/" + "a" * 9000,
    ],
)
def test_addresses_that_mean_another_host_are_refused_before_a_name_is_asked_for(
    loader, names, server, policy, url: str
) -> None:
    text = refusal(loader, url.replace("{port}", str(server.port)), policy)
    assert "secret" not in text
    assert names.asked == []
    assert server.seen == []


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0"),
        *("224.0.0.1", "240.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1", "::", "::1", "fe80::1", "fc00::1"),
        *(
            "fec0::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
        ),
        *("2001:0:1::1", "2001:db8::1", "3fff::1", "5f00::1", "100:0:0:1::1", "192.88.99.1", "fe80::1%eth0"),
    ],
)
def test_a_name_may_not_lead_to_an_address_that_is_not_public(names, address: str) -> None:
    names.answers = [["93.184.216.34", address]]
    text = refusal(HttpLoader(names), "http://images.example/", MediaPolicy(allowed_domains=("images.example",)))
    assert text.startswith("The host 'images.example' does not lead to a public address")
    assert address not in text or len(address) < 4


def test_an_address_that_is_listed_with_a_port_is_contacted_there_only(names, server) -> None:
    hosts = (f"images.example:{server.port}", "127.0.0.1:1")
    text = refusal(HttpLoader(names), f"http://images.example:{server.port}/page", MediaPolicy(allowed_domains=hosts))
    assert "does not lead to a public address" in text
    hosts = (hosts[0], f"127.0.0.1:{server.port}")
    url = f"http://images.example:{server.port}/page"
    assert HttpLoader(names).load(url, MediaPolicy(allowed_domains=hosts)) == b"bytes of a page"


def test_a_name_server_that_changes_its_answer_changes_nothing(names, server) -> None:
    policy = MediaPolicy(allowed_domains=(f"images.example:{server.port}", "127.0.0.1"))
    names.answers = [["127.0.0.1"], ["10.0.0.1"]]
    assert HttpLoader(names).load(f"http://images.example:{server.port}/page", policy) == b"bytes of a page"
    assert names.asked == ["images.example"]  # nobody asked a second time, who would have got the other answer
    assert "public" in refusal(HttpLoader(names), f"http://images.example:{server.port}/page", policy)


def test_the_next_address_of_a_host_is_tried_where_the_first_does_not_answer(server) -> None:
    policy = MediaPolicy(allowed_domains=(f"images.example:{server.port}", "127.0.0.1", "127.0.0.2"))
    loader = HttpLoader(lambda host, port: ["127.0.0.2", "127.0.0.1"])
    assert loader.load(f"http://images.example:{server.port}/page", policy) == b"bytes of a page"


@pytest.mark.parametrize(
    ("path", "kind", "says"),
    [
        ("redirect", MediaFetchError, "redirects to another address (302), which is not followed."),
        ("missing", MediaFetchError, "answered with status 404"),
        ("huge", MediaFetchError, "sends more than the 50000 bytes"),
        ("endless", MediaFetchError, "sends more than the 50000 bytes"),
        ("gzip", MediaFetchError, "sent the medium compressed"),
        ("broken", MediaUnavailable, "answered with status 503"),
        ("busy", MediaUnavailable, "answered with status 429"),
        ("short", MediaUnavailable, "could not be reached, or its answer is not HTTP"),
        ("nonsense", MediaUnavailable, "could not be reached, or its answer is not HTTP"),
    ],
)
def test_answers_that_are_not_the_medium_are_refused(
    loader, server, policy, path: str, kind: type[CenoteError], says: str
) -> None:
    text = refusal(loader, f"http://images.example:{server.port}/{path}?secret=1", policy, kind)
    assert says in text
    assert "secret" not in text
    assert "169.254" not in text
    assert len(server.seen) == (3 if kind is MediaUnavailable else 1)


@pytest.mark.parametrize("failures", [[500], [503, 429], [408, 502]])
def test_what_may_pass_is_tried_again(loader, server, policy, failures: list[int]) -> None:
    server.failures = [*failures]
    assert loader.load(f"http://images.example:{server.port}/page", policy) == b"bytes of a page"
    assert len(server.seen) == len(failures) + 1


def test_what_will_not_pass_ends_the_tries(loader, server, policy) -> None:
    server.failures = [500, 403]
    assert "403" in refusal(loader, f"http://images.example:{server.port}/page", policy, MediaFetchError)
    assert len(server.seen) == 2


def test_another_try_checks_the_addresses_again(loader, names, server, policy) -> None:
    names.answers = [["127.0.0.1"], ["10.0.0.1"]]
    server.failures = [500]
    assert "public" in refusal(loader, f"http://images.example:{server.port}/page", policy)
    assert len(server.seen) == 1


def test_a_try_that_cannot_begin_in_time_is_not_waited_for(names, server, policy) -> None:
    loader = HttpLoader(names, pauses=(60,))
    assert "503" in refusal(loader, f"http://images.example:{server.port}/broken", policy, MediaUnavailable)
    assert len(server.seen) == 1


@pytest.mark.parametrize("path", ["drip", "slow_head"])
def test_a_slow_server_has_one_limit_for_all(loader, server, policy, path: str) -> None:
    text = refusal(
        loader, f"http://images.example:{server.port}/{path}", replace(policy, timeout=0.2), MediaUnavailable
    )
    assert text.endswith("did not give the medium within 0.2 seconds.")


def test_a_name_server_that_does_not_answer_is_not_waited_for(server, policy) -> None:
    def hang(host: str, port: int) -> list[str]:
        server.ended.wait(30)
        return []

    url = f"http://images.example:{server.port}/"
    text = refusal(HttpLoader(hang), url, replace(policy, timeout=0.1), MediaUnavailable)
    assert text.endswith("did not give the medium within 0.1 seconds.")


def test_hosts_that_do_not_exist_or_refuse_are_named(policy, server) -> None:
    def none(host: str, port: int) -> list[str]:
        raise OSError("no such host at 10.1.2.3")

    url = f"http://images.example:{server.port}/"
    assert "10.1.2.3" not in refusal(HttpLoader(none, pauses=()), url, policy, MediaUnavailable)
    assert "has no address" in refusal(HttpLoader(lambda host, port: [], pauses=()), url, policy, MediaUnavailable)
    server.server_close()
    loader = HttpLoader(lambda host, port: ["127.0.0.1"], pauses=(0, 0))
    assert "could not be reached" in refusal(loader, url, policy, MediaUnavailable)


def test_no_proxy_of_the_environment_is_used(loader, server, policy, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert loader.load(f"http://images.example:{server.port}/page", policy) == b"bytes of a page"


@given(
    st.lists(
        st.sampled_from([*"/\\@:?#%.[]-_ \t\n\x00a1", "http:", "https://", "evil.org", "ok.org", "。", "ß"]),
        max_size=14,
    )
)
def test_whoever_reads_an_accepted_address_finds_the_same_host(parts: list[str]) -> None:
    url = "http://" + "".join(parts)
    try:
        target = parse_target(url)
    except InvalidRequest:
        return
    read = urlsplit(url)
    assert read.hostname is not None
    assert spell_host(read.hostname) == target.host == spell_host(httpx.URL(url).host)
    assert (read.port or 80) == target.port
    assert read.username is None
