"""What kind of thing a question asks for, as far as its words tell, and whether a text holds such a thing.

"What does the mower cost?" wants a price: a passage about the mower that names none does not answer it. Of the kinds of
Li and Roth 2002 (https://aclanthology.org/C02-1150) these are the ones that a text shows on its face. English only: of
a question in another language no kind is known.
"""

import re
from dataclasses import dataclass

from knowledge.documents import Chunk
from knowledge.text import MARKDOWN_LINK, STOP_WORDS, words

_CURRENCY = "eur|euros?|dollars?|usd|gbp|chf|cents?|pounds?|francs?|crowns?|rupees?|yen|bucks"
_MONEY = "costs?|prices?|fees?|fares?|rent|premium|deposit|bill|salary|wages?|pays?|paid|charged?"
_AMOUNT = rf"""
    [$€£¥₹] | \b(?:free|gratis|{_CURRENCY})\b
    | \b\d[\d.,]*(?:[.,]\d\d|[.,]\d{{3}}|k)\b           # 6.50, 1,480, 3k
    | \b\d[\d.,]*\ ?(?:{_CURRENCY}|an?|per|each|/)\b    # 25 a month
    | \b(?:{_MONEY})\b\W+(?:\w+\W+){{0,3}}\d[\d.,]* | \d\W+(?:\w+\W+){{0,2}}(?:{_MONEY})\b
"""
_NUMBER = r"""
    \b\d[\w.,]* | [½¼¾⅓⅔∞]
    | \b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|fifteen|twenty|thirty|forty|fifty|sixty|ninety
    |hundreds?|thousands?|millions?|billions?|dozens?|half|quarter|single|double|both|couple|pair|several|few|once|twice
    |thrice|none|no|never|zero|every|each|all|always|unlimited|forever|overnight|hourly|daily|weekly|monthly|yearly
    |annually)\b
    | \ban?\ (?:\w+\ )?(?:second|minute|hour|day|night|week|month|year|decade|century|lifetime)\b
"""
_TIME = rf"""
    {_NUMBER}
    | \b(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?
    |nov(?:ember)?|dec(?:ember)?|(?:mon|tues|wednes|thurs|fri|satur|sun)days?|spring|summer|autumn|fall|winter|christmas
    |easter|dawn|morning|noon|afternoon|evening|night|midnight|yesterday|today|tomorrow|now|soon|early|later?|before
    |after|since|until|till|when|whenever|if|during|while|beginning|start|end)\b
"""
# a name has a capital; who has none in notes is called by what they are
_NAME = r"""
    \b[A-ZÀ-Þ][\w'’-]*
    | \b(?:me|we|us|my|our|you|your|mum|mom|dad|(?:grand)?(?:mother|father|parents|ma|pa)|brother|sister|uncle|aunt|wife
    |husband|son|daughter|neighbou?rs?|landlord|doctor|dentist|teacher|boss|manager|plumber|people|team|users?|admins?
    |authors?|owners?|(?:every|any|some|no)(?:one|body))\b
"""


@dataclass(frozen=True)
class AnswerType:
    """A kind of thing: its name, a pattern of the questions that ask for it, and one of what it looks like."""

    name: str
    asked: re.Pattern[str]
    held: re.Pattern[str]

    def is_in(self, section: Chunk, question: str) -> bool:
        """Whether a section holds such a thing that the question has not itself. The addresses of its links do not
        count, nor names in its heading, where many words have a capital."""
        text = section.text if self is _PERSON else f"{section.heading_path[-1]}\n{section.text}"
        known = set(words(question))
        known = known | STOP_WORDS if self is _PERSON else {word for word in known if word[0].isdigit()}
        return any(known.isdisjoint(words(found.group())) for found in self.held.finditer(_without_addresses(text)))


def _without_addresses(text: str) -> str:
    return MARKDOWN_LINK.sub(r"\1", text)


_PERSON = AnswerType(
    "name",
    re.compile(r"(?:^|[,;:]\ ?|\b(?:and|from|to|with|by|of)\ )[Ww]ho(?:m|se)?\b", re.X),
    re.compile(_NAME, re.X),
)
#: The first that fits counts.
_TYPES = (
    AnswerType(
        "price",
        re.compile(
            r"""\b(?:what|how\ much)\ (?:do|does|did|will|would)\ .*\b(?:cost|charge)\b
            | \bhow\ (?:much|expensive)\ (?:is|are|was|were)\ .*\b(?:rent|tickets?|bill|deposit|fine|licen[cs]e)\b
            | \bhow\ expensive\b | \bhow\ much\b.*\b(?:pay|paid|costs?|charged?)\b
            | \b(?:price|cost|fees?|fare|rent|premium|deposit|salary)\ (?:of|for|per)\b
            | ^(?:\S+\ ){1,3}price\W*$                    # typed as to a search engine
            """,
            re.I | re.X,
        ),
        re.compile(_AMOUNT, re.I | re.X),
    ),
    AnswerType(
        "date or time",
        re.compile(
            r"""(?:^|[,;:]\ ?|\b(?:and|since|until|by)\ )when\ (?:is|are|was|were|did|does|will|has|have)\b
            | \b(?:what|which)\ (?:time|date|day|month|year|season)\b | \bopening\ hours\b""",
            re.I | re.X,
        ),
        re.compile(_TIME, re.I | re.X),
    ),
    AnswerType(
        "number",
        re.compile(
            r"""(?<!matter\ )(?<!know\ )
            \bhow\ (?:many|much|long|old|far|often|tall|deep|big|large|high|heavy|thick|fast|wide|hot|warm|cold)\b
            | \b(?:what|which)\ (?:percentage|temperature|dose|dosage|version|port)\b | \b(?:tele)?phone\ number\b""",
            re.I | re.X,
        ),
        re.compile(_NUMBER, re.I | re.X),
    ),
    _PERSON,
)


def asked_type(question: str) -> AnswerType | None:
    """The kind of thing that a question asks for; None where its words do not tell."""
    return next((kind for kind in _TYPES if kind.asked.search(question)), None)
