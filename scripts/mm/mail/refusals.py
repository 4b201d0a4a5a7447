"""What a mail server's refusal is about: the sender, whom every mail would meet, or one recipient."""

import re
from enum import Enum

# Servers write 5.1.1, (#5.1.1) or '5.1.1; the number of a machine is no code.
_ENHANCED_CODE = re.compile(r"(?<![\w.])[45]\.\d{1,3}\.\d{1,3}(?![\w.]*\d)")
# RFC 3463 and the registry that RFC 5248 began; 5.1.10 is RFC 7505's and Exchange's.
_CODES_OF_DEAD = re.compile(r"5\.1\.(?:[1236]|10)|5\.2\.1")
_CODES_OF_FULL = re.compile(r"[45]\.2\.2")
# Sizes (5.2.3, 5.3.4), contents (5.6.x), security and policy (5.7.x), but for what servers use for anything
# (5.7.0 to 5.7.2) and for recipients who do not take everybody's mail. 5.4.5 is Gmail's daily limit.
_CODES_OF_SENDER = re.compile(r"[45]\.(?:1\.[789]|2\.3|3\.4|4\.5|6\.\d+|7\.(?![0-2]$|1[78]$|1\d\d$)\d+)")
_CODES_OF_RECIPIENT = re.compile(r"5\.1\.[45]|5\.2\.\d+|5\.4\.[14]|5\.7\.(?:17|18|1\d\d)")
# A login is needed, too weak or wrong, or must be encrypted: RFC 4954.
_REPLIES_OF_SENDER = ("530", "534", "535", "538")


def _any(*phrases: str) -> re.Pattern[str]:
    return re.compile("|".join(phrases), re.IGNORECASE)


_PERSON = r"(?:user|user ?name|mailbox|recipient|recipient name|addressee|account|address|e-?mail|alias)s?"
_HOST = r"(?:domain|host|hostname|domain name)"
_NOT_THERE = (
    r"(?:unknown|invalid|non-?existent|not (?:a )?(?:known|valid|found|recognized|exist)"
    r"|no longer (?:valid|active|available|exists?|in use|on (?:this )?server)"
    r"|(?:could ?n[o']t|could not|cannot|can't) be found|(?:do|does|did)(?: not|n't) exist)"
)
_CLOSED = r"(?:disabled|deactivated|discontinued|closed|deleted|removed|terminated|inactive|expired)"
# Whatever stands between the two words of a sentence.
_WITHIN = r"(?:(?!\. |;).){0,80}?"
_WORDS_OF_DEAD = _any(
    rf"\b(?:unknown|invalid|illegal|no such|non-?existent|unroute?able|inactive|disabled) "
    rf"(?:or \w+ )?(?:e-?mail |local |recipient )?{_PERSON}\b",
    rf"\b{_PERSON}\b{_WITHIN}\b{_NOT_THERE}\b",
    rf"\b{_PERSON}\b{_WITHIN}\b(?:is|was|been) (?:permanently )?{_CLOSED}\b",
    rf"\bno {_PERSON} (?:here|found|by that name)|\bno (?:one|such (?:person|{_HOST}))\b",
    rf"\bunknown {_HOST}\b|\b{_HOST} (?:is )?(?:unknown|not found)\b",
    rf"\b{_HOST}\b{_WITHIN}\bdoes(?: not|n't) exist",
    r"\bnxdomain\b|\bnull mx\b|\bno mx record|\bno smtp service|\bfind (?:a mail exchanger|any host)",
    r"\bdoes(?: not|n't) have an? \S+ account|\bnot (?:our|a) (?:user|customer)\b",
    r"\brecip(?:ient)?notfound\b|\bnot listed in [\w' &]{0,40}(?:directory|address book)",
    r"\b(?:account|user|recipient) has moved\b|^\d{3} (?:\S*<address>\S* )?unknown\b",
)
# Not about this address for good, whatever the code says.
_WORDS_OF_DOUBT = _any(
    r"temporar", r"\btry (?:again|later)|\blater\b", r"\bat a rate\b|too quickly", "preference"
)
_WORDS_OF_FULL = _any(
    r"\bover ?quota|\bquota (?:violation|is)|\bexceed\w*[^.;]{0,40}\bquota|\bquota\b[^.;]{0,40}\bexceed",
    r"\b(?:mailbox|inbox|folder|mailfolder|account)\b[^.;]{0,40}\bfull\b|\bfull mailbox|\bout of storage",
    r"\b(?:insufficient|exceeded) (?:\w+ )?(?:storage|disk)",
)
# These are about the sender even beside the code of an unknown user.
_WORDS_ABOUT_SENDERS = _any(
    r"\bsender (?:address|domain|host|ip|verify|rejected|denied|blocked)",
    r"\bdomain of sender|\bmail ?from\b|\bfrom:",
)
# Where the code leaves it open, such as 5.7.1 (policy) or none at all, servers say it in words.
_WORDS_OF_SENDER = _any(
    r"authenticat|not (?:yet |been )?verified|verif(?:y|ication) failed|\brelay|rcpthosts",
    r"\b(?:daily|hourly|monthly|sending|outgoing|rate)\b.*\b(?:limit|quota)|\bfrequency limit|too many",
    r"\bsend (?:mail )?(?:as|from)\b|\bmessages from\b|\baccess to submit\b|\bsender\b",
    r"client host|block(?:ed)? using|black ?list|block ?list|\bbanned\b|\breputation\b|\bspamhaus\b",
    r"(?<!account is )\bblocked\b|\bhost network|\bip(?:=| frequency)|\b(?:sending|source|client|the) ip\b",
    r"\byour (?:ip|host|server|account|domain|access|network|message was rejected)\b",
    r"\breverse dns|\brdns\b|\bdns (?:ptr|record)|\bptr\b|\bspf\b|\bdkim\b|\bdmarc\b|\bdomain \[",
    r"\bpolic(?:y|ies)\b|\bsecurity\b|\bspam|\bunsolicited|\bube\b|\bvirus|\bmalware|\bphishing",
    r"\bcontent\b|\battachment|\bsize\b|\btoo (?:large|big|long)\b|\bheaders? (?:error|are)\b",
)
_WORDS_OF_RECIPIENT = _any(
    r"\b(?:user|mailbox|recipient|inbox)\b", "unknown", "no such", "not exist", "undeliverable"
)

# Exchange and Zoho call whatever another server said an unknown recipient, and then repeat it.
_RETOLD = re.compile(r"^.*(?: -> |ERROR_CODE :)")


class About(Enum):
    """What a refusal is about.

    SENDER: the sender, the mail's content or size, or how many there were. DEAD: the address, to which no
    mail can be delivered for good. FULL: its full mailbox. RECIPIENT: the recipient in another way. OPEN: its
    words do not tell.
    """

    SENDER = 1
    DEAD = 2
    FULL = 3
    RECIPIENT = 4
    OPEN = 5


def about(answer: str, status: str = "") -> About:  # noqa: PLR0911 - one for each row of the table
    """Return what a refusal is about, as far as its codes, and then its words, tell.

    answer: the server's reply, its code first. status: what the report about it says, such as 5.1.1; the code
    in the reply is nearer to what happened.
    """
    answer = _RETOLD.sub("", answer)
    code = re.sub(r".\.0\.0", "", code_in(f"{answer} {status}") or "")
    if answer.startswith(_REPLIES_OF_SENDER) or _CODES_OF_SENDER.fullmatch(code):
        return About.SENDER
    if _CODES_OF_FULL.fullmatch(code):
        return About.FULL
    says_dead = _WORDS_OF_DEAD.search(answer) is not None
    says_sender = _WORDS_OF_SENDER.search(answer) is not None
    if _WORDS_ABOUT_SENDERS.search(answer):
        return About.SENDER
    if _WORDS_OF_FULL.search(answer) and not (says_sender and not code):
        return About.FULL
    if not (_WORDS_OF_DOUBT.search(answer) or re.match(r"4\d\d\b", answer)):
        if _CODES_OF_DEAD.fullmatch(code) and (says_dead or not says_sender):
            return About.DEAD
        if says_dead and not says_sender and not code.startswith(("5.7.", "4.")):
            return About.DEAD
    if says_sender and not _CODES_OF_RECIPIENT.fullmatch(code):
        return About.SENDER
    is_recipients = _CODES_OF_RECIPIENT.fullmatch(code) or _WORDS_OF_RECIPIENT.search(answer)
    return About.RECIPIENT if is_recipients else About.OPEN


def code_in(text: str) -> str | None:
    """Return a text's first code such as 5.1.1, or 5.0.0 where no other is in it; None: it has none."""
    codes = _ENHANCED_CODE.findall(text)
    return min(codes, key=lambda code: code.endswith(".0.0"), default=None)


def without_particulars(answer: str) -> str:
    """Return a reply's codes and words without hosts, ids and numbers, which differ from mail to mail."""
    reply, *words = answer.lower().split()
    kept = (
        word
        for word in (word.strip(".,;:!?()[]<>\"'") for word in words)
        if _ENHANCED_CODE.fullmatch(word) or not re.search(r"\d|\w[.:/]+\w", word)
    )
    return " ".join((reply, *kept))
