from knowledge.documents import Chunk, Link
from knowledge.pointers import asked_for


def test_where_no_link_is_like_the_question_the_first_ones_stay(store):
    links = tuple(Link("Jump consistent hash", f"https://hash.example/{number}") for number in range(20))
    section = Chunk("n.md", "n", ("Systems",), (1, 1), "Text.", links)
    vectors = store.vectors_of(["dentist", links[0].text])
    assert vectors[0] @ vectors[1] < 0, "the case that is meant"
    assert [pointer.link for pointer in asked_for("dentist", section, store)] == list(links[:12])
