import pytest

from ingest.clean import clean
from ingest.decode import _nearly_utf8, decode
from ingest.reading import Unreadable

TEXT = "Grüße aus Köln: schöne Äpfel und Öl für müde Füße.\n" * 5
JAPANESE = "今日は市場へ行って、パンと牛乳と卵を買いました。子供たちは庭で遊んでいます。明日は友達と山に登る予定です。"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252", "latin-1"])
def test_text_is_read_in_whatever_encoding_it_was_saved(encoding):
    assert decode(TEXT.encode(encoding)) == TEXT


def test_cyrillic_of_an_old_editor_is_read():
    text = "Привет, это старая заметка о том, как варить борщ и печь хлеб дома.\n" * 5
    assert decode(text.encode("cp1251")) == text


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1252", "café"),
        ("cp1252", "It’s"),
        ("cp1252", "Price: £5"),
        ("cp1252", "Bücher: 5 €"),
        ("cp1252", "Voilà, très"),
        ("cp1252", "El niño pequeño comió una manzana en el jardín de su abuela. Después salió a la calle."),
        ("cp1252", "Jag åkte till Göteborg för att hälsa på min mormor. Hon bor på en liten ö."),
        ("cp1252", "Não há pão na cozinha. Amanhã vou à padaria comprar maçãs para o café da manhã das crianças."),
        ("cp1252", "La città è più bella perché c'è il sole. Così andrò a trovarla lunedì, però non so."),
        ("cp1250", "Jutro idę do lekarza, potem będę pracować w ogródku. Muszę też napisać list do babci w Łodzi."),
        ("cp1250", "Zítra pojedu vlakem do Brna navštívit přátele. Večer půjdeme do divadla a potom na večeři."),
        ("cp1250", "Később több időt töltünk együtt, ő főz és mosogat, a gyerekek örülnek a süteménynek."),
        ("cp1254", "Bugün çarşıya gittim ve ekmek, süt, yumurta aldım. Çocuklar bahçede oynuyor, güneş çok güzel."),
        ("cp1257", "Šiandien nuėjau į turgų ir nusipirkau duonos, pieno ir kiaušinių. Vaikai žaidžia sode."),
        ("cp1251", "Купить молоко и хлеб"),
        ("koi8_r", "Завтра мы поедем в деревню к бабушке, а потом будем варить борщ."),
        ("cp1253", "Σήμερα πήγα στην αγορά και αγόρασα ψωμί, γάλα και αυγά. Τα παιδιά παίζουν στον κήπο."),
        ("shift_jis", JAPANESE),
        ("euc_jp", JAPANESE),
    ],
)
def test_a_few_words_tell_their_encoding(encoding, text):
    assert decode(text.encode(encoding)) == text
    assert decode(f"{text}\n".encode(encoding) * 8) == f"{text}\n" * 8


@pytest.mark.parametrize("end", ["\n", " "])
def test_an_accent_far_down_in_a_file_is_read(end):
    text = f"plain words{end}" * 2**15 + "à la crème brûlée\n"
    assert decode(text.encode("cp1252")) == text


@pytest.mark.parametrize("text", ["Ångström: 5 µm", "5 µm ± 2 %", "¿Qué?", "Ångström: 5 µm\n" * 20])
def test_accents_that_stand_alone_are_those_of_latin_letters(text):
    assert decode(text.encode("cp1252")) == text


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
