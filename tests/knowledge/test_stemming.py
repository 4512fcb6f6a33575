import subprocess
import sys


def test_words_are_stemmed_without_libraries_that_take_longer_to_import_than_the_rest():
    code = (
        "import sys; from knowledge.stemming import stem, tokenizer\n"
        "print(stem('houses'), tokenizer().tokenize('a b.'))\n"
        "print([name for name in ('sklearn', 'scipy.stats') if name in sys.modules])\n"
        "import scipy.stats, sklearn.base"  # whoever needs them has them
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["hous ['a', 'b', '.']", "[]"]
