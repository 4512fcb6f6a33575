"""Several people at once, one of them at the page."""

import threading

import httpx

from tests.browser.steps import PHONE, ask, finished


def test_who_waits_sees_how_many_are_ahead_and_the_passages_meanwhile(open_page, server):
    page = open_page(PHONE)
    seen = threading.Event()
    others = [
        threading.Thread(target=keep_busy, args=(server.url, question, f"user {number} {question}", seen))
        for question in ("How do I mend broken unicode?", "What is a transformer?")
        for number in range(2)
    ]
    for other in others:
        other.start()
    ask(page, "Which package finds drift in a deployed model?")
    try:
        page.wait_for_function(
            """() => /Waiting: \\d ahead of you/.test(document.querySelector("#conversation .answer .state")?.innerText)
            && /NannyML/.test(document.querySelector("#sources article")?.innerText)""",
            polling=20,
        )
    finally:
        seen.set()
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert "NannyML" in finished(page, 1)
    for other in others:
        other.join(120)
    assert page.errors == []


def keep_busy(url, question, user, seen):
    body = {"model": "askmynotes", "messages": [{"role": "user", "content": question}], "user": user}
    while not seen.is_set():
        httpx.post(f"{url}v1/chat/completions", json=body, timeout=120).raise_for_status()
