import random
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from lxml import html

from ingest.readers.html import to_markdown
from ingest.readers.no_article import why_no_article
from ingest.readers.web import meta_refresh, read_html
from ingest.reading import Reading, Unreadable
from knowledge.documents import Link
from tests.conftest import ROOT

PAGES = Path(__file__).parents[2] / "files" / "pages"
ADDRESS = "https://example.org/notes/page.html"
WORDS = "The keeper rises at four, trims the wick and writes down what the glass has shown in the night. "


def page(name):
    return (PAGES / f"{name}.html").read_bytes()


def markdown(source):
    return to_markdown(html.fragment_fromstring(source, create_parent="div"))


def article(body, head="", url=ADDRESS, **options):
    return read_html(f"<html><head>{head}</head><body>{body}</body></html>".encode(), url, **options)


def reason(data, url=ADDRESS, status=200):
    return why_no_article(read_html(data, url), data, status)


# -- articles ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "url", "facts"),
    [
        ("wordpress", "", 7),
        ("medium", "", 6),
        ("substack", "", 4),
        ("news", "", 4),
        ("forum", "https://forum.example/viewtopic.php?t=5", 4),
        ("github", "", 5),
        ("arxiv", "", 2),
        ("questions", "", 4),
        ("mediawiki", "", 5),
        ("manual", "", 5),
        ("old", "", 4),
    ],
)
def test_the_article_is_whole_and_what_stands_beside_it_is_gone(name, url, facts):
    reading = read_html(page(name), url)
    assert [int(number) for number in re.findall(r"\(?fact (\d+)", reading.text)] == list(range(1, facts + 1))
    assert "noise" not in reading.text.lower()
    assert reading.kind == "article"
    assert why_no_article(reading, page(name)) is None


@pytest.mark.parametrize(
    ("name", "title", "author", "published"),
    [
        ("wordpress", "Baking with a cold oven", "Ada Miller", "2021-03-14"),
        ("medium", "Why I stopped counting steps", "Noor Haddad", "2022-11-05"),
        ("news", "Ferry line to the islands opens a week early", "Mina Okafor, Lars Holm", "2024-05-17"),
        ("arxiv", "Counting birds with one microphone", "Vale, Iris, Ono, Kei", "2021-01-31"),
        ("manual", "Reading gauges", "", ""),
        ("old", "The keeper's day", "", ""),
    ],
)
def test_title_author_and_day_are_the_pages_own(name, title, author, published):
    reading = read_html(page(name))
    assert (reading.title, reading.author, reading.published) == (title, author, published)


def test_headings_code_lists_and_tables_stay_what_they_are():
    reading = read_html(page("wordpress"))
    text = reading.text
    assert text.startswith("# Baking with a cold oven\n")
    assert "## What you need\n\n- 500 g of strong flour (fact 2)\n- 350 g of water\n  - lukewarm, never hot" in text
    assert "| Minute | Inside |\n| --- | --- |\n| 10 | 60 °C (fact 4) |" in text
    assert "```python\nfor minute in range(45):\n    print(minute)  # fact 6\n```" in text
    assert "See the post on rye for a denser loaf" in text
    rye = Link("the post on rye", "https://slowcrumb.example/2020/01/02/rye/")
    assert (text.split("\n").index("See the post on rye for a denser loaf (fact 7)."), rye) in reading.links


def test_code_that_looks_like_a_link_stays():
    assert "value[key](argument)" in article(f"<h1>A</h1><p>{WORDS * 3}</p><pre>value[key](argument)</pre>").text


def test_sections_lie_below_the_title_even_where_it_stands_outside_the_article():
    body = f"<h1>The weir</h1><main><article><p>{WORDS}</p><h2>Upstream</h2><p>{WORDS}</p></article></main>"
    reading = article(body, "<title>The weir - River Letter</title>")
    assert [section.heading_path for section in reading.sections] == [("The weir",), ("The weir", "Upstream")]


def test_code_of_a_manual_has_its_language_and_no_line_numbers():
    text = read_html(page("manual")).text
    assert "```python\ndef poll():\n    return 7  # fact 4\n```" in text
    assert "**`gaugekit.poll(*args, timeout=None)`**\nReads every gauge once" in text
    assert "¶" not in text


def test_a_wiki_page_keeps_its_formulas_and_powers():
    text = read_html(page("mediawiki")).text
    assert "$d={\\sqrt {2Rh}}$" in text
    assert "10^5 feet of air and H2O" in text
    assert "\\[1\\]" not in text and "[1]" not in text


def test_a_repository_page_is_its_readme():
    reading = read_html(page("github"))
    assert reading.text.startswith("# tidepool\n")
    assert "```shell\npip install tidepool" in reading.text
    assert "- [x] tides (fact 4)\n- [ ] currents" in reading.text
    assert reading.links[-1][1].url == "https://github.com/mira/tidepool/blob/main/docs/formats.md"


def test_answers_are_no_comments():
    text = read_html(page("questions")).text
    assert text.index("Some of my dates") < text.index("2 Answers") < text.index("Sort by a pair") < text.index("Drop")


def test_a_page_of_links_keeps_them():
    items = "".join(f'<li><a href="/{n}.html">Chapter {n} of the handbook</a></li>' for n in range(20))
    reading = article(f"<nav><a href='/'>Home</a></nav><h1>Contents</h1><ul>{items}</ul>")
    assert reading.text.count("- Chapter") == len(reading.links) == 20


def test_a_page_within_one_form_is_read():
    assert "trims the wick" in article(f'<form action="/x"><h1>A page</h1><p>{WORDS * 5}</p><input></form>').text


def test_a_section_called_comments_is_text():
    section = f'<section id="toc"><h2>The toc<a class="headerlink" href="#toc">¶</a></h2><p>{WORDS}</p></section>'
    assert "## The toc" in article(f"<main><h1>Manual</h1><p>{WORDS * 3}</p>{section}</main>").text
    by_sphinx = section.replace("toc", "comments")
    by_texinfo = (
        f'<a href="#Comments">Up</a><div class="section" id="Comments"><h4>The comments</h4><p>{WORDS}</p></div>'
    )
    text = article(f"<main><h1>Manual</h1><p>{WORDS * 3}</p>{by_sphinx}{by_texinfo}</main>").text
    assert "## The comments" in text
    assert "#### The comments" in text


def test_short_paragraphs_at_the_edges_of_a_page_are_text():
    rows = "".join(f"<tr><td>{name}</td><td>yes</td></tr>" for name in ("Readable", "Writable", "Construct only"))
    labels = "<table><tr><td>Type:</td><td>text</td></tr></table><p><a href='/get'>get_title()</a></p>" * 4
    body = f"<h1>Page: title</h1><h4>What it is</h4><p>The title of the child page.</p>{labels}<table>{rows}</table>"
    assert "The title of the child page." in article(f"<div><a href='/'>Home</a></div>{body}").text


def test_a_table_of_links_does_not_cut_an_article_in_two():
    rows = "".join(f"<tr><td><a href='/p/{n}'>a-package-name-{n}</a></td><td>viewer</td></tr>" for n in range(30))
    first = "<h2>Browsers</h2>" + "<p>A page may ask the browser for its name before it answers.</p>" * 2
    text = article(f"<div>{first}<table>{rows}</table><h2>Mail</h2><p>{WORDS * 5}</p></div>").text
    assert "ask the browser for its name" in text
    assert "a-package-name-7 | viewer" in text


def test_comments_in_code_stay_and_those_of_readers_go():
    code = '<pre><code><span class="token comment"># keep</span>\nrun()</code></pre>'
    body = f'<article><p>{WORDS * 3}</p>{code}</article><div class="comments"><p>Nice post!</p></div>'
    text = article(f"<main>{body}</main>").text
    assert "# keep\nrun()" in text
    assert "Nice post" not in text


def test_code_drawn_line_by_line_is_code_with_its_coloured_comments():
    lines = '<div class="line">run();</div><div class="line"><span class="comment">// starts the engine</span></div>'
    text = article(f'<p>{WORDS * 3}</p><div class="fragment">{lines}</div>').text
    assert "```\nrun();\n// starts the engine\n```" in text


def test_a_page_whose_outermost_tags_close_themselves_is_read():
    page = f'<html lang="de" /><head><title>T</title></head><body class="x" /><h1>T</h1><p>{WORDS}</p></body></html>'
    assert "trims the wick" in read_html(page.encode(), "https://docs.example.org/a").text


def test_a_page_of_questions_with_answers_in_its_markup_keeps_the_questions():
    answer = f'<div itemprop="acceptedAnswer" itemtype="https://schema.org/Answer"><p itemprop="text">{WORDS}</p></div>'
    question = f'<div itemtype="https://schema.org/Question"><h3 itemprop="name">Who trims the wick?</h3>{answer}</div>'
    assert "### Who trims" in article(f'<main itemtype="https://schema.org/FAQPage">{question * 3}</main>').text


def test_a_long_letter_in_one_block_can_be_cut_between_its_paragraphs():
    letter = "\n\n".join(f"Paragraph {n}. " + "\n   ".join([WORDS] * 3) for n in range(20))
    reading = article(f"<pre>{letter}</pre>")
    assert len(reading.fences) > 5
    assert "\n   The keeper rises" in reading.text
    program = "\n\n".join(f"def f{n}(x): return g(x)[{n}] + h({n}, *x)" for n in range(100))
    assert len(article(f"<pre>{program}</pre>").fences) == 1


def test_words_behind_a_hash_on_a_page_are_no_tags():
    assert article(f"<main><p>{WORDS} #lighthouse</p></main>").tags == []


# -- notes ---------------------------------------------------------------------------------------------------------


def test_a_persons_own_page_keeps_every_word_that_is_text():
    body = "<header>Top</header><nav>Menu</nav><aside>Side</aside><p class='share'>Body</p><footer>End</footer>"
    reading = read_html(f"<title>Mine</title><body>{body}<script>run()</script><form>Ask</form></body>".encode())
    assert reading.text == "Top\n\nSide\n\nBody\n\nEnd"
    assert (reading.kind, reading.url, reading.title) == ("note", None, "Mine")


@pytest.mark.parametrize(
    ("mark", "address"),
    [
        ("<!-- saved from url=(0025)https://example.org/a.htm -->", "https://example.org/a.htm"),
        (
            "<!--\n Page saved with SingleFile \n url: https://example.org/b \n saved date: x -->",
            "https://example.org/b",
        ),
        ("<!-- Mirrored from example.org/c.html by HTTrack Website Copier/3.x -->", "http://example.org/c.html"),
        ('<link rel="canonical" href="https://example.org/d">', "https://example.org/d"),
        ('<meta property="og:url" content="https://example.org/e">', "https://example.org/e"),
        (
            '<meta property="og:url" content="https://x.example/"><link rel="canonical" href="https://y.example/">',
            "https://y.example/",
        ),
        ("<!-- saved from url=(0014)about:internet -->", None),
        ('<link rel="canonical" href="/only/a/path">', None),
        ('<link rel="canonical" href="javascript:alert(1)">', None),
    ],
)
def test_a_saved_page_knows_where_it_came_from(mark, address):
    reading = read_html(f"{mark}<html><head>{mark}</head><body><p>{WORDS}</p></body></html>".encode())
    assert reading.url == address
    assert reading.kind == ("article" if address else "note")


# -- Markdown ------------------------------------------------------------------------------------------------------


NESTED_TABLE = "<table><tr><td>layout<table><tr><th>a<th>b<tr><td>1<td>2</table></table>"
KATEX = (
    '<span class="katex"><span class="katex-mathml"><math><semantics><mi>b</mi><annotation encoding='
    '"application/x-tex">b_i</annotation></semantics></math></span><span class="katex-html">bi</span></span>'
)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("<h2>A <em>b</em></h2><p>c<br>d</p>", "## A b\n\nc\nd"),
        ("<ul><li>a<ol start=3><li>b</li><li>c</li></ol></li><li>d</li></ul>", "- a\n\n  3. b\n  4. c\n\n- d"),
        ("<ul><li><p>a</p><pre>x</pre></li></ul>", "- a\n\n  ```\n  x\n  ```"),
        ("<ul><li>a</li><ul><li>b</li></ul></ul>", "- a\n  - b"),
        ("<dl><dt>term</dt><dd>meaning</dd><dd>other</dd></dl>", "**term**\nmeaning\n\nother"),
        ("<blockquote><p>a</p><p>b</p></blockquote>", "> a\n>\n> b"),
        ("<table><tr><th>a<th>b|c<tr><td>1<br>2<td><p>x<p>y</table>", "| a | b\\|c |\n| --- | --- |\n| 1 2 | x y |"),
        ("<table><tr><td rowspan=2>a<td>b<tr><td>c</table>", "| a | b |\n| --- | --- |\n| a | c |"),
        ("<table><tr><td colspan=2>a<tr><td>b<td>c</table>", "| a |  |\n| --- | --- |\n| b | c |"),
        (NESTED_TABLE, "layout\n\n| a | b |\n| --- | --- |\n| 1 | 2 |"),
        (
            "<p>1. one</p><p># two</p><p>- three</p><p>2024. four</p>",
            "1\\. one\n\n\\# two\n\n\\- three\n\n2024\\. four",
        ),
        ("<p>snake_case 5 * 3 & x[0] C# &lt;3</p>", "snake_case 5 * 3 & x[0] C# <3"),
        ("<p>&lt;b&gt; &amp;amp; *a* __b__ [x](y) `c`</p>", "\\<b> \\&amp; \\*a\\* \\_\\_b__ [x\\](y) \\`c\\`"),
        ("<p>an <code>a`b</code><code>c</code></p>", "an ``a`b`` `c`"),
        ("<pre>```\nx</pre>", "````\n```\nx\n````"),
        ("<pre><code class='language-c++'>\n\tint  a;\n\n</code></pre>", "```c++\n\tint  a;\n```"),
        ("<div class='highlight-ipython3'><pre>1 + 1</pre></div>", "```python\n1 + 1\n```"),
        ("<pre><span>a</span><br><div>b</div><div>c</div></pre>", "```\na\nb\nc\n```"),
        ("<p>x<sup>2</sup>, 1<sup>st</sup>, H<sub>2</sub>O, x<sub>i</sub></p>", "x^2, 1st, H2O, x_i"),
        ("<p><del>old</del> <q>new</q></p>", "~~old~~ “new”"),
        ('<p><a href="https://e.org/a_(b)">t</a></p>', "[t](https://e.org/a_(b))"),
        ('<p><a href="https://e.org/a b)">t</a></p>', "[t](https://e.org/a%20b%29)"),
        ('<p><a href="#x">same</a> <a href="javascript:x()">none</a></p>', "same none"),
        ('<p>Wow!<a href="https://e.org"><img alt="pic"></a><img alt="gone"></p>', "Wow\\![pic](https://e.org)"),
        ('<p><a href="https://e.org">https://e.org</a></p>', "<https://e.org>"),
        ('<p><math alttext="a^2"><mi>a</mi></math> <script type="math/tex">c</script></p>', "$a^2$ $c$"),
        (f"<p>{KATEX}</p>", "$b_i$"),
        ("<h3><button>Why?</button></h3><p>Because.<button>Copy</button></p>", "### Why?\n\nBecause."),
        ("a<br><br>b<div>c</div>d", "a\n\nb\n\nc\n\nd"),
    ],
)
def test_an_element_becomes_markdown(source, expected):
    assert markdown(source) == expected


def test_text_that_looks_like_markup_reads_as_it_was_shown():
    from markdown_it import MarkdownIt

    shown = r"1) *not* a_b_ _c_ **d** [e](f) ![g](h) `i` <j> &lt; C:\_k \* ~~~ +++ x^[y] https://e.org/_l_"
    element = html.Element("p")
    element.text = shown
    [inline] = [token for token in MarkdownIt().parse(to_markdown(element)) if token.type == "inline"]
    assert "".join(child.content for child in inline.children) == shown


def test_the_tail_of_comments_and_of_dropped_elements_is_text():
    assert markdown("a<!-- no --> b<script>no</script> c") == "a b c"


def test_xhtml_with_a_name_space_is_read():
    from lxml import etree

    tree = etree.fromstring(
        '<html xmlns="http://www.w3.org/1999/xhtml"><body><h1>A</h1><p>b <code>c</code></p></body></html>'
    )
    assert to_markdown(tree) == "# A\n\nb `c`"


# -- encodings -----------------------------------------------------------------------------------------------------

CYRILLIC = "Привет, это старая страница о том, как печь хлеб дома. " * 3


@pytest.mark.parametrize(
    ("data", "charset"),
    [
        (CYRILLIC.encode("cp1251"), "windows-1251"),
        (b'<meta charset="koi8-r"><p>' + CYRILLIC.encode("koi8-r"), None),
        (b'<?xml version="1.0" encoding="iso-8859-5"?><html><p>' + CYRILLIC.encode("iso-8859-5"), None),
        (b"\xff\xfe" + CYRILLIC.encode("utf-16-le"), "utf-8"),
        (f"<p>{CYRILLIC}".encode("utf-16-be"), None),
        (CYRILLIC.encode(), "iso-8859-1"),
        (CYRILLIC.encode(), "no-such-charset"),
        (CYRILLIC.encode()[:-2] + b"\xd0", "utf-8"),
        (CYRILLIC.encode("cp1251"), None),
        (b"<meta charset=punycode><p>" + CYRILLIC.encode(), "idna"),
    ],
    ids=["header", "meta", "xml", "mark", "wide", "wrong header", "unknown", "truncated", "guess", "no charset"],
)
def test_text_is_read_in_its_encoding(data, charset):
    assert "печь хлеб" in read_html(data, ADDRESS, charset).text


@pytest.mark.parametrize("data", [b"%PDF-1.7\n1 0 obj", b"PK\x03\x04abc", bytes(range(256)) * 40, b"\0" * 500])
def test_what_is_no_page_is_refused(data):
    with pytest.raises(Unreadable):
        read_html(data, ADDRESS)


# -- pages that are no articles ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "state", "words"),
    [
        ("paywall", "paywalled", "pay"),
        ("members", "paywalled", "pay"),
        ("login", "refused", "login"),
        ("missing", "gone", "error page"),
        ("parked", "gone", "error page"),
        ("robots", "refused", "person"),
        ("denied", "refused", "person"),
        ("shell", "no text", "JavaScript"),
    ],
)
def test_a_page_that_is_no_article_is_named(name, state, words):
    found = reason(page(name))
    assert found and found[0] == state
    assert words in found[1]


@pytest.mark.parametrize("name", ["about_walls", "small"])
def test_an_article_about_walls_and_a_short_page_are_articles(name):
    assert reason(page(name)) is None


def test_a_long_article_that_says_it_is_not_free_is_kept():
    head = '<script type="application/ld+json">{"@type":"NewsArticle","isAccessibleForFree":false}</script>'
    data = f"<html><head>{head}</head><body><article><h1>Salt</h1><p>{WORDS * 20}</p></article></body></html>".encode()
    assert reason(data) is None


@pytest.mark.parametrize(
    ("body", "state"),
    [
        ("<h1>Members</h1><p>Please log in to view this page.</p>", "refused"),
        ("<form action='https://id.example/saml2'><input type=hidden name=SAMLRequest value=x></form>", "refused"),
        ("<h1>404 - Page not found</h1><p>Try the search.</p>", "gone"),
        ("<h1>Sorry</h1><p>The page you requested could not be found.</p>", "gone"),
        (f"<h1>Salt</h1><p>{WORDS}</p><p>You’ve read 3 of 5 articles. 2 free articles left.</p>", "paywalled"),
        ("<p>Please verify you are a human</p><div id=px-captcha></div>", "refused"),
        ("<p>Please enable JavaScript to view the site.</p><script src=a.js></script>", "no text"),
        ("", "no text"),
        ("<h1>Hello</h1><p>Coming soon.</p>", "no text"),
    ],
)
def test_walls_and_shells_in_few_words(body, state):
    found = reason(f"<html><body>{body}</body></html>".encode())
    assert found and found[0] == state


@pytest.mark.parametrize(
    ("status", "state"), [(404, "gone"), (410, "gone"), (401, "refused"), (403, "refused"), (500, "refused")]
)
def test_an_error_with_a_long_text_is_no_article(status, state):
    assert reason(f"<h1>Oh</h1><p>{WORDS * 30}</p>".encode(), status=status)[0] == state


# -- refresh -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "target"),
    [
        ("0; url=https://e.org/new", "https://e.org/new"),
        ("5;URL='/new page'", "/new page"),
        ("  10 ;  Url = next.html", "next.html"),
        ("0, url=a", "a"),
        ("0;next.html?url=1", "next.html?url=1"),
        ("0.5; url=a", "a"),
        ("11; url=a", None),
        ("300", None),
        ("0", None),
        ("", None),
        ("soon; url=a", None),
    ],
)
def test_a_page_that_sends_its_readers_on(content, target):
    assert meta_refresh(f'<HTML><head><META content="{content}" HTTP-EQUIV="Refresh">'.encode()) == target


@pytest.mark.parametrize(
    "around", ["<noscript>{}</noscript>", "<!-- {} -->", "<script>x = '{}'</script>", "<title>{}</title>", "<!-- {}"]
)
def test_a_refresh_that_no_browser_follows_is_none(around):
    meta = '<meta http-equiv="refresh" content="0;url=x">'
    assert meta_refresh(f"<head>{around.format(meta)}</head>".encode()) is None
    assert meta_refresh(f"<head>{meta}{around.format(meta)}</head>".encode()) == "x"


@pytest.mark.parametrize(
    "meta",
    [
        "<meta http-equiv=refresh content=0;url=a?b&amp;c>",
        "<meta name=x><META\nCONTENT = '0;url=a?b&amp;c'\tid=y HTTP-EQUIV = 'REFRESH'/>",
        """<meta data-x="a>b<c" http-equiv="refresh" content="0;url='a?b&amp;c'">""",
        """<meta content="0;url=a?b&c" content="0;url=no" http-equiv="refresh">""",
    ],
)
def test_a_refresh_is_found_however_it_is_written(meta):
    assert meta_refresh(f"<head>{meta}</head>".encode()) == "a?b&c"


def test_no_parser_looks_for_a_refresh():
    code = "import sys; from ingest.readers.web import meta_refresh; "
    code += "print(meta_refresh(b'<meta http-equiv=refresh content=0;url=x>'), 'lxml' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "x False\n", "where pages are fetched, nothing may run that a page could crash"


# -- robustness ----------------------------------------------------------------------------------------------------

MEGABYTE = 2**20


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"<div>" * 100_000 + b"innermost", "innermost"),
        (b"<font><p>" * 100_000 + b"innermost", "innermost"),
        (b"<ul><li>" * 50_000 + b"innermost", "innermost"),
        (b"<blockquote>" * 1_500 + b"innermost" + b"</blockquote>" * 1_500, "innermost"),
        (b"<table><tr><td>" * 20_000 + b"innermost", "innermost"),
        (b"<" * 300_000 + b" end", "end"),
        (b"<p>" + b"word " * MEGABYTE + b"end", "end"),
        (b"<p>" + b"x" * 5 * MEGABYTE, "x"),
        (b'<a href="/x">link</a> ' * 50_000, "link"),
        (b"<p " + b"".join(b"a%d=1 " % n for n in range(100_000)) + b">end", "end"),
        (b"<table>" + b"<tr><td rowspan=99 colspan=99>a<td>b" * 5_000, "a"),
        (b"<table><tr>" + b"<td colspan=999>a" * 50_000 + b"<tr><td>b<td>end", "end"),
        (b"<p>" + b"[" * 300_000 + b"end", "end"),
        (b"<h1>a" * 30_000, "a"),
        (b"<p>a\0b</p>", "ab"),
        (b"<script type='application/ld+json'>" + b"[" * 200_000 + b"</script><p>end", "end"),
        (b"<!--" * 200_000, ""),
        (b"<meta " * 50_000 + b"><p>end", "end"),
        (b"<meta http-equiv=refresh content=\"'" * 50_000 + b"'\"><p>end", "end"),
        (b"<p>end<![CDATA[" + b"<!" * 100_000, "end"),
    ],
)
def test_hostile_pages_end_in_bounded_time(data, text):
    started = time.monotonic()
    reading = read_html(data, ADDRESS)
    why_no_article(reading, data)
    meta_refresh(data)
    assert time.monotonic() - started < 60
    assert text in reading.text
    assert len(reading.text) < 20 * len(data) + 1000


@pytest.mark.parametrize("name", ["wordpress", "mediawiki", "github", "questions"])
def test_damaged_pages_are_read_or_refused(name):
    whole = page(name)
    dice = random.Random(7)
    for _ in range(60):
        data = bytearray(whole[: dice.randrange(len(whole))])
        for _ in range(dice.randrange(40)):
            data[dice.randrange(len(data))] = dice.randrange(256) if data else 0
        try:
            reading = read_html(bytes(data))
        except Unreadable:
            continue
        assert isinstance(reading, Reading)
        why_no_article(reading, bytes(data))
        meta_refresh(bytes(data))


def test_broken_addresses_are_no_obstacle():
    body = '<base href="http://[bad"><a href="http://[::1">a</a> <a href="//[">b</a> <a href="ht!tp:%">c</a>'
    assert "a" in article(f"<p>{WORDS}</p>{body}").text
    assert article(f"<p>{WORDS}</p>{body}", url="http://[broken").kind == "article"
