"""What each reader makes of a small file of its kind: structure survives, the rest goes."""

from __future__ import annotations

import json
import textwrap

import pytest

from datagen.sources.parsed import Options, Parsed, Unreadable
from datagen.sources.readers import KINDS, kind_of_name, read
from tests.sources import samples


def text(kind: str, data: bytes | str) -> str:
    return parsed(kind, data).text


def parsed(kind: str, data: bytes | str) -> Parsed:
    return read(kind, data.encode() if isinstance(data, str) else data, Options())


def lines(block: str) -> str:
    return textwrap.dedent(block).strip("\n")


def test_every_kind_has_its_reader_and_no_suffix_two() -> None:
    suffixes = [s for kind in KINDS.values() for s in kind.suffixes]
    assert len(suffixes) == len(set(suffixes))
    assert kind_of_name("a/B.PDF") == "pdf"
    assert kind_of_name("Makefile") == "code"
    assert kind_of_name("noise.bin") is None
    for kind, data in samples.everything().items():
        assert parsed(kind, data).text


def test_markdown() -> None:
    done = parsed("markdown", samples.MARKDOWN)
    assert done.title == "The front"
    assert done.text == "# Head\n\n- one\n- two\n\n```python\nx = 1\n```"
    assert (
        text("markdown", "a\n\n<!-- gone -->\n\n```html\n<!-- stays -->\n```") == "a\n\n\n```html\n<!-- stays -->\n```"
    )


def test_html() -> None:
    done = parsed("html", samples.HTML)
    assert done.title == "Page"
    assert done.text == lines(
        """
        # Page

        First bold and `code()`, 10^6, 1st.

        ## List

        - one
        - two
          1. deep

        ```python
        def f():
            return 1
        ```

        Sizes

        | Name | Size |
        | --- | --- |
        | a\\|b | 1 |
        | a\\|b | 2 |

        - **Term**: Its meaning.

        > Said.
        """
    )


def test_html_tables() -> None:
    pairs = "<table><tr><th>Born</th><td>1815</td></tr><tr><th>Died</th><td>1852<br>London</td></tr></table>"
    assert text("html", pairs) == "- **Born**: 1815\n- **Died**: 1852 London"
    heads = "<table><tr><th colspan=2>Size<tr><th>min<th>max<tr><td>1<td>2</table>"
    assert text("html", heads) == "| Size / min | Size / max |\n| --- | --- |\n| 1 | 2 |"
    layout = "<table><tr><td><table><tr><td>a<td>b<tr><td>1<td>2</table><td><p>Text</p></table>"
    assert text("html", layout) == "| a | b |\n| --- | --- |\n| 1 | 2 |\n\nText"


def test_html_formulas_hidden_beside_their_pictures() -> None:
    page = (
        '<p>So <span class="mwe-math-element"><span style="display: none;"><math alttext="{\\displaystyle x^{2}}">'
        '<mi>x</mi></math></span><img class="mwe-math-fallback-image-inline" src="x"></span> holds.</p>'
    )
    assert text("html", page) == "So $x^{2}$ holds."


def test_html_main_content_is_not_lost_to_a_careless_class() -> None:
    body = "".join(f"<p>Paragraph number {i} of the page's own text.</p>" for i in range(9))
    page = f'<div class="sidebar"><div>{body}</div></div><div class="menu">Menu</div>'
    assert "number 8" in text("html", page)
    assert "Menu" not in text("html", page)


def test_rst() -> None:
    done = parsed("rst", samples.RST)
    assert done.title == "Title"
    assert done.text == lines(
        """
        # Title

        A paragraph with `code`, emphasis and a link.

        ## Section

        - one
        - two
          - deep

        ```python
        x = 1
        ```

        | Name | Size |
        | --- | --- |
        | a | 1 |
        | b | 2 |

        - **term**: Its meaning.

        Note: Beware.

        - **`spam(eggs)`**: Makes spam, see `eggs` and that.
        """
    )


def test_rst_header_of_a_proposal() -> None:
    source = "PEP: 9999\nTitle: Better\n  things\nAuthor: A <a@b.c>\nContent-Type: text/x-rst\n\n"
    source += "Abstract\n========\n\nText.\n"
    done = parsed("rst", source)
    assert done.title == "PEP 9999: Better things"
    assert done.text == "# PEP 9999: Better things\n\n- **Author**: A <a@b.c>\n\n## Abstract\n\nText."


def test_docx() -> None:
    done = parsed("docx", samples.docx())
    assert done.title == "The Title"
    assert done.text == lines(
        """
        # The Title

        ## First

        A paragraph
        with a line break.

        - one
        - two
        1. first
        2. second

        ### Second

        | Name | Size |
        | --- | --- |
        | a\\|b | 1 |
        | a\\|b | 2 |

        Energy is $E=\\frac{p}{m^{2}}$

        Beside.

        In the box.
        """
    )


def test_pptx() -> None:
    done = parsed("pptx", samples.pptx())
    assert done.title == "The Slide"
    assert done.text == lines(
        """
        ## The Slide

        - outer
          - inner

        Notes: Say it slowly.

        ## Slide 2

        | Name | Size |
        | --- | --- |
        | a | 1 |
        """
    )
    assert [done.text[at:][:10] for at in done.pages] == ["## The Sli", "## Slide 2"]


def test_xlsx() -> None:
    done = parsed("xlsx", samples.xlsx())
    assert done.text == lines(
        """
        ## Sales

        Sales of the year

        | Day | Share | Sum | Ok |
        | --- | --- | --- | --- |
        | 2024-02-29 | 12.5% | 1234.5 | TRUE |
        | 2024-03-01 08:30 | 100% | 7 | FALSE |

        A note below.
        """
    )
    assert done.pages == (0,)


def test_csv() -> None:
    assert text("csv", samples.CSV) == "| Name | Größe |\n| --- | --- |\n| Meier; Anna | 1,7 |\n| Bob | 1,8 |"
    assert text("csv", "a\tb\n1\t2,5\n") == "| a | b |\n| --- | --- |\n| 1 | 2,5 |"
    many = "a,b\n" + "1,2\n" * 30_000
    assert text("csv", many).endswith("(The file has more rows; the first 20,000 are shown.)")


def test_epub() -> None:
    done = parsed("epub", samples.epub())
    assert done.title == "The Book"
    assert done.text == "# First\n\nOnce.\n\n# Second\n\nThen."


def test_notebook() -> None:
    done = parsed("notebook", samples.NOTEBOOK)
    assert done.title == "Book"
    assert done.text == "# Book\n\nText.\n\n```python\nprint(1)\n```\n\nOutput:\n\n```\n1\n```"


def test_json() -> None:
    table = "  - **b**:\n    | x | y |\n    | --- | --- |\n    | 1 | 2 |\n    | 3 | 4 |"
    assert text("json", samples.JSON) == f"- **title**: T\n- **meta**:\n  - **a**: 1\n{table}\n- **flag**: true"
    assert text("jsonl", samples.JSONL) == "## a1\n\nFirst text.\n\n## a2\n\nSecond text."
    nested = json.dumps({"data": {"page": "Deep text."}}).encode()
    assert read("json", nested, Options(text_fields=("data.page",))).text == "Deep text."


def test_email() -> None:
    done = parsed("email", samples.eml())
    assert done.title == "Grüße"
    assert done.text == lines(
        """
        # Grüße

        - **From**: Änne <a@example.org>
        - **To**: b@example.org
        - **Date**: Mon, 01 Jan 2024 10:00:00 +0000

        Hello,

        \\# not a heading

        Attachments: plan.pdf
        """
    )


def test_pdf_headings_paragraphs_and_running_lines() -> None:
    words = "which goes on for a while so that lines are full and the end of the"
    pages = []
    for number in range(1, 5):
        body = [(50.0, 780.0, 8.0, "The Running Header"), (300.0, 20.0, 8.0, str(number))]
        body += [(50, 740, 18, f"Part {'ABCD'[number - 1]}")]
        name = "ABCD"[number - 1]
        body += [(50, 700 - 12 * i, 10, f"A line of {name} {words}") for i in range(4)]
        body += [(50, 652, 10, f"last line of {name}.")]
        pages.append(body)
    done = parsed("pdf", samples.pdf(pages))
    assert len(done.pages) == 4
    assert done.text.count("The Running Header") == 1
    assert "# Part A" in done.text
    assert "# Part D" in done.text
    for name in "ABCD":
        assert " ".join([f"A line of {name} {words}"] * 4) + f" last line of {name}." in done.text
    assert not any(row.strip().isdigit() for row in done.text.split("\n"))


def test_pdf_columns_are_read_one_after_the_other_and_tables_by_row() -> None:
    columns = [
        (x, 700 - 12 * i, 10, f"{side} words fill line {i}")
        for x, side in ((50, "left"), (320, "right"))
        for i in range(8)
    ]
    done = text("pdf", samples.pdf([columns]))
    assert done.index("left words fill line 7") < done.index("right words fill line 0")
    cells = [["Name", "Size", "Cost"], ["Bolt", "4 mm", "1.50"], ["Nut", "4 mm", "0.90"]]
    table = [(50 + 120 * c, 700 - 14 * r, 10, cell) for r, row in enumerate(cells) for c, cell in enumerate(row)]
    assert text("pdf", samples.pdf([table])) == lines(
        """
        | Name | Size | Cost |
        | --- | --- | --- |
        | Bolt | 4 mm | 1.50 |
        | Nut | 4 mm | 0.90 |
        """
    )


def test_pdf_words_cut_at_line_ends_are_joined() -> None:
    filler = "some more words that make this line as long as its neighbours"
    page = [
        (50, 700, 10, f"{filler} are infor-"),
        (50, 688, 10, f"mation {filler} a well-"),
        (50, 676, 10, f"known case of well known hyphens known well {filler}"),
    ]
    done = text("pdf", samples.pdf([page]))  # type: ignore[list-item]
    assert "are information some" in done
    assert "well-known case" in done


@pytest.mark.parametrize("kind", ["docx", "pptx", "xlsx", "epub", "pdf", "notebook", "json", "email"])
def test_another_kind_of_file_under_the_name_is_said_so(kind: str) -> None:
    with pytest.raises(Unreadable) as caught:
        read(kind, b"just a line of text", Options())
    assert caught.value.reason in ("damaged", "empty")
    assert caught.value.evidence.endswith(".")


def test_office_files_under_a_password() -> None:
    for kind in ("docx", "pptx", "xlsx"):
        with pytest.raises(Unreadable) as caught:
            read(kind, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), Options())
        assert caught.value.reason == "password"
