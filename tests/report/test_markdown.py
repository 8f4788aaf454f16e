"""report.md through a Markdown parser: whatever a name holds, a reader sees it as it stands."""

import html
import re
import string
from urllib.parse import quote

from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt  # rich, which prints at the terminal, brings it

from toktrial.report.blocks import Block, Bullets, Document, Paragraph, Section, Table
from toktrial.report.markdown import code_block, render_markdown

NAMES = st.text(string.ascii_letters + string.digits + string.punctuation + " ", min_size=1, max_size=30)


CAPTION = r"<em>The caption of (.*?)\.</em>"


def read(*blocks: Block) -> str:
    """Renders blocks as Markdown, and that as HTML by another's parser."""
    written = render_markdown(Document("", (Section("", "", blocks),)))
    page: str = MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(written)
    return page


@given(name=NAMES)
@example(name="a_b_ ~~c~~ *d* `e` [f](g) <h> &amp; i|j \\k")
def test_names_are_shown_as_they_stand(name: str) -> None:
    """In a sentence, in a list, in a cell of a table and in its caption."""
    page = read(
        Paragraph(f"Trial {name}: which?"),
        Bullets((f"A note on {name}.",)),
        Table(f"The caption of {name}.", ("", "value"), [["of", f"it is {name}."]]),
    )
    found = [
        re.search(pattern, page, re.DOTALL)
        for pattern in (r"<p>Trial (.*?): which", r"<li>A note on (.*?)\.</li>", r"<td.*?>it is (.*?)\.</td>", CAPTION)
    ]
    for match in found:
        assert match is not None
        assert html.unescape(match[1]).split() == name.split()


@given(name=NAMES)
def test_a_link_leads_to_its_address(name: str) -> None:
    address = f"{quote(name)}/report/index.html"
    page = read(Table("", ("", "report"), [["of", address]], ("text", "link")))
    (link,) = re.findall(r'<a href="(.*?)">(.*?)</a>', page)
    assert [html.unescape(part) for part in link] == [f"./{address}", address]


@given(text=st.text(string.punctuation + "ab \n", min_size=1, max_size=20))
@example(text="a``b`")
@example(text="a|b\\|c")
def test_what_is_quoted_stays_code(text: str) -> None:
    page = read(Paragraph("Among others:", quoted=(text,)), Table("", ("", ""), [[text, "1"]], ("code", "number")))
    shown = [" ".join(html.unescape(code).split()) for code in re.findall(r"<code>(.*?)</code>", page, re.DOTALL)]
    assert shown == [" ".join(text.split())] * 2 if text.strip() else len(shown) >= 0


def test_a_sentence_that_begins_as_a_list_or_heading_does_stays_a_sentence() -> None:
    for start in ("# of tracks", "- 3 of", "+ 3 of", "12. place", "12) place", "=== so", "--- so"):
        assert read(Paragraph(start)).startswith(f"<p>{start}"), start
        assert f"<li>{start}</li>" in read(Bullets((start,))), start


def test_a_code_block_cannot_be_left() -> None:
    assert code_block("```\n# not a heading\n```").startswith("````\n")
