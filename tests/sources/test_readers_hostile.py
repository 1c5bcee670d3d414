"""Whatever the bytes: a text, or the reason why there is none. Never another exception, never a bomb."""

from __future__ import annotations

import random
import tracemalloc
import zipfile
from io import BytesIO

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datagen.sources.archive import Archive
from datagen.sources.parsed import Options, Parsed, Unreadable
from datagen.sources.readers import KINDS, read
from tests.sources import samples

SAMPLES = samples.everything()
REASONS = {"password", "damaged", "image_only", "binary", "too_large", "empty", "unknown_encoding"}


def attempt(kind: str, data: bytes, options: Options | None = None) -> Parsed | str:
    try:
        return read(kind, data, options or Options())
    except Unreadable as error:
        assert error.reason in REASONS
        assert error.evidence
        return error.reason


@pytest.mark.parametrize("kind", sorted(KINDS))
@given(data=st.binary(max_size=300))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_random_bytes(kind: str, data: bytes) -> None:
    attempt(kind, data)


@pytest.mark.parametrize("kind", sorted(SAMPLES))
def test_truncations_and_flipped_bits(kind: str) -> None:
    data = SAMPLES[kind]
    chance = random.Random(kind)
    for i in range(40):
        broken = bytearray(data)
        if i % 2:
            del broken[chance.randrange(len(broken)) :]
        else:
            for _ in range(chance.choice([1, 3, 30])):
                at = chance.randrange(len(broken))
                broken[at] ^= 1 << chance.randrange(8)
        attempt(kind, bytes(broken))


@pytest.mark.parametrize("kind", ["docx", "pptx", "xlsx", "epub"])
def test_flipped_bits_in_the_xml_within(kind: str) -> None:
    files = samples.unzipped(SAMPLES[kind])
    chance = random.Random(kind)
    names = sorted(name for name in files if name.endswith((".xml", ".rels", ".xhtml", ".opf")))
    for _ in range(40):
        name = chance.choice(names)
        broken = bytearray(files[name])
        for _ in range(chance.choice([1, 5])):
            broken[chance.randrange(len(broken))] = chance.randrange(32, 127)
        attempt(kind, samples.zipped({**files, name: bytes(broken)}))


@pytest.mark.parametrize("kind", ["docx", "pptx", "xlsx", "epub"])
def test_parts_that_are_missing(kind: str) -> None:
    files = samples.unzipped(SAMPLES[kind])
    for name in files:
        attempt(kind, samples.zipped({n: d for n, d in files.items() if n != name}))


def test_a_bomb_that_says_its_size_is_not_unpacked() -> None:
    bomb = samples.zipped({"word/document.xml": bytes(300_000_000)})
    tracemalloc.start()
    assert attempt("docx", bomb) == "too_large"
    assert tracemalloc.get_traced_memory()[1] < 20_000_000
    tracemalloc.stop()


def test_a_bomb_that_lies_about_its_size_is_stopped_while_unpacking() -> None:
    size = 60_000_000
    data = samples.zipped({"word/document.xml": bytes(size)})
    lied = data.replace(size.to_bytes(4, "little"), (1000).to_bytes(4, "little"))
    assert lied != data
    assert attempt("docx", lied) in ("damaged", "too_large")
    many = BytesIO()
    with zipfile.ZipFile(many, "w", zipfile.ZIP_DEFLATED) as archive:
        for i in range(30):
            archive.writestr(f"part{i}", bytes(5_000_000))
    with pytest.raises(Unreadable, match="too_large"):
        Archive(many.getvalue())


ENTITIES = (
    b'<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">'
)
OUTSIDE = b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>'


@pytest.mark.parametrize("declaration", [ENTITIES + b"]>", OUTSIDE])
@pytest.mark.parametrize(
    ("kind", "part"),
    [
        ("docx", "word/document.xml"),
        ("pptx", "ppt/slides/slide1.xml"),
        ("xlsx", "xl/worksheets/sheet1.xml"),
        ("epub", "E/c.opf"),
    ],
)
def test_entities_are_neither_expanded_nor_fetched(kind: str, part: str, declaration: bytes) -> None:
    files = samples.unzipped(SAMPLES[kind])
    start = files[part].index(b"?>") + 2 if files[part].startswith(b"<?xml") else 0
    body = files[part][start:].replace(b">", b">&e;&c;", 1)
    done = attempt(kind, samples.zipped({**files, part: files[part][:start] + declaration + body}))
    assert isinstance(done, str) or ("root:" not in done.text and "haha" not in done.text)


def test_html_entities_and_outside_files_are_not_fetched() -> None:
    done = attempt("html", OUTSIDE + b"<html><body><p>&e; text</p></body></html>")
    assert isinstance(done, Parsed)
    assert "root:" not in done.text


def test_rst_includes_nothing() -> None:
    source = b".. include:: /etc/passwd\n\n.. literalinclude:: /etc/passwd\n\n"
    source += b".. csv-table::\n   :file: /etc/passwd\n\nText.\n"
    done = attempt("rst", source)
    assert isinstance(done, Parsed)
    assert done.text.endswith("Text.")
    assert "root:" not in done.text


DEEP = 30_000


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("json", b"[" * DEEP + b"]" * DEEP),
        ("json", b'{"a":' * 500 + b"1" + b"}" * 500),
        ("notebook", b'{"cells":' + b"[" * DEEP + b"]" * DEEP + b"}"),
        ("html", b"<div>" * DEEP + b"text"),
        ("html", b"<b><i><span>" * DEEP + b"text"),
        ("html", b"<ul><li>" * DEEP + b"text"),
        ("html", b"<table><tr><td>" * 2000 + b"text"),
        ("html", b"<table>" + b"<tr>" + b'<td colspan="1000" rowspan="65000">x' * 500 + b"</table>"),
        ("html", b"<blockquote>" * 5000 + b"text"),
        ("rst", b"".join(b" " * i + b"- x\n\n" for i in range(0, 400, 2))),
        ("rst", b"*" * 20_000),
        ("markdown", b"<!--" * 20_000),
        ("markdown", b"> " * 50_000),
        ("csv", b"," * 2_000_000),
        ("csv", b'"' + b"x" * 2_000_000),
        ("email", b"Subject: x\nContent-Type: multipart/mixed; boundary=a\n\n" + b"--a\n" * 20_000),
    ],
)
def test_depth_and_width(kind: str, data: bytes) -> None:
    attempt(kind, data)


@pytest.mark.parametrize("name", ["oMath", "tbl"])
def test_depth_in_office_files(name: str) -> None:
    w = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    m = "http://schemas.openxmlformats.org/officeDocument/2006/math"
    depth = 200 if name == "oMath" else 80
    opening, closing = (
        ("<m:rad><m:e>", "</m:e></m:rad>") if name == "oMath" else ("<w:tbl><w:tr><w:tc>", "</w:tc></w:tr></w:tbl>")
    )
    inner = opening * (depth // 3) + closing * (depth // 3)
    body = f"<w:p><m:oMath>{inner}</m:oMath></w:p>" if name == "oMath" else inner
    body += "<w:p><w:r><w:t>end</w:t></w:r></w:p>"
    document = f'<w:document xmlns:w="{w}" xmlns:m="{m}"><w:body>{body}</w:body></w:document>'
    done = attempt("docx", samples.zipped({"word/document.xml": document.encode()}))
    assert isinstance(done, Parsed)
    assert done.text.endswith("end")


def test_a_text_over_the_limit_is_named() -> None:
    for kind, data in SAMPLES.items():
        assert attempt(kind, data, Options(max_text=3)) == "too_large"


def test_evidence_is_the_same_each_time() -> None:
    data = SAMPLES["docx"][:400]
    said = set()
    for _ in range(3):
        with pytest.raises(Unreadable) as caught:
            read("docx", data, Options())
        said.add(caught.value.evidence)
    assert len(said) == 1
    assert "0x" not in said.pop()
