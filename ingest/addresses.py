"""Web addresses: the one strict parser, when two are the same, and where the content behind a link is best fetched.

Knows nothing of fetching: what is parsed here is exactly what is connected to and sent, so nothing parses it again.
"""

import ipaddress
import re
from dataclasses import dataclass, replace
from urllib.parse import quote

_LONGEST = 8000  # characters
_BLANKS = " \t\r\n"
_PORTS = {"http": 80, "https": 443}
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f-\x9f\\\ud800-\udfff\s]")
_PARTS = re.compile(r"(?://([^/?#]*))?([^?#]*)(\?[^#]*)?")
_AUTHORITY = re.compile(r"(?:\[([^\[\]]*)\]|([^:\[\]]*))(?::([0-9]{0,5}))?")
_HOST = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")
_LONGEST_HOST = 253
_KEPT_AS_WRITTEN = "%/:?#[]@!$&'()*+,;=|~"
_TRACKING = re.compile(r"utm_[^=]*|fbclid|gclid|mc_cid|mc_eid|igshid|ref_src", re.IGNORECASE)


class Refused(Exception):
    """An address that is not fetched; the message says why."""


@dataclass(frozen=True)
class Address:
    """Where to connect and what to ask for. `host` has no brackets, and `target` is path and query as they are sent."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def authority(self) -> str:
        """Host and port as the Host header has them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.target}"


# -- parsing -------------------------------------------------------------------------------------------------------


def parse(url: str) -> Address:
    """The address that a link stands for. Raises Refused for whatever two parsers might read in two ways."""
    url = url.strip(_BLANKS).replace(" ", "%20")  # as browsers do; none is left in a host
    if len(url) > _LONGEST:
        raise Refused(f"the address is longer than {_LONGEST:,} characters")
    if _FORBIDDEN.search(url):
        raise Refused("the address holds white space, a backslash or a control character")
    scheme, _, rest = url.partition(":")
    scheme = scheme.lower()
    if scheme not in _PORTS:
        raise Refused("only http and https addresses are fetched")
    authority, path, query = _split(rest)
    if "@" in authority:
        raise Refused("addresses with a user name in them are not fetched")
    match = _AUTHORITY.fullmatch(authority)
    if not match:
        raise Refused("the address has no valid host and port")
    six, name, port = match.groups()
    host = _ip_six(six) if six is not None else _host(name)
    return Address(scheme, host, _port(port, scheme), _encoded(_without_dots(path)) + _encoded(query))


def _split(rest: str) -> tuple[str, str, str]:
    """Authority, path and query with its question mark; the fragment is never sent."""
    match = _PARTS.match(rest)
    authority, path, query = match.groups() if match else ("", "", "")
    if not authority:
        raise Refused("the address names no host")
    return authority, path, query or ""


def _ip_six(text: str) -> str:
    try:
        if "%" not in text:  # a zone is this machine's own business
            return str(ipaddress.IPv6Address(text))
    except ValueError:
        pass
    raise Refused("the address has no valid host and port")


def _host(name: str) -> str:
    host = name.lower()
    if not host.isascii() and len(host) <= _LONGEST_HOST:
        import idna

        try:
            host = idna.encode(host, uts46=True).decode()
        except idna.IDNAError as error:
            raise Refused("the address has no valid host name") from error
    host = host.removesuffix(".")
    if len(host) > _LONGEST_HOST or not _HOST.fullmatch(host):
        raise Refused("the address has no valid host name")
    return host


def _port(digits: str | None, scheme: str) -> int:
    port = int(digits) if digits else _PORTS[scheme]
    if not 0 < port < 2**16:
        raise Refused("the address has no valid port")
    return port


def _without_dots(path: str) -> str:
    """The path with `.` and `..` resolved, as a server would: what robots.txt allows is judged by it."""
    kept: list[str] = []
    segments = path.split("/")[1:] or [""]
    for segment in segments:
        plain = re.sub("%2e", ".", segment, flags=re.IGNORECASE)
        if plain == "..":
            del kept[-1:]
        elif plain != ".":
            kept.append(segment)
    if plain in (".", ".."):
        kept.append("")
    return "/" + "/".join(kept)


def _encoded(text: str) -> str:
    return quote(text, safe=_KEPT_AS_WRITTEN)


# -- identity ------------------------------------------------------------------------------------------------------


def key_of(url: str) -> str:
    """What is the same for all addresses of one page; empty for what leads to none that could be fetched."""
    try:
        address = parse(url)
    except Refused:
        return ""
    path, _, query = _normal_escapes(address.target).partition("?")
    parameters = [part for part in query.split("&") if part and not _TRACKING.fullmatch(part.partition("=")[0])]
    key = address.authority + ("/" if path == "/" else path.removesuffix("/"))
    if parameters:
        key += "?" + "&".join(parameters)
    fragment = url.strip(_BLANKS).partition("#")[2]
    return f"{key}#{_normal_escapes(_encoded(fragment))}" if fragment.startswith("!") else key


def _normal_escapes(text: str) -> str:
    """Percent-encodings in the one form that means the same."""

    def normal(match: re.Match[str]) -> str:
        character = chr(int(match.group(1), 16))
        return character if re.fullmatch(r"[A-Za-z0-9._~-]", character) else match.group().upper()

    return re.sub(r"%([0-9A-Fa-f]{2})", normal, text)


# -- better places to fetch from -----------------------------------------------------------------------------------

# first segments of github.com that are pages of its own
_NO_OWNERS = (
    "about account apps blog codespaces collections contact copilot customer-stories dashboard edu enterprise events "
    "explore features home issues join login logout marketplace mobile models new nonprofit notifications "
    "organizations orgs partners premium-support pricing pulls readme resources search security sessions settings "
    "showcases signup site solutions sponsors stars team topics trending users watching why-github"
).split()
_REPOSITORY = rf"/((?!(?:{'|'.join(_NO_OWNERS)})/)[\w-]+)/([\w.-]+?)(?:\.git)?"
_READMES = ("README.md", "README.rst", "readme.md", "README")
_ARXIV_ID = r"(\d{4}\.\d{4,5}(?:v\d+)?|[a-z-]+(?:\.[A-Z]{2})?/\d{7}(?:v\d+)?)"
_RAW = "raw.githubusercontent.com"

#: Hosts, their paths, and the paths of the same content elsewhere, to be tried in order.
_BETTER: tuple[tuple[tuple[str, ...], str, str, tuple[str, ...]], ...] = (
    (("arxiv.org", "www.arxiv.org", "export.arxiv.org"), rf"/abs/{_ARXIV_ID}/?", "arxiv.org", (r"/pdf/\1",)),
    (("github.com", "www.github.com"), rf"{_REPOSITORY}/blob/(.+)", _RAW, (r"/\1/\2/\3",)),
    (
        ("github.com", "www.github.com"),
        rf"{_REPOSITORY}/tree/(.+?)/?",
        _RAW,
        tuple(rf"/\1/\2/\3/{name}" for name in _READMES),
    ),
    (("github.com", "www.github.com"), rf"{_REPOSITORY}/?", _RAW, tuple(rf"/\1/\2/HEAD/{name}" for name in _READMES)),
    (
        ("nbviewer.org", "www.nbviewer.org", "nbviewer.jupyter.org", "colab.research.google.com"),
        rf"/github{_REPOSITORY}/blob/(.+)",
        _RAW,
        (r"/\1/\2/\3",),
    ),
    (("gist.github.com",), r"/([\w-]+)/([0-9a-f]+)/?", "gist.github.com", (r"/\1/\2/raw",)),
)


def where_to_fetch(url: str) -> list[str]:
    """The addresses that give the content of a link, best first and the link itself last; scheme and port are kept."""
    try:
        address = parse(url)
    except Refused:
        return [url]
    path = address.target.partition("?")[0]
    for hosts, pattern, host, targets in _BETTER:
        match = re.fullmatch(pattern, path, re.ASCII)
        if match and address.host in hosts:
            return [*(str(replace(address, host=host, target=match.expand(target))) for target in targets), url]
    return [url]
