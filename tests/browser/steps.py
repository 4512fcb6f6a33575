"""What a person does on the page."""

DESKTOP = {"width": 1280, "height": 860}
PHONE = {"width": 390, "height": 844}


def ask(page, question):
    box = page.locator("#question textarea")
    box.fill(question)
    box.press("Enter")


def finished(page, answers):
    page.wait_for_function(
        "n => document.querySelectorAll('#conversation .answer').length === n"
        " && !document.querySelector('#conversation .answer .state')",
        arg=answers,
    )
    return page.locator("#conversation .answer").last.inner_text()
