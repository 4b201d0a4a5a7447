"""What a mail server's permanent refusal is about: the sender, which every mail would get, or a recipient."""

import re
from enum import Enum

_ENHANCED_CODE = re.compile(r"(?<![\w.])5\.\d{1,3}\.\d{1,3}(?![\w.]*\d)")
# RFC 3463 and the registry that RFC 5248 began; 5.4.5 is Gmail's daily limit, and 5.7.57, .60, .64, .5xx and
# .7xx are Exchange's for senders, .1xx for recipients who do not take everybody's mail.
_CODES_OF_SENDER = re.compile(r"5\.1\.[78]|5\.4\.5|5\.7\.(?:8|9|11|13|14|2\d|57|60|64|[57]\d\d)")
_CODES_OF_RECIPIENT = re.compile(r"5\.1\.(?:[1-6]|10)|5\.2\.\d+|5\.4\.[14]|5\.7\.(?:2|17|18|1\d\d)")
# A login is needed, too weak or wrong, or must be encrypted: RFC 4954.
_REPLIES_OF_SENDER = ("530", "534", "535", "538")
# Where the code leaves it open, such as 5.7.1 (policy) or none at all, servers say it in words.
_WORDS_OF_SENDER = re.compile(
    r"authenticat|not (?:yet |been )?verified|verif(?:y|ication) failed|relay|rcpthosts"
    r"|\b(?:daily|hourly|monthly|sending|outgoing|rate)\b.*\b(?:limit|quota)"
    r"|sender (?:address|domain|host|ip|verify|rejected|denied|blocked)|send (?:mail )?(?:as|from)\b"
    r"|client host|blocked using|black ?list|block ?list|\byour (?:ip|host|server|account|domain)\b",
    re.IGNORECASE,
)
_WORDS_OF_RECIPIENT = re.compile(
    r"\b(?:user|mailbox|recipient|inbox)\b|unknown|no such|not exist|undeliverable", re.IGNORECASE
)


class About(Enum):
    """Whom a refusal is about; OPEN: its words do not tell."""

    SENDER = 1
    RECIPIENT = 2
    OPEN = 3


def about(answer: str) -> About:
    """Return whom a 5xx reply, the code first, is about, as far as its codes and words tell."""
    found = _ENHANCED_CODE.search(answer)
    code = found[0] if found else ""
    if answer.startswith(_REPLIES_OF_SENDER) or _CODES_OF_SENDER.fullmatch(code):
        return About.SENDER
    if _CODES_OF_RECIPIENT.fullmatch(code):
        return About.RECIPIENT
    if _WORDS_OF_SENDER.search(answer):
        return About.SENDER
    return About.RECIPIENT if _WORDS_OF_RECIPIENT.search(answer) else About.OPEN


def without_particulars(answer: str) -> str:
    """Return a reply's codes and words without hosts, ids and numbers, which differ from mail to mail."""
    reply, *words = answer.lower().split()
    kept = (
        word
        for word in (word.strip(".,;:!?()[]<>\"'") for word in words)
        if _ENHANCED_CODE.fullmatch(word) or not re.search(r"\d|\w[.:/]+\w", word)
    )
    return " ".join((reply, *kept))
