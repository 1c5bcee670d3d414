"""The words that carry facts, and those that carry none: English, written for this project."""

from __future__ import annotations

import re

_SAME = """
while whilst | until till | which that who whom | toward towards | among amongst amid | though although despite
in at on upon within inside into onto | of 's | and & plus | a an the this these those its it | because since as
also too additionally | is are was were be been being am 's 're 'm | has have had having 've | do does did doing
can could able | will shall would 'll 'd | may might perhaps maybe possibly | whether if | each every
thus therefore hence so consequently | but however yet | about regarding concerning | via through by
when whenever | more further | anyone anybody
someone somebody | everyone everybody | only just merely solely | nearly almost | often frequently | across throughout
beside besides | around round | nowadays currently presently now | such like | need must have_to | very really quite
"""
_STOP = """
a an the this these those which that who whom whose it its itself and & also too additionally there here then so thus
therefore hence consequently but however yet while whilst whereas because since though although if whether is are was
were be been being am has have had having do does did doing can could able will shall would may might perhaps maybe
possibly should let 's 're 'm 've 'll 'd in at on upon within inside into onto of as such like about regarding
concerning very really quite just merely simply please well now nowadays currently presently still even rather
i me my mine you your yours we us our ours they them their theirs he him his she her hers one's oneself himself
herself themselves yourself ourselves myself any what when where why how been else own same other another both each
every anyone anybody someone somebody everyone everybody plus via through with by for from to across around round
along per among amongst amid toward towards until till beside besides than out up down off upon though nearly almost
often frequently thereby therein thereof moreover furthermore namely indeed actually basically e.g eg i.e ie etc
"""
_LINKS = "to from by for with as than between through about per of after before during since until against".split()

# Members of one row say different things: a "/" divides the sides, a space the words that say the same.
_OPPOSED = """
more greater / less fewer
most / least
higher / lower
high / low
larger bigger / smaller
large big / small little
longer / shorter
long / short
older / younger
old / new
faster quicker / slower
fast quick / slow
better / worse
best / worst
stronger / weaker
strong / weak
easier / harder
easy / hard difficult
early / late
earlier / later
sooner / later
before / after
above / below
over / under
inside within / outside
in into / out
up / down
on / off
left / right
front / back
top upper / bottom lower
north northern / south southern / east eastern / west western
northeast / northwest / southeast / southwest
first / last
first / second / third / fourth / fifth
former / latter
previous / next
past / future
maximum max maximal / minimum min minimal
maximise maximize / minimise minimize
increase rise grow raise / decrease fall shrink reduce drop
add / remove subtract
include / exclude
accept / reject refuse
allow permit / forbid prohibit deny disallow
enable / disable
open / close
start begin / stop end finish
create / delete destroy
push / pull
read / write
import / export
input / output
upload / download
encode / decode
encrypt / decrypt
lock / unlock
install / uninstall
send / receive
buy purchase / sell
win / lose
pass / fail
gain / loss
profit / loss
true / false
yes / no
positive / negative
right correct valid / wrong incorrect invalid
possible / impossible
legal / illegal
same identical / different other another
similar / different
public / private
internal / external
local / global remote
client / server
parent / child
mother / father
son / daughter
brother / sister
husband / wife
king / queen
man men boy / woman women girl
male / female
he him his himself / she her hers herself
alive / dead
born / died die
hot warm / cold cool
wet / dry
light / dark
black / white
full / empty
rich / poor
love like / hate dislike
friend / enemy
attack / defend
ancestor / descendant
teacher / student
employer / employee
winner / loser
ascending / descending
horizontal / vertical
odd / even
prefix / suffix
row / column
synchronous / asynchronous
mutable / immutable
safe / unsafe dangerous
day / night
summer / winter / spring / autumn
monday / tuesday / wednesday / thursday / friday / saturday / sunday
always / never / sometimes / often / rarely seldom
all every each / some / none / most / few / many / several
any / none
much / little
at_least / at_most
can could able may might / must need / should
and / or
for / against
with / without
from / to
what how / when / where / why / who whom whose
cause / prevent
help / harm
advantage benefit / disadvantage drawback
pro / con
strength / weakness
support / oppose
agree / disagree
arrive / leave depart
appear / disappear
expand / contract
simple / complex complicated
cheap / expensive
near close / far
major / minor
active / passive
static / dynamic
lossy / lossless
minute / hour / day / week / month / year / decade / century
"""
# Said on one side alone these change what is claimed.
_STRONG = frozenset("only never always all none without except unless half at_least at_most must most least or".split())

NEGATIONS = frozenset(
    "not no never none nobody nothing nowhere neither nor without cannot unable hardly barely scarcely lack lacks "
    "lacked lacking except unless fail fails failed failing refuse refuses refused deny denies denied".split()
)
MARKERS = frozenset(
    # German, French, Spanish and Portuguese, Italian, Dutch, Nordic, Polish and Czech, Russian and Ukrainian
    "nicht kein keine keinen keinem keiner nie niemals niemand nichts weder ohne pas jamais aucun aucune rien nunca "
    "jamás ningún ninguno ninguna nada nadie tampoco não nem nenhum nenhuma ninguém sem nessun nessuno nessuna niente "
    "senza niet geen nooit niemand niets zonder inte ingen inget aldrig utan ikke aldri uden uten nigdy "
    "żaden nikdy není "
    "не нет ни никогда без нельзя ні немає ніколи ніхто "
    # Turkish, Greek, Hebrew, Arabic, Persian, Hindi, Indonesian, Vietnamese, Chinese (Japanese) signs
    "değil yok hiç asla δεν μην όχι χωρίς לא אין בלי לא لا لم لن ليس ليست غير بدون نه نیست नहीं मत बिना tidak "
    "bukan jangan tanpa không chưa 不 没 沒 无 無 未 非 勿 莫 否 别 別 一 二 三 四 五 六 七 八 九 十 百 千 万 億 亿 零 "
    # number words
    "zwei drei vier fünf sechs sieben acht neun zehn elf zwölf zwanzig hundert tausend deux trois quatre cinq sept "
    "huit neuf vingt cent mille tres cuatro cinco siete ocho nueve diez veinte cien".split()
)
"""Negations and number words of other languages."""

NEGATING = ("un", "non", "in", "im", "ir", "il", "dis", "mis", "anti", "de", "counter", "ab")

MONTHS = {
    name: number
    for number, names in enumerate(
        "january jan|february feb|march mar|april apr|may|june jun|july jul|august aug|september sep sept|"
        "october oct|november nov|december dec".split("|"),
        1,
    )
    for name in names.split()
}
SMALL = {
    word: value
    for value, word in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
        "seventeen eighteen nineteen".split()
    )
} | {word: 10 * tens for tens, word in enumerate("twenty thirty forty fifty sixty seventy eighty ninety".split(), 2)}
SCALES = {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9, "trillion": 10**12}
ORDINALS = {
    word: value
    for value, word in enumerate(
        "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth "
        "fifteenth sixteenth seventeenth eighteenth nineteenth twentieth".split(),
        1,
    )
}
_UNITS = """
% percent pct percentage | $ dollar dollars usd | € euro euros eur | £ gbp | ¥ yen jpy | ₹ rupee rupees inr
mm millimeter millimeters millimetre millimetres | cm centimeter centimeters centimetre centimetres
m meter meters metre metres | km kilometer kilometers kilometre kilometres kms | mi mile miles
ft foot feet | inch inches | yd yard yards | acre acres | ha hectare hectares
mg milligram milligrams | g gram grams gramme grammes | kg kilogram kilograms kilo kilos | t ton tons tonne tonnes
lb lbs pound pounds | oz ounce ounces | ml milliliter milliliters millilitre millilitres
l liter liters litre litres | gal gallon gallons | ns nanosecond nanoseconds | µs us microsecond microseconds
ms millisecond milliseconds | s sec secs second seconds | min mins minute minutes | h hr hrs hour hours | day days
week weeks | month months | year years yr yrs | decade decades | century centuries
bit bits | byte bytes | kb kilobyte kilobytes | mb megabyte megabytes | gb gigabyte gigabytes | tb terabyte terabytes
kib | mib | gib | hz hertz | khz kilohertz | mhz megahertz | ghz gigahertz | w watt watts | kw kilowatt kilowatts
mw megawatt megawatts | v volt volts | °c celsius | °f fahrenheit | ° degree degrees | mph | kmh kph
px pixel pixels
"""


def _rows(table: str) -> list[list[str]]:
    return [row.split() for line in table.strip().splitlines() for row in line.split("|")]


UNITS = {name: row[0] for row in _rows(_UNITS) for name in row}
"""Name of a unit after a number → its canonical name."""

STOPS = frozenset(_STOP.split())
"""Words that may come and go without a change of fact."""

LINKS = frozenset(_LINKS)
"""Prepositions that say in which role what follows stands."""

_PHRASES = """
as well as: and | in order to: to | so as to: to | in case: if | as long as: if | for instance: for example
out of: from | along with: with | together with: with | prior to: before | have to: must | has to: must
need to: must | ought to: should | a few: some | a couple of: some | lots of: many | a lot of: many
plenty of: many | or else: or | due to: because | because of: because | owing to: because | such as: like
in addition: also | as a result: so | even though: though | with regard to: about | in regard to: about
with respect to: about | in spite of: despite | by means of: via | so that: that | not any: no | all of: all
at the moment: now | right now: now | is able to: can | are able to: can | be able to: can | at no time: never
in front of: before | instead of: rather than | in the event that: if | each of: each | some of: some
for the purpose of: for | at all times: always | at this point: now | in place of: rather than
"""
PHRASES = dict(row.strip().split(": ") for row in _PHRASES.replace("\n", "|").split("|") if row.strip())
"""Several function words → the one that says the same."""

_LONGEST_FIRST = (said.replace(" ", r"\s+") for said in sorted(PHRASES, key=len, reverse=True))
PHRASE = re.compile(r"(?<![\w'-])(?:" + "|".join(_LONGEST_FIRST) + r")(?![\w'-])", re.IGNORECASE)

CONTRACTED = {"won't": "will", "can't": "can", "shan't": "shall", "ain't": "is"}
"""Contractions with "not" → their verb, where it is more than what stands before n't."""

BARE = {f"{verb}nt": verb for verb in "do does did is are was were has have had could would should need".split()}
BARE |= {"cannot": "can", "cant": "can", "wont": "will"}
"""Contractions with "not" written without an apostrophe → their verb."""

_US = (
    (re.compile(r"(?<=\w\w\w)our(?=(s|ed|ing|er|ers|ful|less|able|ite|ites|hood|al)?$)"), "or"),
    (re.compile(r"(?<=\w\w\w)is(?=(e|es|ed|ing|er|ers|ation|ations)$)"), "iz"),
    (re.compile(r"(?<=\w\w)ys(?=(e|es|ed|ing|er|ers)$)"), "yz"),
    (re.compile(r"(?<=\w\w)tre(?=s?$)"), "ter"),
    (re.compile(r"(?<=\w\w)ogue(?=s?$)"), "og"),
    (re.compile(r"(?<=[aeiou])ll(?=(ed|ing|er|ers|or|ors)$)"), "l"),
    (re.compile(r"(?<=\w\w)ence(?=s?$)"), "ense"),
    (re.compile(r"ae|oe(?=[dlmnst])"), "e"),
)
_ODD = {"grey": "gray", "programme": "program", "programmes": "programs", "tyre": "tire", "tyres": "tires"}
_ODD |= {"judgement": "judgment", "ageing": "aging", "cheque": "check", "cheques": "checks", "whisky": "whiskey"}
_ODD |= {"sceptical": "skeptical", "aluminium": "aluminum", "learnt": "learned", "spelt": "spelled", "burnt": "burned"}
_ODD |= {"ok": "okay", "alright": "okay", "thru": "through", "travelled": "traveled", "modelling": "modeling"}


def spelling(word: str) -> str:
    """One spelling for the British and the American form of a lower-case word."""
    if word in _ODD:
        return _ODD[word]
    if len(word) > 4:
        for british, american in _US:
            word = british.sub(american, word)
    return word


def stem(word: str) -> str:
    """A word without the endings of number, tense and person; for comparing, not for reading."""
    for ending, put in (("ies", "y"), ("ied", "y"), ("sses", "ss"), ("ing", ""), ("ed", ""), ("es", ""), ("s", "")):
        if word.endswith(ending) and len(word) - len(ending) >= 3 and not word.endswith(("ss", "us", "is")):
            word = word[: len(word) - len(ending)] + put
            break
    if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "sleo":
        word = word[:-1]
    return word[:-1] if len(word) > 3 and word[-1] == "e" else word


def _first_of_rows() -> dict[str, str]:
    out: dict[str, str] = {}
    for row in _rows(_SAME):
        for name in row:
            out.setdefault(name, row[0])
    return out


SAME = _first_of_rows()
"""Function word → the one that stands for all that say the same."""


def _sides() -> dict[str, tuple[tuple[int, int], ...]]:
    out: dict[str, tuple[tuple[int, int], ...]] = {}
    for number, line in enumerate(_OPPOSED.strip().splitlines()):
        for side, words in enumerate(line.split("/")):
            for name in words.split():
                place = (number, side)
                for form in {name, stem(name)}:
                    out[form] = (*(p for p in out.get(form, ()) if p != place), place)
    return out


SIDES = _sides()
"""Word or stem → (row, side) of each row of opposites that it stands in."""


def opposed(a: str, b: str) -> bool:
    """Whether two lower-case words say opposite or exclusive things: more/less, before/after, valid/invalid."""
    for first in SIDES.get(a) or SIDES.get(stem(a), ()):
        for second in SIDES.get(b) or SIDES.get(stem(b), ()):
            if first[0] == second[0] and first[1] != second[1]:
                return True
    return negated(a, b) or negated(b, a)


def negated(plain: str, other: str) -> bool:
    """Whether ``other`` is ``plain`` with a negating prefix, or -less for -ful."""
    if other.endswith("less") and plain.endswith("ful") and plain[:-3] == other[:-4]:
        return True
    return len(plain) > 3 and other.endswith(plain) and other[: -len(plain)].rstrip("-") in NEGATING


def strong(word: str) -> bool:
    """Whether a word changes what is claimed when it stands on one side alone."""
    return word in _STRONG


def known(word: str) -> bool:
    """Whether a lower-case word stands in one of the lists here."""
    return word in SAME or word in STOPS or word in SIDES or word in SMALL or word in NEGATIONS
