import pytest

from knowledge.documents import Link


@pytest.mark.parametrize(
    "text, url, label",
    [
        ("The crust", "https://bread.example/a-b-c", "The crust"),
        ("link", "https://bread.example/@baker/why-rye-keeps-3caab5d29619", "why rye keeps (bread.example)"),
        ("here", "https://www.bread.example/2/rye_for-beginners.html?a=1#top", "rye for beginners (bread.example)"),
        ("", "https://bread.example/%D9%86%D8%A7%D9%86-a-b/", "نان a b (bread.example)"),
        ("https://bread.example/p/rye", "https://bread.example/p/rye", "bread.example/p/rye"),
        ("link", "https://bread.example/", "bread.example"),
        ("link", "https://bread.example/d/1uvAbEh/edit?x-y-z-a", "bread.example/d/1uvAbEh/edit?x-y-z-a"),
    ],
)
def test_a_link_whose_text_says_nothing_is_called_by_the_words_of_its_address(text, url, label):
    assert Link(text, url).label == label
