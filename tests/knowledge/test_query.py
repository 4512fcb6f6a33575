import pytest

from knowledge.errors import NotesError
from knowledge.query import Query, parse


@pytest.mark.parametrize(
    "question, expected",
    [
        ("which roses? [[Garden]]", Query("which roses?", notes=("garden",))),
        ("[[Garden|the garden]] roses", Query("roses", notes=("garden",))),
        ("what is open #todo?", Query("what is open #todo?", tags=("todo",))),
        ("#Work/Home and #two words# jobs", Query("#Work/Home and #two words# jobs", tags=("work/home", "two words"))),
        ("roses (in:garden)", Query("roses ()", folders=("garden",))),
        ('roses in:"My notes/2024/"', Query("roses", folders=("my notes/2024",))),
        ("IN:a.md roses", Query("roses", folders=("a.md",))),
        ("roses site:www.Example.org", Query("roses", hosts=("example.org",))),
        ("roses site:https://bücher.example/a?b", Query("roses", hosts=("xn--bcher-kva.example",))),
        ("roses kind:Article", Query("roses", kinds=("article",))),
        ("roses after:2024 before:2024-06-30", Query("roses", after="2024-01-01", before="2024-06-30")),
        ("roses after:2023 after:2024", Query("roses", after="2024-01-01")),
        ("roses date:2024", Query("roses", after="2024-01-01", before="2025-01-01")),
        ("roses date:2024-12", Query("roses", after="2024-12-01", before="2025-01-01")),
        ("roses date:2024-2-29!", Query("roses!", after="2024-02-29", before="2024-03-01")),
        ('what does "The bed" mean?', Query('what does "The bed" mean?', phrases=("the bed",))),
        ("“C++ code”", Query("“C++ code”", phrases=("c code",))),
        ("Was heißt »kaltes Beet«?", Query("Was heißt »kaltes Beet«?", phrases=("kaltes beet",))),
        ("vad betyder ”kall bänk”?", Query("vad betyder ”kall bänk”?", phrases=("kall bänk",))),
    ],
)
def test_filters_are_taken_out_of_the_words(question, expected):
    assert parse(question) == expected


@pytest.mark.parametrize(
    "question",
    [
        "",
        "how do  I start?",
        "C# and F# in issue #12, see #1.",
        "https://example.org/page#part in: garden, login:me",
        "[[ -f file ]] and [[1, 2]] and x[[first]] and []",
        'a 12" ruler, 14" wide, "..." and a"b"c, an open "quote',
        "in:? kind: after:",
    ],
)
def test_what_only_looks_like_a_filter_stays_as_it_is(question):
    assert parse(question) == Query(question)


@pytest.mark.parametrize(
    "question, text",
    [
        ("[[Rose bed]] in:garden", "rose bed garden"),
        ('in:garden "the bed"', '"the bed"'),
        ("kind:article", "article"),
        ("after:2024", "after:2024"),
    ],
)
def test_where_only_filters_are_given_their_own_words_are_looked_for(question, text):
    assert parse(question).text == text


@pytest.mark.parametrize("question", ["roses kind:poem", "roses after:spring", "date:2024-13", "before:2024-02-30"])
def test_a_filter_that_cannot_be_is_told_with_what_can(question):
    with pytest.raises(NotesError, match=r"^\S+ is no filter: .*(kind:article and kind:note|:2024-05-31)"):
        parse(question)
    assert parse(f'"{question}"').text == f'"{question}"'


@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    "piece", ['"', "[[", "[[a ", ' "a', "#1", " #1 1", " #a-", "in:", "in:)", "“", "my ", "and ", "?", " notes"]
)
def test_no_question_takes_minutes(piece):
    assert parse(piece * 100_000).topic


@pytest.mark.parametrize(
    "question, topic, asks_for_links",
    [
        ("Where can I read about roses?", "roses?", True),
        ("where did I write about roses", "roses", False),
        ("which links did I save about old roses?", "old roses?", True),
        ("Do I have an article on roses?", "roses?", True),
        ("where can I read more? (Roses)", "(Roses)", True),
        ("where can I read more?", "where can I read more?", True),
        ("which page should I look at for old roses?", "old roses?", True),
        ("where's the link to the rose care page?", "the rose care?", True),
        ("show me my notes on roses", "roses", False),
        ("What do my notes say about roses?", "roses?", False),
        ("hi, what did I note down about roses?", "roses?", False),
        ("the roses I noted", "the roses", False),
        ("is there anything on roses in my notes?", "roses?", False),
        ("something to read about roses", "something to read about roses", False),
        ("what is rose rust, in my notes?", "what is rose rust,?", False),
        ("how do roses climb in my notes?", "how do roses climb?", False),
        ("how do I write release notes?", "how do I write release notes?", False),
        ("who took notes on the roses?", "who took notes on the roses?", False),
        ("my notes", "my notes", False),
    ],
)
def test_the_words_that_ask_for_notes_and_links_as_such_are_not_looked_for(question, topic, asks_for_links):
    asked = parse(question)
    assert (asked.text, asked.topic, asked.asks_for_links) == (question, topic, asks_for_links)
