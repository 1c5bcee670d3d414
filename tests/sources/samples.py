"""Small valid files of every kind, made on the spot; the binary ones by the libraries that people use to make them."""

from __future__ import annotations

import io
import json
import zipfile
from email.message import EmailMessage
from functools import cache
from typing import Any

MARKDOWN = b"---\ntitle: The front\n---\n# Head\n\n- one\n- two\n\n```python\nx = 1\n```\n"
HTML = b"""<!doctype html><html><head><title>Page - Site</title><style>p{}</style></head><body>
<nav><a href=/>Home</a></nav><header><p>Site name</p></header>
<main><h1>Page</h1><p>First <b>bold</b> and <code>code()</code>, 10<sup>6</sup>, 1<sup>st</sup>.</p>
<h2>List</h2><ul><li>one</li><li>two<ol><li>deep</li></ol></li></ul>
<pre><code class="language-python">def f():
    return 1
</code></pre>
<table><caption>Sizes</caption><tr><th>Name</th><th>Size</th></tr>
<tr><td rowspan=2>a|b</td><td>1</td></tr><tr><td>2</td></tr></table>
<dl><dt>Term</dt><dd>Its meaning.</dd></dl><blockquote>Said.</blockquote>
<p hidden>secret</p><p style="display: none">secret</p><script>secret()</script></main>
<footer>Imprint</footer></body></html>"""
RST = b"""Title
=====

A paragraph with ``code``, *emphasis* and `a link <https://example.org>`_.

Section
-------

- one
- two

  - deep

.. code-block:: python
   :linenos:

   x = 1

=====  =====
Name   Size
=====  =====
a      1
b      2
=====  =====

term
    Its meaning.

.. note:: Beware.

.. py:function:: spam(eggs)

   Makes spam, see :py:func:`~kitchen.eggs` and :ref:`that <label>`.

.. include:: /etc/passwd

.. raw:: html

   <b>raw</b>
"""
CSV = 'Name;Größe\n"Meier; Anna";1,7\nBob;1,8\n'.encode("cp1252")
NOTEBOOK = json.dumps(
    {
        "cells": [
            {"cell_type": "markdown", "source": ["# Book\n", "\n", "Text."]},
            {
                "cell_type": "code",
                "source": "print(1)",
                "outputs": [{"output_type": "stream", "text": ["1\n"]}, {"output_type": "error", "traceback": ["no"]}],
            },
        ],
        "metadata": {"language_info": {"name": "python"}},
        "nbformat": 4,
    }
).encode()
JSON = json.dumps({"title": "T", "meta": {"a": 1, "b": [{"x": 1, "y": 2}, {"x": 3, "y": 4}]}, "flag": True}).encode()
JSONL = b'{"id": "a1", "text": "First text."}\n{"id": "a2", "text": "Second text."}\nnot json\n'


@cache
def docx() -> bytes:
    """Title, headings, lists, a table with a merged cell, a text box, a formula, a footnote-free header and footer."""
    import docx as library
    from docx.oxml import parse_xml

    document = library.Document()
    document.add_heading("The Title", 0)
    document.add_heading("First", 1)
    document.add_paragraph("A paragraph\nwith a line break.")
    document.add_paragraph("one", style="List Bullet")
    document.add_paragraph("two", style="List Bullet")
    document.add_paragraph("first", style="List Number")
    document.add_paragraph("second", style="List Number")
    document.add_heading("Second", 2)
    table = document.add_table(3, 2)
    for i, text in enumerate(["Name", "Size", "a|b", "1", "", "2"]):
        table.cell(i // 2, i % 2).text = text
    table.cell(1, 0).merge(table.cell(2, 0))
    names = (
        'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main" '
        'xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math"'
    )
    paragraph = document.add_paragraph("Energy is ")
    paragraph._p.append(
        parse_xml(
            f"<m:oMath {names}><m:r><m:t>E=</m:t></m:r><m:f><m:num><m:r><m:t>p</m:t></m:r></m:num><m:den><m:sSup>"
            "<m:e><m:r><m:t>m</m:t></m:r></m:e><m:sup><m:r><m:t>2</m:t></m:r></m:sup></m:sSup></m:den></m:f></m:oMath>"
        )
    )
    box = document.add_paragraph("Beside.")
    box.add_run()._r.append(
        parse_xml(
            f"<w:pict {names}><w:txbxContent><w:p><w:r><w:t>In the box.</w:t></w:r></w:p></w:txbxContent></w:pict>"
        )
    )
    document.sections[0].header.paragraphs[0].text = "running header"
    document.sections[0].footer.paragraphs[0].text = "running footer"
    return _saved(document)


@cache
def pptx() -> bytes:
    """Two slides: bullets of two levels with notes, and a table; no title on the second."""
    import pptx as library
    from pptx.util import Inches

    deck = library.Presentation()
    slide = deck.slides.add_slide(deck.slide_layouts[1])
    slide.shapes.title.text = "The Slide"
    frame = slide.placeholders[1].text_frame
    frame.text = "outer"
    inner = frame.add_paragraph()
    inner.text, inner.level = "inner", 1
    slide.notes_slide.notes_text_frame.text = "Say it slowly."
    second = deck.slides.add_slide(deck.slide_layouts[6])
    table = second.shapes.add_table(2, 2, Inches(1), Inches(1), Inches(4), Inches(1)).table
    for i, text in enumerate(["Name", "Size", "a", "1"]):
        table.cell(i // 2, i % 2).text = text
    return _saved(deck)


@cache
def xlsx() -> bytes:
    """Two sheets: a titled table with a date, a percentage and a formula, and a hidden one."""
    import datetime

    import openpyxl

    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Sales"
    sheet.append(["Sales of the year"])
    for row in (
        ["Day", "Share", "Sum", "Ok"],
        [datetime.date(2024, 2, 29), 0.125, 1234.5, True],
        [datetime.datetime(2024, 3, 1, 8, 30), 1, 7, False],
    ):
        sheet.append(row)
    sheet["B3"].number_format = "0.0%"
    sheet["B4"].number_format = "0%"
    sheet.append([])
    sheet.append(["A note below."])
    hidden = book.create_sheet("Hidden")
    hidden.append(["secret"])
    hidden.sheet_state = "hidden"
    return _saved(book)


@cache
def epub() -> bytes:
    """Two chapters whose order in the spine is not that of their names."""
    container = b"""<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>
    <rootfile full-path="E/c.opf"/></rootfiles></container>"""
    package = b"""<package xmlns="http://www.idpf.org/2007/opf" xmlns:dc="http://purl.org/dc/elements/1.1/"><metadata>
    <dc:title>The Book</dc:title></metadata><manifest>
    <item id="n" href="nav.xhtml" properties="nav" media-type="application/xhtml+xml"/>
    <item id="a" href="t/a%20b.xhtml" media-type="application/xhtml+xml"/>
    <item id="z" href="t/z.xhtml" media-type="application/xhtml+xml"/>
    </manifest><spine><itemref idref="n"/><itemref idref="z"/><itemref idref="a"/></spine></package>"""
    head = "<?xml version='1.0' encoding='utf-8'?><html xmlns='http://www.w3.org/1999/xhtml'>"
    page = head + "<body><h1>{}</h1><p>{}</p></body></html>"
    return zipped(
        {
            "mimetype": b"application/epub+zip",
            "META-INF/container.xml": container,
            "E/c.opf": package,
            "E/nav.xhtml": page.format("Contents", "x").encode(),
            "E/t/z.xhtml": page.format("First", "Once.").encode(),
            "E/t/a b.xhtml": page.format("Second", "Then.").encode(),
        }
    )


@cache
def eml() -> bytes:
    """An e-mail with text, HTML and an attachment."""
    message = EmailMessage()
    message["Subject"] = "Grüße"
    message["From"] = "Änne <a@example.org>"
    message["To"] = "b@example.org"
    message["Date"] = "Mon, 01 Jan 2024 10:00:00 +0000"
    message.set_content("Hello,\n\n# not a heading\n")
    message.add_alternative("<p>Hello as HTML</p>", subtype="html")
    message.add_attachment(b"PDF", maintype="application", subtype="pdf", filename="plan.pdf")
    return message.as_bytes()


def pdf(pages: list[list[tuple[float, float, float, str]]]) -> bytes:
    """A PDF of texts at places: for each page (x, y, font size, text), points from the lower left corner."""
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>", b"", b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"]
    kids = []
    for page in pages:
        stream = "\n".join(
            f"BT /F1 {size} Tf {x} {y} Td ({_escaped(text)}) Tj ET" for x, y, size, text in page
        ).encode()
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream))
        kids.append(len(objects) + 1)
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents %d 0 R "
            b"/Resources << /Font << /F1 3 0 R >> >> >>" % len(objects)
        )
    objects[1] = b"<< /Type /Pages /Kids [%s] /Count %d >>" % (b" ".join(b"%d 0 R" % k for k in kids), len(kids))
    out = b"%PDF-1.4\n"
    places = []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    size = len(objects) + 1
    return out + b"xref\n0 %d\n0000000000 65535 f \n%strailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF" % (
        size,
        table,
        size,
        len(out),
    )


def zipped(files: dict[str, bytes]) -> bytes:
    """A zip archive of ``files``, compressed."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def unzipped(data: bytes) -> dict[str, bytes]:
    """The files of a zip archive."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def everything() -> dict[str, bytes]:
    """A valid file of each kind."""
    return {
        "markdown": MARKDOWN,
        "text": b"Just text.\n",
        "rst": RST,
        "html": HTML,
        "pdf": pdf([[(50, 700, 20, "Head"), (50, 650, 10, "Some words in a line of text.")]]),
        "docx": docx(),
        "pptx": pptx(),
        "xlsx": xlsx(),
        "csv": CSV,
        "epub": epub(),
        "notebook": NOTEBOOK,
        "json": JSON,
        "jsonl": JSONL,
        "email": eml(),
        "code": b"def f():\n    return 1\n",
    }


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")


def _saved(document: Any) -> bytes:
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()
