"""Made-up chat exports in the real formats, and writers that render any messages in each of them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

LRM, RLM, NNBSP = "\u200e", "\u200f", "\u202f"
FAMILY = "👨\u200d👩\u200d👧\u200d👦"
HEBREW = "שלום! מה שלומך היום?"
ARABIC = "أنا بخير، شكراً لك 😊"


class Msg(NamedTuple):
    """A message that was written."""

    speaker: str
    text: str
    time: datetime


IOS_GERMAN = (
    f"[24.12.23, 18:03:01] Chorgruppe: {LRM}Nachrichten und Anrufe sind Ende-zu-Ende-verschlüsselt. Niemand "
    "außerhalb dieses Chats kann sie lesen oder anhören.\r\n"
    "[24.12.23, 18:03:11] Ann: Kommst du heute?\r\n"
    "[24.12.23, 18:04:00] Bö Müller: Ja: um acht.\nIch bringe mit:\n- Wein\n\n- Brot\r\n"
    f"{LRM}[24.12.23, 18:05:00] Ann: {LRM}Bild weggelassen\r\n"
    f"{LRM}[24.12.23, 18:05:10] Ann: {LRM}<Anhang: 00000012-PHOTO-2023-12-24-18-05-10.jpg>\r\n"
    f"[24.12.23, 18:05:30] Ann: Schau mal, der Baum {LRM}Bild weggelassen\r\n"
    f"[24.12.23, 18:06:00] Bö Müller: {LRM}Du hast diese Nachricht gelöscht.\r\n"
    f"[24.12.23, 18:06:30] Ann: Schön {FAMILY} 🎄 {LRM}<Diese Nachricht wurde bearbeitet.>\r\n"
    f"[24.12.23, 18:07:00] Bö Müller: {HEBREW}\r\n"
    f"[24.12.23, 18:07:30] Ann: {LRM}Verpasster Sprachanruf\r\n"
    f"[24.12.23, 18:08:00] Ann: {LRM}UMFRAGE:\nWann?\n{LRM}OPTION: heute (1 Stimme)\n{LRM}OPTION: morgen (0)\r\n"
    "[24.12.23, 18:09:00] Bö Müller: Bis gleich\r\n"
)
IOS_GERMAN_KEPT = [
    ("Ann", "2023-12-24T18:03:11", "Kommst du heute?"),
    ("Bö Müller", "2023-12-24T18:04:00", "Ja: um acht.\nIch bringe mit:\n- Wein\n\n- Brot"),
    ("Ann", "2023-12-24T18:05:30", "Schau mal, der Baum"),
    ("Ann", "2023-12-24T18:06:30", f"Schön {FAMILY} 🎄"),
    ("Bö Müller", "2023-12-24T18:07:00", HEBREW),
    ("Bö Müller", "2023-12-24T18:09:00", "Bis gleich"),
]
IOS_GERMAN_LEFT = {"system": 3, "media": 3, "deleted": 1}

IOS_US = (
    f"[12/24/23, 6:03:11{NNBSP}PM] Ann: {LRM}Messages and calls are end-to-end encrypted. Only people in this chat "
    "can read, listen to, or share them.\n"
    f"[12/24/23, 6:03:12{NNBSP}PM] Ann: Hi\n"
    f"{LRM}[12/24/23, 6:04:00{NNBSP}PM] Bob: {LRM}image omitted\n"
    f"[12/25/23, 12:00:05{NNBSP}AM] Bob: Midnight!\n"
    f"[12/25/23, 12:30:00{NNBSP}PM] ~{NNBSP}Cy: Noon\n"
)
IOS_US_KEPT = [
    ("Ann", "2023-12-24T18:03:12", "Hi"),
    ("Bob", "2023-12-25T00:00:05", "Midnight!"),
    ("~ Cy", "2023-12-25T12:30:00", "Noon"),
]

ANDROID = (
    "24/12/2023, 18:02 - Messages and calls are end-to-end encrypted. Only people in this chat can read, listen to, "
    "or share them. Learn more.\n"
    '24/12/2023, 18:02 - Ann created group "Trip: Rome"\n'
    "24/12/2023, 18:02 - Ann added you\n"
    "24/12/2023, 18:03 - Ann: Shall we go? 12:30 works\n"
    "24/12/2023, 18:03 - Bö Müller: <Media omitted>\n"
    "24/12/2023, 18:03 - Bö Müller: <Media omitted>\nlook: the forum\n"
    f"24/12/2023, 18:04 - Bö Müller: {LRM}IMG-20231224-WA0001.jpg (file attached)\nand this one\n"
    "24/12/2023, 18:04 - Bö Müller: <Media omitted>\nrome tickets final.pdf\n"
    f"24/12/2023, 18:05 - \u202a+49 170 1234567\u202c: Count me in <This message was edited>\n"
    "24/12/2023, 18:06 - Ann: This message was deleted\n"
    "24/12/2023, 18:06 - Bö Müller: You deleted this message\n"
    "24/12/2023, 18:06 - Ann: null\n"
    '24/12/2023, 18:07 - Ann changed the subject from "Trip: Rome" to "Trip: Milan"\n'
    "24/12/2023, 18:07 - Your security code with Ann changed. Tap to learn more.\n"
    "24/12/2023, 18:07 - Ann left\n"
    "24/12/2023, 18:08 - Bö Müller: first line\n\n24/12 is the day\n[not a header] x: y\n12:30 - Bob: quoted\n"
    "24/12/2023, 18:09 - Ann: location: https://maps.google.com/?q=41.9,12.5\n"
    f"24/12/2023, 18:10 - Ann: {ARABIC}\n"
)
ANDROID_KEPT = [
    ("Ann", "2023-12-24T18:03:00", "Shall we go? 12:30 works"),
    ("Bö Müller", "2023-12-24T18:03:00", "look: the forum"),
    ("Bö Müller", "2023-12-24T18:04:00", "and this one"),
    ("+49 170 1234567", "2023-12-24T18:05:00", "Count me in"),
    ("Bö Müller", "2023-12-24T18:08:00", "first line\n\n24/12 is the day\n[not a header] x: y\n12:30 - Bob: quoted"),
    ("Ann", "2023-12-24T18:10:00", ARABIC),
]
ANDROID_LEFT = {"system": 6, "media": 6, "deleted": 2}

# Header, and what it must mean: the styles of other regions.
HEADERS = {
    "24.12.23, 18:03 - ": "2023-12-24T18:03:00",
    "24.12.2023, 18:03 - ": "2023-12-24T18:03:00",
    "24-12-2023 18:03 - ": "2023-12-24T18:03:00",
    "24/12/23 18:03 - ": "2023-12-24T18:03:00",
    f"24/12/2023, 6:03{NNBSP}p.{NNBSP}m. - ": "2023-12-24T18:03:00",
    "24/12/23, 6:03 pm - ": "2023-12-24T18:03:00",
    "24/12/2023 à 18:03 - ": "2023-12-24T18:03:00",
    "24.12.2023 klo 18.03 - ": "2023-12-24T18:03:00",
    "2023-12-24 18:03 - ": "2023-12-24T18:03:00",
    "2023/12/24 18:03 - ": "2023-12-24T18:03:00",
    "2023/12/24 下午6:03 - ": "2023-12-24T18:03:00",
    f"٢٤{RLM}/١٢{RLM}/٢٠٢٣، ٦:٠٣ م - ": "2023-12-24T18:03:00",
    "24.12.2023, 6:03 אחה״צ - ": "2023-12-24T18:03:00",
    "[24/12/2023, 18:03:11] ": "2023-12-24T18:03:11",
    "[24/12/2023 18:03:11] ": "2023-12-24T18:03:11",
    "[2023-12-24, 18:03:11] ": "2023-12-24T18:03:11",
    "[24.12.2023 klo 18.03.11] ": "2023-12-24T18:03:11",
    f"{LRM}[24/12/23, 6:03:11{NNBSP}PM] ": "2023-12-24T18:03:11",
    f"{RLM}[٢٤/١٢/٢٠٢٣، ٦:٠٣:١١ م] ": "2023-12-24T18:03:11",
    "24.12.23 18:03:11: ": "2023-12-24T18:03:11",
}

# What stands for a deleted message and for media, by language and system.
NOTICES = {
    "deleted": (
        "This message was deleted", "You deleted this message.", "Diese Nachricht wurde gelöscht.",
        "Du hast diese Nachricht gelöscht.", "Se eliminó este mensaje.", "Eliminaste este mensaje.",
        "Ce message a été supprimé", "Vous avez supprimé ce message", "Questo messaggio è stato eliminato.",
        "Hai eliminato questo messaggio.", "Mensagem apagada", "Esta mensagem foi apagada.", "تم حذف هذه الرسالة",
        "הודעה זו נמחקה", "Bu mesaj silindi", "Bu mesajı sildiniz", "Данное сообщение удалено.",
        "Вы удалили данное сообщение",
    ),
    "media": (
        "<Media omitted>", "<Medien ausgeschlossen>", "<Multimedia omitido>", "<Médias omis>", "<Media omessi>",
        "<Mídia oculta>", "<تم استبعاد الوسائط>", "<המדיה לא נכללה>", "<Medya dahil edilmedi>", "<Без медиафайлов>",
        "<मीडिया के बिना>", "image omitted", "Sticker weggelassen", "imagen omitida", "image absente",
        "immagine omessa", "imagem não revelada", "התמונה הושמטה", "لم يتم إدراج الصورة",
        "görüntü dahil edilmedi", "изображение отсутствует", "GIF omitted", f"{LRM}<adjunto: 00000042-PHOTO-2024.jpg>",
        "STK-20230113-WA0001.webp (arquivo anexado)", "PTT-1.opus (Datei angehängt)", "doc.pdf (fichier joint)",
        "a.vcf (file attached)", "IMG-1.jpg (файл добавлен)", "VID-1.mp4 (dosya ekli)", "location: https://maps.google.com/?q=1,2",
    ),
}  # fmt: skip

TELEGRAM: dict[str, Any] = {
    "name": "Ann",
    "type": "personal_chat",
    "id": 12345,
    "messages": [
        {
            "id": 1, "type": "service", "date": "2024-05-01T10:00:00", "date_unixtime": "1714557600", "actor": "Ann",
            "actor_id": "user1", "action": "phone_call", "text": "", "text_entities": [],
        },
        {
            "id": 2, "type": "message", "date": "2024-05-01T10:01:00", "date_unixtime": "1714557660", "from": "Ann",
            "from_id": "user1", "text": "Hi Bö", "text_entities": [{"type": "plain", "text": "Hi Bö"}],
        },
        {
            "id": 3, "type": "message", "date": "2024-05-01T10:02:00", "date_unixtime": "1714557720",
            "edited": "2024-05-01T10:03:00", "from": "Bö Müller", "from_id": "user2", "reply_to_message_id": 2,
            "text": ["See ", {"type": "text_link", "text": "this page", "href": "https://example.org"}, " and ",
                     {"type": "bold", "text": "call"}, f" me {FAMILY}"],
        },
        {
            "id": 4, "type": "message", "date": "2024-05-01T10:03:00", "from": "Ann", "from_id": "user1",
            "photo": "photos/photo_1.jpg", "width": 1, "height": 1, "text": "",
        },
        {
            "id": 5, "type": "message", "date": "2024-05-01T10:04:00", "from": "Ann", "from_id": "user1",
            "photo": "photos/photo_2.jpg", "text": "with a caption",
        },
        {
            "id": 6, "type": "message", "date": "2024-05-01T10:05:00", "from": "Ann", "from_id": "user1",
            "file": "s.webp", "media_type": "sticker", "sticker_emoji": "👍", "text": "",
        },
        {
            "id": 7, "type": "message", "date": "2024-05-01T10:06:00", "from": "Bö Müller", "from_id": "user2",
            "forwarded_from": "News", "text": "Not my words",
        },
        {
            "id": 8, "type": "message", "date": "2024-05-01T10:07:00", "from": "Bö Müller", "from_id": "user2",
            "via_bot": "@gif", "text": "made by a bot",
        },
        {"id": 9, "type": "message", "date": "2024-05-01T10:08:00", "from": None, "from_id": "user3", "text": HEBREW},
    ],
}  # fmt: skip
TELEGRAM_KEPT = [
    ("Ann", "2024-05-01T10:01:00", "Hi Bö"),
    ("Bö Müller", "2024-05-01T10:02:00", f"See this page and call me {FAMILY}"),
    ("Ann", "2024-05-01T10:04:00", "with a caption"),
    ("user3", "2024-05-01T10:08:00", HEBREW),
]
TELEGRAM_LEFT = {"system": 1, "media": 2, "forwarded": 1, "bot": 1}


def _profile(name: str) -> dict[str, Any]:
    return {"real_name": name, "display_name": name.split()[0].lower(), "name": name.split()[0].lower(), "team": "T1"}


SLACK: list[dict[str, Any]] = [
    {"type": "message", "subtype": "channel_join", "user": "U2", "text": "<@U2> has joined the channel",
     "ts": "1714557600.000100"},
    {"type": "message", "user": "U1", "text": "Morning <@U2>, see <https://example.org|the page> &amp; <#C1|general>",
     "ts": "1714557660.000200", "thread_ts": "1714557660.000200", "reply_count": 2,
     "user_profile": _profile("Ann Arbor")},
    {"type": "message", "user": "U2", "text": "New topic", "ts": "1714557700.000300",
     "user_profile": _profile("Bö Müller")},
    {"type": "message", "user": "U2", "text": "In the thread: a &lt; b", "ts": "1714557720.000400",
     "thread_ts": "1714557660.000200", "user_profile": _profile("Bö Müller")},
    {"type": "message", "user": "U3", "text": "<!here> <mailto:a@example.org|a@example.org> <@U9>",
     "ts": "1714557780.000500"},
    {"type": "message", "subtype": "bot_message", "bot_id": "B1", "username": "ci", "text": "Build passed",
     "ts": "1714557790.000500"},
    {"type": "message", "user": "U1", "text": "", "files": [{"id": "F1"}], "ts": "1714557791.000500",
     "user_profile": _profile("Ann Arbor")},
    {"type": "message", "subtype": "tombstone", "user": "USLACKBOT", "text": "This message was deleted.",
     "ts": "1714557792.000500", "hidden": True},
    {"type": "message", "user": "U1", "text": "Thread again <https://example.org>", "ts": "1714600000.000500",
     "thread_ts": "1714557660.000200", "user_profile": _profile("Ann Arbor")},
]  # fmt: skip
SLACK_KEPT = [
    ("Bö Müller", "2024-05-01T10:01:40", "New topic"),
    ("U3", "2024-05-01T10:03:00", "@here a@example.org @U9"),
    ("Ann Arbor", "2024-05-01T10:01:00", "Morning @Bö Müller, see the page & #general"),
    ("Bö Müller", "2024-05-01T10:02:00", "In the thread: a < b"),
    ("Ann Arbor", "2024-05-01T21:46:40", "Thread again https://example.org"),
]
SLACK_LEFT = {"system": 1, "bot": 1, "media": 1, "deleted": 1}


def android(messages: Sequence[Msg], date: str = "%d/%m/%Y, %H:%M") -> bytes:
    """As WhatsApp for Android writes it."""
    return "".join(f"{m.time:{date}} - {m.speaker}: {m.text}\n" for m in messages).encode()


def ios(messages: Sequence[Msg], date: str = "%d.%m.%y, %H:%M:%S") -> bytes:
    """As WhatsApp for iOS writes it."""
    return "".join(f"[{m.time:{date}}] {m.speaker}: {m.text}\r\n" for m in messages).encode()


def telegram(messages: Sequence[Msg]) -> bytes:
    """As Telegram Desktop writes one chat."""
    rows = [
        {"id": i, "type": "message", "date": m.time.isoformat(), "from": m.speaker, "from_id": "u", "text": [m.text]}
        for i, m in enumerate(messages)
    ]
    return json.dumps({"name": "x", "type": "personal_chat", "id": 1, "messages": rows}).encode()


def slack(messages: Sequence[Msg]) -> bytes:
    """As Slack exports a channel's day."""
    escaped = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
    rows = [
        {
            "type": "message",
            "user": f"U{m.speaker}",
            "text": m.text.translate(escaped),
            "ts": f"{int(m.time.replace(tzinfo=UTC).timestamp())}.{i:06d}",
            "user_profile": {"real_name": m.speaker},
        }
        for i, m in enumerate(messages)
    ]
    return json.dumps(rows).encode()


def table(messages: Sequence[Msg], delimiter: str = ",") -> bytes:
    """As a CSV file with a header."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter)
    writer.writerow(["date", "sender", "message"])
    writer.writerows([m.time.isoformat(), m.speaker, m.text] for m in messages)
    return out.getvalue().encode()


def objects(messages: Sequence[Msg]) -> bytes:
    """As a list of JSON objects."""
    return json.dumps(
        [{"author": m.speaker, "timestamp": m.time.isoformat(), "content": m.text} for m in messages]
    ).encode()


def lines(messages: Sequence[Msg]) -> bytes:
    """As JSON Lines with milliseconds since 1970."""
    rows = [
        {"user": {"name": m.speaker}, "ts": int(m.time.replace(tzinfo=UTC).timestamp() * 1000), "text": m.text}
        for m in messages
    ]
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
