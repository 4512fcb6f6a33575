import pytest

from knowledge.text import beginning, content_words, is_only_links, sentence_spans, words


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("See e.g. Dask, i.e. a library. It scales.", ["See e.g. Dask, i.e. a library.", "It scales."]),
        ("Dr. Who wrote version 2.5 of it. Fine.", ["Dr. Who wrote version 2.5 of it.", "Fine."]),
        ("Die Frist endet am 31. Juli. Danach nicht.", ["Die Frist endet am 31. Juli.", "Danach nicht."]),
        ("There were 31. Julia came. March was dry.", ["There were 31.", "Julia came.", "March was dry."]),
        ("It ends (here.) And goes on", ["It ends (here.)", "And goes on"]),
        ("سلام. این یک جمله است؟ بله", ["سلام.", "این یک جمله است؟", "بله"]),
        ("これは文です。もう一つ。", ["これは文です。", "もう一つ。"]),
        ("  \n ", []),
        ("", []),
    ],
)
def test_sentences(text, sentences):
    assert [text[start:end] for start, end in sentence_spans(text)] == sentences


@pytest.mark.parametrize(
    ("text", "begins"),
    [
        ("one two three four", "one two …"),
        ("one $x = 1 + 2 + 3$ four", "one …"),
        ("one \\(x\\) three four", "one \\(x\\) …"),
        ("$x = 1 + 2 + 3$ four", "$x = 1 + 2 + 3$ …"),
        ("$x = 1 + 2 + 3$", "$x = 1 + 2 + 3$"),
        ("Donaudampfschiff", "Donaudampf …"),
        ("short", "short"),
    ],
)
def test_a_long_text_is_shortened_between_words_and_never_in_a_formula(text, begins):
    assert beginning(text, 10) == begins


def test_a_word_has_underscores_inside_it_but_none_of_the_emphasis_around_it():
    text = "The _Rosa_ costs __4_200__, see rent_2024 and Ada's _"
    assert words(text) == "the rosa costs 4_200 see rent_2024 and ada's".split()


def test_content_words_leave_out_how_it_is_asked_but_are_never_empty():
    assert content_words("How do I use the Pandas library?") == ["pandas", "library"]
    assert content_words("what is it") == ["what", "is", "it"]


@pytest.mark.parametrize(
    "text",
    [
        "what did I repair in may",
        "Trips of last May",
        "the red boiler: May",
        "12 May",
        "2nd of may",
        "may 2024",
        "mid-May",
    ],
)
def test_may_is_a_content_word_where_it_is_the_month(text):
    assert "may" in content_words(text)


@pytest.mark.parametrize("text", ["May I wash wool?", "which soap may be used", "what may 'fail' mean", "it may rain"])
def test_may_is_none_where_it_helps_a_verb(text):
    assert "may" not in content_words(text)


@pytest.mark.parametrize(
    ("text", "links_only"),
    [
        ("[link](https://a.example/b), [paper](https://c.example)", True),
        ("Links: https://a.example", True),
        ("See [the guide](https://a.example) before you start.", False),
        ("Plain words.", False),
    ],
)
def test_a_line_of_links_is_told_from_a_sentence(text, links_only):
    assert is_only_links(text) is links_only


@pytest.mark.parametrize(
    ("question", "content"),
    [
        ("what's the kettle's price, and can't you say it isn’t high?", ["kettle's", "price", "say", "high"]),
        ("who's O'Brien?", ["o'brien"]),
        ("isn't it?", ["isn't", "it"]),
    ],
)
def test_contracted_function_words_are_no_content_unless_there_is_nothing_else(question, content):
    assert content_words(question) == content
