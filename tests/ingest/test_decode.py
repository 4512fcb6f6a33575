import pytest

from ingest.clean import clean
from ingest.decode import _nearly_utf8, decode
from ingest.reading import Unreadable

TEXT = "Grüße aus Köln: schöne Äpfel und Öl für müde Füße.\n" * 5


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252", "latin-1"])
def test_text_is_read_in_whatever_encoding_it_was_saved(encoding):
    assert decode(TEXT.encode(encoding)) == TEXT


def test_cyrillic_of_an_old_editor_is_read():
    text = "Привет, это старая заметка о том, как варить борщ и печь хлеб дома.\n" * 5
    assert decode(text.encode("cp1251")) == text


def test_a_broken_byte_does_not_spoil_the_rest():
    assert decode("Grüße: ".encode() + b"caf\xe9\n" + TEXT.encode()) == "Grüße: café\n" + TEXT
    japanese = "日本語のテキストです。" * 30
    assert decode(japanese.encode() + "次".encode()[:2]).startswith(japanese)


@pytest.mark.parametrize("encoding", ["shift_jis", "euc_jp", "gb18030", "big5", "euc_kr", "koi8_r", "cp1251", "cp1253"])
def test_other_encodings_are_not_taken_for_broken_utf8(encoding):
    text = "書類を保存する。日本の文書。Письмо домой. Γράμμα. 한국어 문서" * 20
    assert _nearly_utf8(text.encode(encoding, "ignore")) is None


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
    assert (
        clean("- a\n\n    ```\n    Ã¼\n    ```\n\n```Ã¼``` is\nÃ¼")
        == "- a\n\n    ```\n    Ã¼\n    ```\n\n```Ã¼``` is\nü"
    )


def test_the_number_of_lines_stays():
    text = "a\u2028b Ã¼\n\x0c\nc"
    assert clean(text).count("\n") == text.count("\n")
