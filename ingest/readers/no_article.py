"""Tells pages that are no article worth keeping from those that are: walls, error pages, empty shells.

A sentence such as "Subscribe to continue reading" says little by itself: articles quote it. What counts is that it
begins a short block of its own and that there is next to nothing beside it.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby

from ingest.readers.html import to_markdown
from ingest.readers.page import ParsedPage, open_page
from ingest.reading import Reading, Unreadable

Reason = tuple[str, str]

_LITTLE = 50  # words beside a notice; even a short genuine page has more
_TEASER = 250  # words; what is given away before a paywall is shorter
_FEW = 15  # words


def why_no_article(reading: Reading, data: bytes, status: int = 200) -> Reason | None:
    """The state and the reason for a fetched page that is no article; None for one that is."""
    text = _with_links(reading)
    words = sum(map(_words, _lines(text)))
    if words < _TEASER:
        try:
            shown = _Shown.of(open_page(data), text)
        except Unreadable as error:
            return ("no text", str(error))
        reason = next((reason for is_one, reason in _KINDS if is_one(shown)), None)
        if reason:
            return reason
    if status >= 400:
        return _by_status(status)
    if words >= _FEW or len(re.findall(r"\w+", _LINK.sub(r"\1", text))) >= _FEW:
        # a list of links is something, too
        return None
    return ("no text", "the page holds only a few words" if words else "the page holds no text")


def _by_status(status: int) -> Reason:
    if status in (404, 410):
        return ("gone", f"the server answered {status}")
    return _LOGIN if status in (401, 407) else ("refused", f"the server answered {status}")


# -- what a reader of the page sees --------------------------------------------------------------------------------

_LINK = re.compile(r"\[([^\[\]]*)\]\((?:[^()\s]|\([^()\s]*\))*\)")
_MARKUP = re.compile(r"^[\s|#*+-]+|\\(?=[!-/:-@\[-`{-~])|[*`]")
_IDEOGRAPHS = re.compile("[\u0e00-\u0eff\u1000-\u109f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_LONGEST_NOTICE = 200  # characters
_LONGEST_STUB = 20_000  # characters


@dataclass
class _Shown:
    page: ParsedPage
    titles: list[str]
    notices: list[str]  # short blocks anywhere on the page
    article: list[str]  # lines

    @classmethod
    def of(cls, page: ParsedPage, text: str) -> "_Shown":
        title = page.title
        headings = page.tree.xpath("//h1 | //h2[not(//h1)]")[:2]
        buttons = page.tree.xpath("//button | //input[@type='submit']/@value")
        return cls(
            page,
            [_plain(text) for text in (title, *re.split(r"\s+[|–—·-]\s+", title), *map(_string, headings))],
            [_plain(text) for text in (*_blocks(to_markdown(page.tree)), *map(_string, buttons))],
            _lines(text),
        )

    def is_titled(self, titles: re.Pattern[str]) -> bool:
        return any(map(titles.fullmatch, self.titles))

    def says(self, notices: re.Pattern[str]) -> bool:
        return any(map(notices.match, self.notices))

    def words_beside(self, notices: re.Pattern[str]) -> int:
        return sum(_words(line) for line in self.article if not notices.match(_plain(line)))

    def words_after(self, notices: re.Pattern[str]) -> int:
        places = [place for place, line in enumerate(self.article) if notices.match(_plain(line))]
        return sum(map(_words, self.article[places[-1] + 1 :])) if places else 0


def _with_links(reading: Reading) -> str:
    """The text with its links spelt out again; of a long one, which is no stub, the text as it is."""
    if len(reading.text) > _LONGEST_STUB:
        return reading.text
    lines = reading.text.split("\n")
    for number, link in reading.links:
        if number < len(lines) and link.text:
            lines[number] = lines[number].replace(link.text, f"[{link.text}]({link.url})", 1)
    return "\n".join(lines)


def _string(element: object) -> str:
    return element if isinstance(element, str) else "".join(element.itertext())  # type: ignore[attr-defined]


def _lines(markdown: str) -> list[str]:
    """The lines below the title."""
    return [line for line in markdown.split("\n") if line.strip() and not line.startswith("# ")]


def _blocks(markdown: str) -> list[str]:
    """The short blocks of a page; what is quoted or code is not said by the page itself."""
    blocks = [" ".join(lines) for filled, lines in groupby(markdown.split("\n"), key=bool) if filled]
    lines = [line for line in markdown.split("\n") if line.strip()]
    return [text for text in (*blocks, *lines) if len(text) <= _LONGEST_NOTICE and not text.startswith((">", "`"))]


def _plain(text: str) -> str:
    text = _MARKUP.sub("", _LINK.sub(r"\1", text)).replace("’", "'").lower()
    return " ".join(text.split()).strip(" .!…?")


def _words(line: str) -> int:
    """Words outside links; where a script has no spaces, two letters are a word."""
    text = _LINK.sub("", line)
    return len(_IDEOGRAPHS.findall(text)) // 2 + len(re.findall(r"\w+", _IDEOGRAPHS.sub(" ", text)))


# -- kinds of pages ------------------------------------------------------------------------------------------------


def _any_of(patterns: str) -> re.Pattern[str]:
    """One regular expression of many, one on a line; they see lower case, without a full stop at the end."""
    return re.compile("|".join(f"(?:{line.strip()})" for line in patterns.strip().split("\n")))


_ROBOT_TITLES = _any_of(r"""
    just a moment|un momento|un instant|einen moment,? bitte|请稍候|one moment,? please|attention required.*
    are you (a )?(human|(ro)?bot)|(ro)?bot (check|verification)|human verification|making sure you're not a bot
    (\w+ )?security check(point)?|verify(ing)? (that )?you are (a )?human|checking your browser.*|client challenge
    access to this page has been denied.*|pardon our interruption|ddos-guard
""")
_ROBOT_NOTICES = _any_of(r"""
    (please )?enable javascript and cookies to continue|checking (if the site connection is|your browser)
    (please )?(verify|confirm|prove)(ing)? (that )?you(r are|'re| are) (a human|human|not a robot)
    you don't have permission to access|sorry, you have been blocked|our systems have detected unusual traffic
    (please )?complete the (captcha|security check)|please solve (this|the) captcha|i'm not a robot
    \S+ needs to review the security of your connection|performing security verification
    press (&|and) hold to confirm|to continue, please (type|verify|confirm|prove)
    (cloudflare )?ray id|reference #|incident id
""")
_ROBOT_SCRIPTS = re.compile(
    r"_cf_chl_opt|cf-browser-verification|captcha-delivery\.com|_Incapsula_Resource|px-captcha|awsWafCookieDomainList"
    r"|anubis_challenge|sucuri_cloudproxy|_sec/cp_challenge"
)


def _is_robot_wall(shown: _Shown) -> bool:
    if shown.words_beside(_ROBOT_NOTICES) >= _LITTLE:
        return False
    scripts = " ".join(shown.page.tree.xpath("//script/@src | //script/text() | //*/@id"))
    return shown.is_titled(_ROBOT_TITLES) or shown.says(_ROBOT_NOTICES) or bool(_ROBOT_SCRIPTS.search(scripts))


_LOGIN_TITLES = _any_of(r"""
    (please )?(sign|log)[ -]?(in|on)( (to|with|required|page|form)\b.*)?|login( page| required)?|authentication required
    (member|user|account|customer) login|welcome back|anmelden|einloggen|se connecter|iniciar sesión
""")
_LOGIN_NOTICES = _any_of(r"""
    (please |you (must|need to|have to) (be )?)?(sign|log|logged)[ -]?in to (continue|view|see|access|read)
    (sign|log)[ -]?in (with|using) (your|google|sso|apple|facebook|microsoft|github|a passkey)
    (login|authentication) (is )?required|you are not logged in|forgot(ten)? (your )?password
    this content is only available to (registered|logged)
""")
_LOGIN_FORMS = """//input[@type='password'][not(ancestor::header or ancestor::nav or ancestor::aside or ancestor::dialog
        or ancestor::*[@role='dialog' or @hidden or @aria-hidden='true'])]
    | //form[contains(@action, 'saml') or contains(@action, '/sso') or .//input[@name='SAMLRequest']]"""


def _is_login(shown: _Shown) -> bool:
    if shown.words_beside(_LOGIN_NOTICES) >= _LITTLE:
        return False
    has_form = bool(shown.page.tree.xpath(_LOGIN_FORMS))
    return has_form or shown.is_titled(_LOGIN_TITLES) or shown.says(_LOGIN_NOTICES)


_MISSING_TITLES = _any_of(r"""
    (http )?(error )?(404|410)( error)?([:,. -]+(error|(page |file )?(was )?not found|gone))?|not found
    (the |this )?(page|file|article|post|document|content|site)( (was|is|could|can|does|has))? ?(not|n't) (be )?found
    (the |this )?(page|article|post|content) (is )?(no longer|not|un)[ -]?(exists?|available)
    (oops|sorry|whoops)\b.{0,60}
    (page|content) (missing|removed|deleted)|seite nicht gefunden|page (introuvable|non trouvée)|página no encontrada
    [\w-]+(\.[\w-]+)+ (is|may be) for sale|(this )?domain (name )?(is )?(for sale|parked|expired)
    account suspended|website (expired|suspended)|welcome to nginx|apache2 .*default page.*|iis windows( server)?
""")
_MISSING_NOTICES = _any_of(r"""
    (sorry,? )?(but )?we (couldn't|can't|could not|cannot|are unable to) find (the|that|this|your) (page|article|post)
    (sorry,? )?(but )?(the|this|that) (page|article|post|content|video|url|link)\b.{0,60} (been (re)?moved|been deleted)
    (sorry,? )?(but )?(the|this|that) (page|article|post|content|video|url|link)\b.{0,60} (not|n't|cannot) (be )?found
    (sorry,? )?(but )?(the|this|that) (page|article|post|content|video|url|link)\b.{0,60} (not|n't|no longer) exists?
    (sorry,? )?(but )?(the|this|that) (page|article|post|content|video|url|link)\b.{0,60} no longer available
    (sorry,? )?(but )?(the|this|that) (page|article|post|content|video|url|link)\b.{0,60} (not|n't) available
    (this )?domain (name )?(is|may be) for sale|buy this domain|the domain \S+ (is|may be) for sale
""")
_PARKED = re.compile(r"parkingcrew\.net|sedoparking\.com|bodis\.com|parklogic\.com|hugedomains\.com|afternic\.com")


def _is_missing(shown: _Shown) -> bool:
    if shown.words_beside(_MISSING_NOTICES) >= _LITTLE:
        return False
    sources = " ".join(shown.page.tree.xpath("//script/@src | //iframe/@src"))
    return shown.is_titled(_MISSING_TITLES) or shown.says(_MISSING_NOTICES) or bool(_PARKED.search(sources))


_PAYWALL_NOTICES = _any_of(r"""
    subscribe (now )?(to|and) (continue|keep|read|unlock|access)
    (to )?(continue|keep) reading,? (with|by|subscribe|for)
    you('ve| have) (reached|read|used|hit).{0,40}\b(free|limit)
    .{0,40}\b\d+ free (articles?|stories|posts?) (left|remaining)
    .{0,20}\b(post|article|story|content|page) is (only )?(for|available to|reserved for) .{0,20}(subscribers|members)
    member-only (story|content)|(subscribers?|members?) only|become an? (paid )?(member|subscriber) to
    unlock this (article|story|post)|(sign up |subscribe |register )?to read the (full|rest|whole)
    create (a free|an) account to (read|continue)|the author made this story available to
    this (article|story|content) is (behind a paywall|subscriber|premium)
""")


def _is_paywalled(shown: _Shown) -> bool:
    flags = [str(fact["isAccessibleForFree"]).lower() for fact in shown.page.facts if "isAccessibleForFree" in fact]
    if "false" in flags or "locked" in shown.page.metas("article:content_tier"):
        return True
    return shown.says(_PAYWALL_NOTICES) and shown.words_after(_PAYWALL_NOTICES) < _LITTLE


_SCRIPT_NOTICES = _any_of(r"""
    (you need to|please|you must) (enable|turn on|activate|have) javascript|loading
    .{0,60}\bjavascript (is|must be|has to be) (required|enabled|disabled|needed)
    .{0,60}\b(requires|needs|doesn't work properly without) javascript
""")
_SHELLS = "//body/*[@id='root' or @id='app' or @id='__next' or @id='___gatsby' or contains(name(), '-')]"


def _is_scripted(shown: _Shown) -> bool:
    tree = shown.page.tree
    if shown.words_beside(_SCRIPT_NOTICES) >= _FEW or not tree.xpath("//script"):
        return False
    asks = "javascript" in tree.xpath("string(//body//noscript)").lower() or shown.says(_SCRIPT_NOTICES)
    return asks or bool(tree.xpath(_SHELLS))


_LOGIN = ("refused", "asks for a login")
_KINDS: tuple[tuple[Callable[[_Shown], bool], Reason], ...] = (
    (_is_robot_wall, ("refused", "asks to prove that a person is there")),
    (_is_login, _LOGIN),
    (_is_missing, ("gone", "an error page served as if it were found")),
    (_is_paywalled, ("paywalled", "shows only the beginning to those who do not pay")),
    (_is_scripted, ("no text", "the page needs JavaScript to show its text")),
)
