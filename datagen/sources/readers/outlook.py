"""Outlook messages (.msg), by python-oxmsg."""

from __future__ import annotations

import io
from email.header import decode_header, make_header

from datagen.sources import markdown
from datagen.sources.parsed import Options, Parsed
from datagen.sources.readers import email, html

_OF_HEADERS = ("From", "To", "Cc", "Date")


def read(data: bytes, options: Options) -> Parsed:
    """The same as for other e-mail."""
    import oxmsg

    message = oxmsg.Message.load(io.BytesIO(data))
    stated = message.message_headers
    headers = {name: _decoded(str(stated.get(name) or "")) for name in _OF_HEADERS}
    headers["From"] = headers["From"] or markdown.line(message.sender or "")
    if not headers["To"]:
        people = (f"{r.name} <{r.email_address}>" if r.email_address else r.name for r in message.recipients)
        headers["To"] = markdown.line(", ".join(people))
    if not headers["Date"] and message.sent_date:
        headers["Date"] = message.sent_date.isoformat(" ", "seconds")
    body = (message.body or "").replace("\r\n", "\n")
    if not body.strip() and message.html_body:
        body = html.convert(message.html_body, whole=True)[0]
    else:
        body = "\n".join(markdown.paragraph(row.rstrip()) for row in body.strip("\n").split("\n"))
    attached = [markdown.line(a.file_name or "") for a in message.attachments]
    return email.assemble(markdown.line(message.subject or ""), headers, body, [name for name in attached if name])


def _decoded(value: str) -> str:
    """A header whose words may be encoded (RFC 2047)."""
    try:
        return markdown.line(str(make_header(decode_header(value))))
    except (ValueError, LookupError):  # encoded wrongly
        return markdown.line(value)
