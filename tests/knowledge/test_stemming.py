import subprocess
import sys

from knowledge.stemming import stem


def test_words_are_stemmed_without_libraries_that_take_longer_to_import_than_the_rest():
    code = (
        "import sys; from knowledge.stemming import stem, tokenizer\n"
        "print(stem('houses'), tokenizer().tokenize('a b.'))\n"
        "print([name for name in ('sklearn', 'scipy.stats') if name in sys.modules])\n"
        "import scipy.stats, sklearn.base"  # whoever needs them has them
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["hous ['a', 'b', '.']", "[]"]


def test_only_names_of_months_and_days_that_are_nothing_else_have_a_short_form():
    assert [stem(word) for word in ("oct", "tues", "jan", "sat")] == [stem("october"), stem("tuesday"), "jan", "sat"]
