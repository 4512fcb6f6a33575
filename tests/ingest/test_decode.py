import pytest

from ingest.clean import clean
from ingest.decode import decode
from ingest.reading import Unreadable

TEXT = "Grüße aus Köln: schöne Äpfel und Öl für müde Füße.\n" * 5


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252", "latin-1"])
def test_text_is_read_in_whatever_encoding_it_was_saved(encoding):
    assert decode(TEXT.encode(encoding)) == TEXT


def test_cyrillic_of_an_old_editor_is_read():
    text = "Привет, это старая заметка о том, как варить борщ и печь хлеб дома.\n" * 5
    assert decode(text.encode("cp1251")) == text


def test_line_ends_become_one_kind():
    assert decode(b"a\r\nb\rc\n") == "a\nb\nc\n"


def test_binary_data_is_refused():
    with pytest.raises(Unreadable, match="holds binary data"):
        decode(b"\x89PNG\0\0")


def test_mojibake_is_mended():
    assert clean("Correct the sentence using â€œftfyâ€\\x9d.") == "Correct the sentence using “ftfy”."
    assert clean("schÃ¶n") == "schön"


def test_sound_text_is_left_as_it_is():
    text = "“Quotes”, ﬁne ligatures, Ｗｉｄｅ letters, &amp; entities, \\x9d and naïve café."
    assert clean(text) == text


def test_code_may_show_broken_text():
    text = "schÃ¶n\n```\nschÃ¶n\n```\n`schÃ¶n` schÃ¶n\n~~~\nÃ¼\n```\nÃ¼\n~~~\nÃ¼"
    assert clean(text) == "schön\n```\nschÃ¶n\n```\n`schÃ¶n` schön\n~~~\nÃ¼\n```\nÃ¼\n~~~\nü"


def test_the_number_of_lines_stays():
    text = "a\u2028b Ã¼\n\x0c\nc"
    assert clean(text).count("\n") == text.count("\n")
