"""Whether a verbatim passage can stand as an answer without the text around it."""

from __future__ import annotations

import re

from datagen.generate.extract.inline import count_words

MIN_WORDS = 4
MAX_WORDS = 220
MAX_CHARACTERS = 2400

_DANGLING_START = re.compile(
    r"(?:this|that|these|those|it|its|it's|they|their|them|he|she|his|her|we|our|i|there|here|however|but|and|or|"
    r"so|also|thus|"
    r"then|therefore|hence|see|such|another|both|neither|otherwise|instead|similarly|finally|additionally|moreover|"
    r"furthermore|likewise|nevertheless|consequently|accordingly|for example|for instance|for this|for these|for that|"
    r"in this|in that|in these|in those|in such|in other words|in addition|in contrast|in particular|on the other|"
    r"as above|as before|as a result|as such|as mentioned|as noted|note|again|besides|meanwhile|still|yet|because "
    r"of this|"
    r"first|second|secondly|third|next|lastly|later|now|todo|tbd|n/a|none|same as|as described|as shown|with this|"
    r"by doing|at this point|even so|even then|that said|of course|obviously|unfortunately|fortunately|once again|"
    r"to do this|to do that|to do so|when this|if this|if so|if not|like this|most of|some of|all of|each of|one "
    r"of these|"
    r"the above|the following|the former|the latter|the same|the other|the rest|the previous|the next|the example|"
    r"the code|the first|the second|the third|the result is|the author|the reason|the problem|the idea|the point|"
    r"what|which|who|why|how)\b",
    re.I,
)
_POINTS_ELSEWHERE = re.compile(
    r"\b(?:(?:as|the|see|listed|shown|described|mentioned|discussed|defined|given|noted|example|section|table|"
    r"figure|from|"
    r"explained|code|list|presented|specified|outlined|documented|in|than|steps?|one|ones)\s+(?:above|below)|"
    r"above[ -]mentioned|"
    r"aforementioned|aforesaid|"
    r"(?:the|these|those) (?:following|preceding|previous|aforementioned|examples?)|(?:previous|next|preceding|"
    r"following|last|"
    r"first|earlier|later|other) (?:section|chapter|example|paragraph|table|figure|page|slide|pep|point|step|"
    r"sentence)s?|"
    r"(?:this|these) (?:section|chapter|paragraph|table|figure|page|slide|example|document|article|list|code|"
    r"snippet|draft|"
    r"proposal|notebook|post)s?|mentioned (?:earlier|before)|(?:discussed|described|covered|explained|defined|noted) "
    r"(?:earlier|later|elsewhere|here)|see (?:also|section|below|above|appendix|figure|table|the|\[)|cf\.|click here|"
    r"(?:and|or) so on:|as follows)\b"
    r"|\b(?:above|below)\b(?!\s+(?:\d|the\b|an?\b|zero\b|it\b|this\b|that\b|all\b|average\b|which\b|\S{1,6}%))"
    r"|\bwe(?:'ve| have)? (?:just|saw|seen|learned|discussed|explored|described|covered|will see|'ll see)\b|\bso far\b"
    r"|\b(?:first|second|third|latter|former|previous|other) (?:case|option|approach|form|problem|method|one|kind|"
    r"way)\b",
    re.I,
)
_FOOTNOTE = re.compile(
    r"\[(?:\^[^\]\n]{1,30}|#?\w{0,20}|\d{1,3})\]_|\[\^[^\]\n]{1,30}\]|(?<=[\w.,;)`])[ ]?\[\d{1,3}\](?![(\w])|"
    r"\[citation needed\]|\]\[[^\[\]\n]{0,80}\]"
)
_ROLE = re.compile(r":[a-z]{2,12}(?::[a-z]{2,12})?:`|\|\w{1,30}\||\]_|`_|^\.\. ", re.M)
_TEMPLATE = re.compile(r"\{\{|\{%|<%|\$\{\w|</?[a-z]{1,12}(?:>|/>| [a-z]{2,12}=)", re.I)
_URL = re.compile(r"(?:https?://|www\.)\S{1,500}|\]\([^()\s]{1,500}\)")
_CODE = re.compile(r"(?ms)^[ \t]*(```+|~~~+).*?^[ \t]*\1[ \t]*$|`[^`\n]{1,300}`")
_FIRST_CASE = re.compile(r"[A-Z0-9`\"“*_\[(<$#|\-‘']")
_GOOD_ENDS = (".", "!", "?", ".)", '."', ".”", ".'", ".`", ".**", ".*", "`", ")", "”", '"')
_MONOLOGUE = re.compile(r"\b(?:I|I'm|I've|I'd|I'll|my|me)\b")


def without_code(text: str) -> str:
    """The text with code blocks and code spans blanked, for checks that concern prose."""
    return _CODE.sub(" x ", text) if "`" in text or "~~~" in text else text


def clean(answer: str) -> bool:
    """What every answer must be: of sensible size, complete in its markup, not mostly links."""
    count = count_words(answer)
    if not MIN_WORDS <= count <= MAX_WORDS or len(answer) > MAX_CHARACTERS:
        return False
    if not balanced(answer):
        return False
    prose = without_code(answer)
    if "![" in prose or _FOOTNOTE.search(prose) or _ROLE.search(prose) or _TEMPLATE.search(prose):
        return False
    linked = sum(m.end() - m.start() for m in _URL.finditer(prose))
    letters = sum(c.isalpha() for c in answer)
    return linked <= 0.3 * len(answer) and letters >= 0.5 * sum(not c.isspace() for c in answer)


def stands_alone(answer: str) -> bool:
    """Whether prose can be understood, and is finished, without its surroundings."""
    text = answer.strip()
    prose = without_code(text)
    opening = prose.lstrip("*_\"“'(")
    if _DANGLING_START.match(opening) or not _FIRST_CASE.match(text):
        return False
    if text.endswith((":", "…", "...", ",", ";", "e.g.", "i.e.")) or not text.endswith(_GOOD_ENDS):
        return False
    return not _POINTS_ELSEWHERE.search(prose) and not _MONOLOGUE.search(prose)


def points_elsewhere(answer: str) -> bool:
    """Whether the text leans on something outside itself ("the table below", "see above")."""
    return _POINTS_ELSEWHERE.search(without_code(answer)) is not None


def dangling(answer: str) -> bool:
    """Whether the text opens with a word that refers to what came before."""
    return _DANGLING_START.match(answer.lstrip("*_\"“'( ")) is not None


def balanced(text: str) -> bool:
    """Whether backticks, bold marks, brackets and double quotes come in pairs (outside code)."""
    if text.count("```") % 2 or text.count("`") % 2:
        return False
    prose = without_code(text)
    if prose.count("**") % 2 or prose.count("“") != prose.count("”") or prose.count('"') % 2:
        return False
    return prose.count("(") == prose.count(")") and prose.count("[") == prose.count("]")
