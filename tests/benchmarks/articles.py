"""The article in a page: ways to find and write it, on real pages whose main element is known.

`python -m tests.benchmarks.articles [FOLDER]` takes the pages of Debian's documentation packages from FOLDER
(/usr/share when not given) and leaves out those that are not there:

    apt-get install python3.11-doc python-{pandas,scipy,django,sqlalchemy,notebook,flask}-doc cmake-doc rust-doc
    openjdk-17-doc postgresql-doc-15 installation-guide-amd64 libboost1.74-doc git-doc mkdocs-doc nodejs-doc apache2-doc
    erlang-doc libeigen3-doc cppreference-doc-en-html sqlite3-doc

`--texts FOLDER` adds pages (NAME.html) that have their text beside them (NAME.txt), such as the test data in the source
of newspaper4k. The truth is the text of the main element, less the navigation in it; both are named for each template
below. A figure is a mean over the pages that have such things at all.
"""

import argparse
import gzip
import random
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from lxml import etree, html
from lxml.html import HtmlElement

from ingest.readers.article import find_article
from ingest.readers.html import parse, to_markdown
from ingest.readers.web import read_html
from ingest.reading import Unreadable

PAGES_OF_EACH = 15
URL = "https://docs.example.org/manual/page.html"
_HEADERLINK = ' | .//a[contains(@class, "headerlink")]'


@dataclass(frozen=True)
class Template:
    name: str
    pages: str  # a glob
    main: str
    not_text: str = ".//nav"


TEMPLATES = (
    Template("Sphinx classic (Python)", "doc/python3.11-doc/html/*/*.html", '//div[@class="body"]'),
    Template(
        "Sphinx pydata (pandas)", "doc/python-pandas-doc/html/*/*.html", "//main", './/div[@class="prev-next-area"]'
    ),
    Template(
        "Sphinx pydata (SciPy)", "doc/python-scipy-doc/html/*/*.html", "//main", './/div[@class="prev-next-area"]'
    ),
    Template("Sphinx own (Django)", "doc/python-django-doc/html/*/**/*.html", '//div[@id="yui-main"]'),
    Template("Sphinx own (SQLAlchemy)", "doc/python-sqlalchemy-doc/html/*/*.html", '//div[@id="docs-body"]'),
    Template("Sphinx rtd (Notebook)", "doc/python-notebook-doc/html/**/*.html", '//div[@role="main"]'),
    Template("Sphinx alabaster (Flask)", "doc/python-flask-doc/html/**/*.html", '//div[@class="body"]'),
    Template("Sphinx (CMake)", "doc/cmake-data/html/[cmv]*/*.html", '//div[@class="body"]'),
    Template("mdBook (Rust)", "doc/rust-doc/html/book/*.html", "//main"),
    Template("rustdoc", "doc/rust-doc/html/std/*/struct.*.html", "//main", './/*[@class="out-of-band"]'),
    Template("javadoc", "doc/openjdk-17-doc/api/java.base/java/[un]*/*.html", "//main", './/*[@class="sub-title"]'),
    Template("DocBook (PostgreSQL)", "doc/postgresql-doc-15/html/*.html", "//body/div[@id]", './/div[@class="toc"]'),
    Template(
        "DocBook (installer)",
        "doc/installation-guide-amd64/en/*.html",
        '//body/div[not(starts-with(@class, "nav"))]',
        './/div[@class="toc"]',
    ),
    Template(
        "BoostBook",
        "doc/libboost1.74-doc/doc/html/*/*.html",
        '//body/div[@class="section"]',
        './/div[@class="toc"] | .//*[@class="spirit-nav"] | .//table[@class="docutils footer"]',
    ),
    Template("AsciiDoc (Git)", "doc/git-doc/*.html", '//div[@id="content"]'),
    Template("MkDocs", "doc/mkdocs/html/**/*.html", '//div[@role="main"]'),
    Template("Node.js", "doc/nodejs/api/*.html*", '//div[@id="apicontent"]', './/a[@class="mark"]'),
    Template(
        "Apache",
        "doc/apache2-doc/manual/en/*/*.html",
        '//div[@id="page-content"]',
        './/div[@class="toplang"] | .//div[@id="quickview"] | .//div[@class="top"]',
    ),
    Template("Erlang", "doc/erlang-doc/doc/*/*.html", '//div[@id="content"]', './/div[@class="footer"]'),
    Template("Doxygen (Eigen)", "doc/libeigen3-dev/html/group__*.html", '//div[@class="contents"]'),
    Template(
        "MediaWiki (cppreference)",
        "cppreference/doc/html/en/c*/*/*.html",
        '//div[@id="mw-content-text"]',
        './/*[contains(@class, "t-navbar") or contains(@class, "editsection") or @id="toc"]',
    ),
    Template("SQLite", "doc/sqlite3/*.html", "//body", './/div[@class="nosearch"] | .//div[contains(@class, "toc")]'),
)


# -- ways ----------------------------------------------------------------------------------------------------------


def whole_page(data: bytes) -> str:
    return to_markdown(parse(data.decode("utf-8", "replace")))


def trafilatura_markdown(data: bytes) -> str:
    import trafilatura

    return trafilatura.extract(data, output_format="markdown", include_links=True, include_formatting=True) or ""


def trafilatura_recall(data: bytes) -> str:
    import trafilatura

    options = {"output_format": "markdown", "include_links": True, "include_formatting": True, "favor_recall": True}
    return trafilatura.extract(data, include_comments=False, **options) or ""


def trafilatura_choice(data: bytes) -> str:
    """What trafilatura chooses, written by our own converter."""
    import trafilatura

    chosen = trafilatura.extract(data, output_format="html", include_formatting=True, favor_recall=True)
    return to_markdown(parse(chosen)) if chosen else ""


def main_or_trafilatura(data: bytes) -> str:
    """The element that the page itself calls its main one, where it says so."""
    tree = parse(data.decode("utf-8", "replace"))
    mains = tree.xpath('//main | //*[@role="main"]') or tree.xpath("//article")
    if len(mains) != 1:
        return trafilatura_choice(data)
    for element in mains[0].xpath(".//nav | .//aside | .//header | .//footer | .//form"):
        element.drop_tree()
    return to_markdown(mains[0])


def markdownify_ours(data: bytes) -> str:
    """What we choose, written by markdownify."""
    from markdownify import markdownify

    chosen = find_article(parse(data.decode("utf-8", "replace")))
    return markdownify(html.tostring(chosen, encoding="unicode"), heading_style="ATX")


def ours(data: bytes) -> str:
    try:
        return read_html(data, URL).text
    except Unreadable:
        return ""


WAYS: dict[str, Callable[[bytes], str]] = {
    "whole page": whole_page,
    "trafilatura": trafilatura_markdown,
    "trafilatura, recall": trafilatura_recall,
    "trafilatura's choice, our Markdown": trafilatura_choice,
    "main element, else trafilatura": main_or_trafilatura,
    "our choice, markdownify": markdownify_ours,
    "what is used": ours,
}


def ways_here() -> dict[str, Callable[[bytes], str]]:
    """Those whose libraries are installed."""
    try:
        import trafilatura  # noqa: F401
    except ImportError:
        return {name: way for name, way in WAYS.items() if "trafilatura" not in name}
    return WAYS


# -- truth ---------------------------------------------------------------------------------------------------------


@dataclass
class Truth:
    words: Counter[str]
    headings: list[str] = field(default_factory=list)
    code: list[str] = field(default_factory=list)
    items: list[str] = field(default_factory=list)
    rows: list[str] = field(default_factory=list)


def truth_of(data: bytes, template: Template) -> Truth | None:
    tree = parse(data.decode("utf-8", "replace"))
    mains = tree.xpath(template.main)
    if not mains:
        return None
    root = mains[0]
    junk = template.not_text + _HEADERLINK + " | .//script | .//style | .//noscript | .//button | .//svg | .//head"
    for element in root.xpath(junk):
        if element is not root and element.getparent() is not None:
            element.drop_tree()
    return Truth(
        Counter(_words(_text(root))),
        [_letters(heading) for heading in root.xpath(".//h1 | .//h2 | .//h3 | .//h4 | .//h5 | .//h6")],
        [_letters(code) for code in root.xpath(".//pre[not(.//pre)]")],
        [_letters(item)[:40] for item in root.xpath(".//li[not(.//li | .//pre | .//h2 | .//h3 | .//h4 | .//h5)]")],
        [_letters(row) for row in root.xpath(".//table[not(.//table) and not(.//pre) and .//th]//tr[count(td|th)>1]")],
    )


def _text(root: HtmlElement) -> str:
    """The text of an element; words do not run together across the edges of blocks."""
    inline = "a abbr b code em font i kbd mark small span strong sub sup tt u var wbr".split()
    pieces = []
    for event, element in etree.iterwalk(root, events=("start", "end")):
        space = "" if element.tag in inline else " "
        pieces.append(
            space + (element.text if event == "start" else element.tail or "")
            if element.text or event == "end"
            else space
        )
    return "".join(pieces)


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def _letters(element: "object") -> str:
    text = element if isinstance(element, str) else "".join(element.itertext())  # type: ignore[attr-defined]
    return re.sub(r"[\W_]+", "", text)


# -- scores --------------------------------------------------------------------------------------------------------


def scores(markdown: str, truth: Truth) -> dict[str, float]:
    plain = re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", re.sub(r"\]\((?:[^()\s]|\([^()\s]*\))*\)", "]", markdown))
    found = Counter(_words(re.sub(r"(?<=```)[\w-]+$|`|^\s*\d+\.(?=\s)", "", plain, flags=re.MULTILINE)))
    common = sum((found & truth.words).values())
    precision = common / max(sum(found.values()), 1)
    recall = common / max(sum(truth.words.values()), 1)
    lines = plain.split("\n")
    headings = {_letters(line) for line in lines if line.startswith("#")}
    items = {
        _letters(re.sub(r"^[\s>]*\d+[.)]", "", line))[:40]
        for line in lines
        if re.match(r"[\s>]*(?:[-*+]|\d+[.)]) ", line)
    }
    rows = {_letters(line) for line in lines if line.lstrip("> ").startswith("|")}
    fenced = re.findall(r"^[ >]*(`{3,})[^\n]*\n(.*?)^[ >]*\1$", markdown, re.MULTILINE | re.DOTALL)
    fences = "|".join(_letters(code) for _, code in fenced)
    figures = {
        "F1": 2 * precision * recall / max(precision + recall, 1e-9),
        "precision": precision,
        "recall": recall,
        "headings": _share(truth.headings, lambda text: text in headings),
        "code": _share(truth.code, lambda text: text in fences),
        "items": _share(truth.items, lambda text: text in items),
        "rows": _share(truth.rows, lambda text: text in rows),
    }
    return {name: value for name, value in figures.items() if value is not None}


def _share(wanted: list[str], is_there: Callable[[str], bool]) -> float | None:
    wanted = [text for text in wanted if text]
    return sum(map(is_there, wanted)) / len(wanted) if wanted else None


@dataclass
class Row:
    """Means over the pages that have such things at all."""

    name: str
    values: dict[str, list[float]] = field(default_factory=dict)
    pages: int = 0
    seconds: float = 0

    def add(self, figures: dict[str, float], seconds: float) -> None:
        self.pages += 1
        self.seconds += seconds
        for name, value in figures.items():
            self.values.setdefault(name, []).append(value)

    def __str__(self) -> str:
        means = {name: sum(values) / len(values) for name, values in self.values.items()}
        columns = ("F1", "precision", "recall", "headings", "code", "items", "rows")
        figures = "  ".join(f"{name} {means[name]:.3f}" if name in means else f"{name}   -  " for name in columns)
        return f"{self.name:36} {self.pages:4}  {figures}  {1000 * self.seconds / max(self.pages, 1):5.0f} ms"


def documentation(folder: Path, template: Template) -> Iterator[tuple[bytes, Truth]]:
    """Some pages of a template with their truth, the same ones each time."""
    paths = sorted(path for path in folder.glob(template.pages) if path.is_file())
    random.Random(template.name).shuffle(paths)
    taken = 0
    for path in paths:
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        truth = truth_of(data, template) if len(data) < 2**20 else None
        if truth and truth.words.total() >= 80:
            yield data, truth
            taken += 1
        if taken == PAGES_OF_EACH:
            return


def with_texts(folder: Path) -> Iterator[tuple[bytes, Truth]]:
    for path in sorted(folder.rglob("*.txt")):
        page = next(iter(sorted(folder.rglob(path.stem + ".html"))), None)
        if page:
            yield page.read_bytes(), Truth(Counter(_words(path.read_text("utf-8"))))


def compare(pages: list[tuple[bytes, Truth]], ways: dict[str, Callable[[bytes], str]]) -> list[Row]:
    rows = []
    for name, way in ways.items():
        row = Row(name)
        for data, truth in pages:
            started = time.perf_counter()
            markdown = way(data)
            seconds = time.perf_counter() - started
            row.add(scores(markdown, truth), seconds)
        rows.append(row)
    return rows


def run(folder: Path, texts: Path | None = None) -> Iterator[str]:
    """The lines of the report: what is used for each template, then all ways over all of them."""
    pages = []
    for template in TEMPLATES:
        found = list(documentation(folder, template))
        if not found:
            yield f"{template.name}: left out, {folder / template.pages} is not here"
            continue
        [row] = compare(found, {template.name: ours})
        yield str(row)
        pages += found
    if pages:
        yield f"all {len(pages)} pages of documentation"
        yield from map(str, compare(pages, ways_here()))
    if texts:
        yield "pages with their texts"
        yield from map(str, compare(list(with_texts(texts)), ways_here()))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.articles", description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("/usr/share"))
    parser.add_argument("--texts", type=Path)
    arguments = parser.parse_args()
    for line in run(arguments.folder, arguments.texts):
        print(line, flush=True)
