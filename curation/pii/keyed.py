"""Numbers that only the words before them tell: passports, licences, accounts, records; births, ages, other dates."""

from __future__ import annotations

import re
from collections.abc import Iterator

from curation.pii import checks
from curation.pii.page import Found, Page

_KEYS = re.compile(
    r"(?P<PASSPORT>passport|reisepass|pasaporte|passeport)|"
    r"(?P<DRIVER_LICENSE>driv(?:er|ing)['’]?s?[ _-]?(?:licen[cs]e|permit)|\bdriver[ _]lic\b|"
    r"\bDLN?\b(?=\s*(?:#|:|no|num))|führerschein|permis de conduire|licen[cs]e (?:number|no))|"
    r"(?P<MEDICAL_RECORD_NUMBER>\bMRN\b|medical[ _]record|patient[ _-]?(?:id|no|number|identifier)|"
    r"chart (?:no|number)|hospital (?:no|number))|"
    r"(?P<HEALTH_PLAN_ID>health[ _-]?(?:plan|insurance)|insurance (?:id|number|no|policy|member)|medicare|"
    r"medicaid|member[ _-]?(?:id|number|no)|beneficiary (?:id|number|no)|krankenversicherung\w*)|"
    r"(?P<BANK_ACCOUNT>(?:bank|checking|savings|giro)[ _-]?(?:account|acct)|account[ _-]?(?:number|no|nr|#)|"
    r"\bacct\b|routing(?: (?:number|no))?|sort code|\bBIC\b|kontonummer)|"
    r"(?P<TAX_ID>tax[ _-]?(?:payer)?[ _-]?(?:id\w*|number|no|file number)|\bEIN\b|\bTIN\b|\bITIN\b|"
    r"\bVAT\b(?: (?:id|number|no|reg\w*))?|steuer(?:nummer|-?id\w*)|\bNIF\b|codice fiscale|\bUTR\b)|"
    r"(?P<NATIONAL_ID>national[ _-]?(?:id\w*|insurance)(?: (?:number|card|no))?|identity card|id[ _-]?card|"
    r"\bNINO\b|\bNHS\b(?: (?:number|no))?|aadhaa?r|\bPESEL\b|\bCPF\b|\bDNI\b|personnummer|social insurance|"
    r"\bSIN\b(?=\s*(?::|no|num|#|is))|personalausweis\w*|citizen(?:ship)? (?:id|number))|"
    r"(?P<VEHICLE_ID>\bVIN\b|vehicle identification|chassis (?:no|number)|licen[cs]e[ _-]plate|number plate|"
    r"registration plate|kennzeichen)|"
    r"(?P<DEVICE_ID>\bIMEI\b|\bIMSI\b|\bMEID\b|serial[ _](?:number|no)|device[ _-]?(?:id|serial|identifier)|\bUDID\b)|"
    r"(?P<MEDICAL_LICENSE>\bDEA\b|\bNPI\b|medical licen[cs]e|physician licen[cs]e)|"
    r"(?P<ACCOUNT_ID>(?:customer|client|employee|staff|student|policy|member(?:ship)?|loyalty|badge|case|"
    r"claim|certificate|subscriber|payroll|enrol?lment|reservation|booking)[ _-]?(?:id|no|nr|num|number|#)\b)",
    re.I,
)  # fmt: skip
_VALUE = re.compile(
    r"(?:[ _]?(?:number|card|no|nr|num|id|code|#|№|account|plate)\b\.?)*[\"'”’]?"
    r"(?:\s(?:on file|of \w+(?: \w+)?|for \w+(?: \w+)?|ending in))?\s{0,3}(?:is|was|are|:|=|#|№|-|–|→|,|\||"
    r"\()?\s{0,3}(?:is|:|#)?\s?"
    r"[\"'“‘(#]{0,2}(?P<value>[A-Za-z]{0,5}[ -]?\d[\dA-Za-z]*"
    r"(?:[-/. ][\dA-Za-z]*\d[\dA-Za-z]*){0,6}(?:-[A-Za-z])?)(?![\w@])",
    re.I,
)
_MRN = re.compile(r"(?<!\w)MRN[-_ :#]{0,3}\d{5,12}(?!\w)", re.I)
_VIN = re.compile(r"(?<!\w)(?=[A-Z]*\d)[A-HJ-NPR-Z0-9]{17}(?!\w)")
_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sep(?:t(?:ember)?)?|"
    r"oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)"
)
_DATE = re.compile(
    r"(?<![\w./-])(?:(?:1[89]|20)\d\d[-/.](?:0?[1-9]|1[0-2])[-/.](?:3[01]|[12]\d|"
    r"0?[1-9])(?:[T ]\d{1,2}:\d\d(?::\d\d)?)?|"
    r"(?:3[01]|[12]\d|0?[1-9])[-/.](?:3[01]|[12]\d|0?[1-9])[-/.](?:(?:1[89]|20)\d\d|\d\d)|"
    rf"(?:3[01]|[12]\d|0?[1-9])(?:st|nd|rd|th)?[ -](?:of )?{_MONTH}\.?,?[ -](?:1[89]|20)\d\d|"
    rf"{_MONTH}\.? (?:3[01]|[12]\d|0?[1-9])(?:st|nd|rd|th)?,? (?:1[89]|20)\d\d)(?![\w/-]|\.\d)",
    re.I,
)
_BIRTH = re.compile(
    r"\b(?:born|birth|birthday|birthdate|dob|d\.o\.b|geboren|geburtsdatum|née?|nacid[oa]|né\(e\))\b|"
    r"date[_ ]of[_ ]birth|birth_?da",
    re.I,
)
_RECORD = re.compile(
    r"\b(?:created|modified|updated|released?|version|post-history|published|since|copyright|commit|"
    r"deprecated|draft|python-version|changelog|resolution|accepted|effective|last-modified|rfc|iso)\b",
    re.I,
)
_LIFE = re.compile(
    r"\b(?:admitted|admission|discharged?|died|death|deceased|married|hired|appointment|visit(?:ed)?|surgery|"
    r"seen|treated|when|date|expir\w+|valid|started|joined)\b",
    re.I,
)
_AGE = re.compile(
    r"(?<![\w.])(?:(?:aged?|age[d:]?)\s?(?:is |of )?:?\s?(?P<a>1?\d?\d)(?![\w.%])|"
    r"(?P<b>1?\d?\d)[ -]?(?:years?|yrs?)[ -]?old\b|(?P<c>1?\d?\d)[ -]?y/?o\b)",
    re.I,
)


_TELLING_AGE = 89  # HIPAA, 45 CFR 164.514(b)(2)(i)(C): ages over 89 are identifiers


def keyed(page: Page) -> Iterator[Found]:
    """Numbers after the words that name them, and those that carry their name themselves (``MRN-…``, VINs)."""
    if not page.digits:
        return
    text = page.text
    for key in page.before_numbers(_KEYS):
        kind = key.lastgroup or ""
        match = _VALUE.match(text, key.end())
        if match is None or kind not in page.wanted:
            continue
        value = match["value"]
        characters = [c for c in value if c.isalnum()]
        if sum(c.isdigit() for c in characters) < 4 or not 5 <= len(characters) <= 24 or _DATE.fullmatch(value):
            continue
        score = 0.7
        if kind == "BANK_ACCOUNT" and len(characters) < 6:
            score = 0.3
        if page.technical(key.start()) and kind in ("ACCOUNT_ID", "DEVICE_ID", "TAX_ID"):
            score = 0.35
        yield Found(match.start("value"), match.end("value"), kind, score)
    for match in page.matches(_MRN):
        yield Found(match.start(), match.end(), "MEDICAL_RECORD_NUMBER", 0.85)
    for match in page.matches(_VIN):
        if checks.vin(match[0]) and not match[0].isdigit() and not page.technical(match.start()):
            yield Found(match.start(), match.end(), "VEHICLE_ID", 0.6)


def dates(page: Page) -> Iterator[Found]:
    """Dates of birth; other full dates, which :mod:`curation.pii.search` keeps only where they stand with a person."""
    if not page.digits:
        return
    for match in page.near_numbers(_DATE, 30, 10):
        before = page.text[max(0, match.start() - 40) : match.start()]
        if _BIRTH.search(before):
            yield Found(match.start(), match.end(), "DATE_OF_BIRTH", 0.85)
        elif _RECORD.search(before) or page.technical(match.start()):
            yield Found(match.start(), match.end(), "DATE_TIME", 0.1)
        else:
            yield Found(match.start(), match.end(), "DATE_TIME", 0.5 if _LIFE.search(before) else 0.3)


def ages(page: Page) -> Iterator[Found]:
    """Ages of people: "aged 41", "a 50 year old man"."""
    if not page.digits:
        return
    for match in page.matches(_AGE):
        years = int(match["a"] or match["b"] or match["c"])
        if 0 < years < 120:
            after = page.text[match.end() : match.end() + 24]
            human = match["a"] is None and re.match(
                r"\s?(?:man|woman|male|female|boy|girl|patient|person|student|m\b|f\b|from)", after, re.I
            )
            named = human or re.search(r"\baged\b", match[0], re.I)
            score = (0.6 if years > _TELLING_AGE else 0.35) if named else 0.25
            yield Found(match.start(), match.end(), "AGE", 0.2 if page.technical(match.start()) else score)


TYPES = frozenset(_KEYS.groupindex)
"""Types that :func:`keyed` finds."""

_SPECIAL = re.compile(
    r"\b(?:(?:diagnosed with|suffer(?:s|ing|ed) from|treated for|tested positive for|hospitali[sz]ed (?:for|"
    r"with)|history of|is on medication for|"
    r"was prescribed|patient has|living with)\s+(?:an? |the |his |her |"
    r"their )?[^\W\d_][\w-]{2,24}(?: [^\W\d_][\w-]{2,24}){0,2}|"
    r"(?:i am|i'm|he is|she is|they are|he's|she's|is|was) (?:an? )?(?:devout |practi[sc]ing |observant |"
    r"openly |also )?"
    r"(?:catholic|protestant|muslim|jewish|jew|hindu|buddhist|sikh|atheist|mormon|orthodox christian|gay|"
    r"lesbian|bisexual|transgender|homosexual|queer|"
    r"hiv[- ]positive|diabetic|pregnant|autistic|bipolar|schizophrenic|disabled|epileptic|depressed)|"
    r"(?:member of|votes? for|voted for|belongs to|supporter of|"
    r"joined) the [^\W\d_][\w-]{2,20}(?: [^\W\d_][\w-]{2,20}){0,2} (?:party|union)|"
    r"(?:trade|labou?r) union member(?:ship)?|of [^\W\d_]\w{2,15} (?:descent|ethnicity|origin)|(?:his|her|"
    r"their|my) (?:religion|ethnicity|race|sexual orientation|political affiliation) is [^\W\d_]\w{2,20})\b",
    re.I,
)  # fmt: skip


def special(page: Page) -> Iterator[Found]:
    """What GDPR's Article 9 protects, where it is said of somebody in plain words."""
    for match in page.matches(_SPECIAL):
        yield Found(match.start(), match.end(), "SPECIAL_CATEGORY", 0.2 if page.technical(match.start()) else 0.5)
