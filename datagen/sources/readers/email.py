"""E-mail (.eml, RFC 5322 and MIME): subject, sender, date, the text, and the names of what is attached."""

from __future__ import annotations

import email
import email.policy
from email.message import EmailMessage

from datagen.sources import markdown
from datagen.sources.encoding import decode
from datagen.sources.parsed import Options, Parsed, Unreadable
from datagen.sources.readers import html

_HEADERS = ("From", "To", "Cc", "Date")


def read(data: bytes, options: Options) -> Parsed:
    """The message a person reads: its plain text, or its HTML where there is no plain text."""
    message = email.message_from_bytes(data, policy=email.policy.default)
    if not isinstance(message, EmailMessage) or not (message.keys() and (message["Subject"] or message["From"])):
        raise Unreadable("damaged", "It has no header of an e-mail.")
    subject = _header(message, "Subject")
    attached = [name for part in message.iter_attachments() if (name := _name(part))]
    return assemble(subject, {name: _header(message, name) for name in _HEADERS}, _body(message), attached)


def assemble(subject: str, headers: dict[str, str], body: str, attached: list[str]) -> Parsed:
    """A message as Markdown: subject as heading, headers as a list, text, names of attachments."""
    items = [f"- **{name}**: {value}" for name, value in headers.items() if value]
    names = f"Attachments: {', '.join(attached)}" if attached else ""
    text = markdown.join([markdown.heading(1, subject), "\n".join(items), body, names])
    return Parsed(text, "markdown", title=subject)


def _header(message: EmailMessage, name: str) -> str:
    try:
        return markdown.line(str(message[name] or ""))
    except Exception:  # the standard library's parser of addresses gives up on some
        return ""


def _name(part: EmailMessage) -> str:
    try:
        return markdown.line(part.get_filename() or "")[:200]
    except Exception:
        return ""


def _body(message: EmailMessage) -> str:
    part = message.get_body(preferencelist=("plain", "html"))
    if part is None:
        return ""
    data = part.get_payload(decode=True)
    text = decode(data, part.get_content_charset() or "") if isinstance(data, bytes) and data else ""
    if part.get_content_subtype() == "html":
        return html.convert(text, whole=True)[0]
    return "\n".join(markdown.paragraph(row.rstrip()) for row in text.replace("\r\n", "\n").strip("\n").split("\n"))
