"""Finds the article in a page: what stands beside it is taken out of the tree.

First goes what is text on no page (navigation, forms, banners). Then the element is chosen that the page itself calls
its main one, if it holds most of what there is to read. Where a page says nothing of the kind, the stretch of blocks
is kept whose text outweighs its links the most. Last goes what is named like an aside. Names alone never take away
most of a page. It knows the make-up of GitHub's pages and of questions with answers; no other sites.
"""

import math
import re
from typing import TYPE_CHECKING

from ingest.readers.html import HEADINGS, is_fragment, is_grid

if TYPE_CHECKING:
    from lxml.html import HtmlElement

_INSIDE = "ancestor::main or ancestor::article or ancestor::*[@role='main']"
_CHROME = f"""//script[not(starts-with(@type, "math/tex"))] | //style | //noscript | //template | //nav | //dialog
    | //*[@role="navigation" or @role="banner" or @role="contentinfo" or @role="search" or @role="complementary"
          or @role="dialog" or @role="alertdialog" or @role="menu" or @role="menubar" or @role="toolbar"]
    | //body//form | //body//footer[not(ancestor::blockquote)]
    | //body//header[not({_INSIDE})] | //body//aside[not({_INSIDE})]
    | //body//*[(@hidden or @aria-hidden="true") and not(@role="tabpanel") and not(.//math)]
    | //sup[@class="reference"]"""
_HIDDEN = re.compile(r"display\s*:\s*none", re.IGNORECASE)

_MAIN = './/main | .//*[@role="main"]'
#: Narrower elements, taken where they hold that share of the text outside links; true where they are the article alone.
_NARROWER = (
    ('.//*[@id="content" or @id="main"]', 0.6, False),
    ('.//*[@id="mw-content-text" or @id="bodyContent"]', 0.6, True),
    (".//article | .//*[@itemprop='articleBody']", 0.6, True),
)

#: in headings and in code names mean something else: a comment is one of a programmer
_NAMED = (
    ".//*[@class or @id][not(parent::h1 or parent::h2 or parent::h3 or parent::h4 or ancestor::pre or ancestor::code)]"
)
_NO_JUNK = re.compile(r"\b(?:has|with|without|no|not|is|hide|show)[-_][\w-]+")
_JUNK = re.compile(
    r"""(?:^|[\s_-])(?:
        nav(?:bar|igation|header|footer|links?)? | (?:side|top|main)?-?menu | side-?bar | sphinxsidebar | bread-?crumbs?
      | pagination | pager | prev-?next | post-navigation | footer | masthead | cookie(?:s|-?banner|-?notice|-?consent)?
      | consent | gdpr | onetrust | newsletter | subscri(?:be|ption) | sign-?up | promo | advert(?:s|isements?|ising)?
      | ads? | sponsor(?:ed|s)? | shar(?:e|ing)(?:-?(?:bar|buttons?|links?|tools?))? | sharedaddy | jp-relatedposts
      | social(?:-?(?:media|links|icons|bar|share))? | related(?:-?(?:posts?|articles|content|links|stories|topics))?
      | recommend(?:ed|ations?)? | popular | trending | most-?(?:read|viewed|popular) | read-?next | outbrain | taboola
      | disqus | skip-?(?:links?|to-content) | toc | table-?of-?contents | printfooter | catlinks | navbox | noprint
      | mw-(?:jump-link|cite-backlink|indicators) | t-navbar | tag-?(?:list|links|cloud)
      | (?:post|entry|article)-(?:meta|tags|footer|share|actions) | author-(?:bio|box|card) | byline
      | sr-only | visually-hidden | screen-reader-text | edit-(?:this-)?page | speechify
    )(?:$|[\s_-])""",
    re.VERBOSE | re.IGNORECASE,
)
_JUNK_IDS = frozenset(
    """breadcrumb breadcrumbs cookie-banner cookie-notice disqus_thread footer header menu nav navigation pager related
    respond share sharing sidebar toc toctitle""".split()
)
_COMMENTS = re.compile(
    r"(?:^|\s)(?:post-?)?comments?(?:-?(?:area|list|section|wrapper|thread|template))?(?:$|\s)", re.I
)
_COMMENT_IDS = frozenset({"comments", "comment-list", "disqus_thread"})
_SHARE = re.compile(
    r"facebook\.com/(?:sharer|share|dialog)|(?:twitter|x)\.com/(?:share|intent|home\?status)|linkedin\.com/share"
    r"|pinterest\.com/pin/create|reddit\.com/submit|plus\.google\.com/share|t\.me/share|wa\.me/|whatsapp\.com/send"
    r"|news\.ycombinator\.com/submitlink|mailto:\?",
    re.IGNORECASE,
)
_LEAST_ARTICLE = 200  # letters; a page of comments alone is a page of comments


#: For each element the letters of its text, and those of them that stand outside links: its prose.
Sizes = dict["HtmlElement", tuple[int, int]]
_TEXT, _PROSE = 0, 1


def find_article(tree: "HtmlElement", host: str = "") -> "HtmlElement":
    """The element that holds the article, with everything else taken out of it."""
    body = tree.find("body")
    body = tree if body is None else body
    if host == "github.com" and (texts := body.xpath('.//*[contains(@class, "markdown-body")]')):
        _keep_only(body, texts)
        return body
    if answers := body.xpath('.//*[@itemprop="text"][ancestor::*[contains(@itemtype, "schema.org/QAPage")]]'):
        _keep_only(body, [*answers, *body.xpath(".//*[@id='content']//h1 | .//*[@id='answers-header']//h2")])
        return body
    _drop_chrome(body)
    root, is_exact = _root(body)
    _drop_junk(root)
    if not is_exact:
        _trim(root)
    return root


def drop_controls(tree: "HtmlElement") -> None:
    """Takes away what no page means as its text, and leaves all the rest."""
    _drop_parts(tree, tree.xpath("//script[not(starts-with(@type, 'math/tex'))] | //style | //nav | //form"))


def _drop(element: "HtmlElement") -> None:
    # emptied, not taken out: moving the text behind it would fail on a control character
    element.clear(keep_tail=True)


def _keep_only(root: "HtmlElement", wanted: list["HtmlElement"]) -> None:
    kept = set(wanted)
    above = {ancestor for element in wanted for ancestor in element.iterancestors()}
    pending = [root]
    while pending:
        parent = pending.pop()
        parent.text = None
        for child in list(parent):
            child.tail = None
            if child in above and child not in kept:
                pending.append(child)
            elif child not in kept:
                parent.remove(child)


def _drop_chrome(body: "HtmlElement") -> None:
    hidden = [element for element in body.xpath(".//*[@style][not(.//math)]") if _HIDDEN.search(element.get("style"))]
    _drop_parts(body, [*body.xpath(_CHROME), *hidden])


def _drop_parts(root: "HtmlElement", parts: list["HtmlElement"]) -> None:
    """Takes parts away, but not most of the page: it may stand in one form from end to end."""
    sizes = _sizes(root)
    for part in parts:
        if part in sizes and sizes[part][_PROSE] <= sizes[root][_PROSE] / 2:
            _drop(part)


def _root(body: "HtmlElement") -> tuple["HtmlElement", bool]:
    """The element that the page means as its main one, and whether that is the article and no more."""
    sizes = _sizes(body)
    root = max(body.xpath(_MAIN), key=lambda element: sizes[element][_TEXT], default=body)
    if sizes[root][_TEXT] < 0.4 * sizes[body][_TEXT]:
        root = body
    is_exact = root is not body
    for path, share, is_article in _NARROWER:
        best = max(root.xpath(path), key=lambda element: sizes[element][_PROSE], default=root)
        if best is not root and sizes[best][_PROSE] > share * sizes[root][_PROSE]:
            root, is_exact = best, is_exact or is_article
    return root, is_exact


def _drop_junk(root: "HtmlElement") -> None:
    """Takes away what is named like an aside, unless that is most of what there is."""
    sizes = _sizes(root)
    whole = sizes[root][_PROSE]
    for element in root.xpath(_NAMED):
        prose = sizes[element][_PROSE]
        if _is_comments(element):
            if whole - prose > _LEAST_ARTICLE:
                _drop(element)
        elif prose < whole / 2 and _is_junk(element):
            _drop(element)
    for link in root.xpath(".//a[@href]"):
        if _SHARE.search(link.get("href")):
            _drop(link)
    for aside in root.xpath(".//aside"):
        if sizes[aside][_TEXT] > 2 * sizes[aside][_PROSE]:
            _drop(aside)


def _is_comments(element: "HtmlElement") -> bool:
    if element.tag == "span":
        # a comment in code, coloured
        return False
    # a section of a manual may have such a name: it holds a link to itself, or the name as its heading is written
    name = element.get("id", "")
    is_named = name in _COMMENT_IDS and not element.xpath(".//a[@href=$itself]", itself=f"#{name}")
    return is_named or bool(_COMMENTS.search(element.get("class", "")))


def _is_junk(element: "HtmlElement") -> bool:
    name = element.get("id", "").lower()
    if name in _JUNK_IDS and not element.xpath(".//a[@href=$itself]", itself=f"#{element.get('id')}"):
        # a section of a manual may have such a name: it has a link to itself
        return True
    return bool(_JUNK.search(_NO_JUNK.sub("", element.get("class", ""))))


def _sizes(root: "HtmlElement") -> Sizes:
    from lxml import etree

    sizes: Sizes = {}
    stack = [[0, 0]]
    for event, element in etree.iterwalk(root, events=("start", "end")):
        letters = _letters(element.text if event == "start" else element.tail)
        if event == "start":
            stack.append([letters, letters])
            continue
        text, prose = stack.pop()
        if element.tag in ("script", "style", "noscript", "template"):
            text = prose = 0
        elif element.tag == "a":
            prose = 0
        sizes[element] = (text, prose)
        stack[-1][_TEXT] += text + letters
        stack[-1][_PROSE] += prose + letters
    return sizes


def _letters(text: str | None) -> int:
    return len(text.strip()) if text else 0


# -- pages without a main element ----------------------------------------------------------------------------------

_BLOCKS = frozenset(
    """address article aside blockquote body br center dd div dl dt fieldset figcaption figure footer form h1 h2 h3 h4
    h5 h6 header hr li main nav ol p pre section table tbody td tfoot th thead tr ul""".split()
)
_WHOLE = frozenset({"dl", "ol", "pre", "table", "ul"})
_LEAST_PROSE = 40  # letters; a shorter block is a label
_LABEL = -10
_TABLE_OF_LINKS = -100  # at the least: between paragraphs it is one of packages, of functions
_HEADING = 20


def _trim(root: "HtmlElement") -> None:
    """Takes away what stands before and after the stretch of text that outweighs its links the most."""
    blocks = _Blocks(root)
    first, last = blocks.heaviest()
    if sum(blocks.letters[first : last + 1]) < 0.1 * sum(blocks.letters):
        # a page of links
        return
    while first > 0 and blocks.weights[first - 1] == _HEADING:
        first -= 1
    for element, (begin, end) in blocks.spans.items():
        if element is not root and (end < first or begin > last):
            _drop(element)


def _leads_away(element: "HtmlElement") -> bool:
    return element.tag == "a" and not element.get("href", "").startswith("#")


def _is_whole(element: "HtmlElement") -> bool:
    return element.tag in _WHOLE or is_fragment(element)


class _Blocks:
    """The blocks of text in an element, in order, what each weighs, and which of them every element spans.

    A list or a table of data is one block.
    """

    def __init__(self, root: "HtmlElement") -> None:
        from lxml import etree

        self.weights: list[float] = []
        self.letters: list[int] = []
        self.spans: dict[HtmlElement, tuple[int, int]] = {}
        self._text = self._linked = self._links = self._whole = 0
        self._last = ""  # piece of text
        begins = []
        for event, element in etree.iterwalk(root, events=("start", "end")):
            if element.tag in _BLOCKS and not self._whole:
                self._end_block(element.tag if event == "end" else "")
            if event == "start":
                begins.append(len(self.weights))
                self._enter(element)
            else:
                self._leave(element, begins.pop())
        self._end_block("")

    def heaviest(self) -> tuple[int, int]:
        """The first and the last block of the run with the greatest sum."""
        best = total = 0.0
        begin = first = last = 0
        for place, weight in enumerate(self.weights):
            if total <= 0:
                begin, total = place, 0.0
            total += weight
            if total > best:
                best, first, last = total, begin, place
        return first, last

    def _enter(self, element: "HtmlElement") -> None:
        self._links += _leads_away(element)
        if _is_whole(element) and (self._whole or element.tag != "table" or is_grid(element)):
            self._whole += 1
        self._add(element.text)

    def _leave(self, element: "HtmlElement", begin: int) -> None:
        self._links -= _leads_away(element)
        if self._whole and _is_whole(element):
            self._whole -= 1
            if not self._whole:
                self._end_block("pre" if is_fragment(element) else element.tag)
        if len(self.weights) > begin:
            self.spans[element] = (begin, len(self.weights) - 1)
        self._add(element.tail)

    def _add(self, text: str | None) -> None:
        letters = _letters(text)
        self._text += letters
        self._linked += letters if self._links else 0
        self._last = text if text and letters else self._last

    def _is_sentence(self) -> bool:
        return not self._linked and self._last.rstrip().endswith((".", "!", "?", "。"))

    def _end_block(self, tag: str) -> None:
        if not self._text:
            return
        self.letters.append(self._text)
        prose = self._text - self._linked
        if tag in HEADINGS and not self._linked:
            self.weights.append(_HEADING)
        elif prose > self._linked and (prose > _LEAST_PROSE or tag == "pre" or (tag == "p" and self._is_sentence())):
            self.weights.append(prose)
        else:
            self.weights.append(max(_LABEL - self._linked, _TABLE_OF_LINKS if tag == "table" else -math.inf))
        self._text = self._linked = 0
