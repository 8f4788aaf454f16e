"""Renders blocks as HTML. Every text is escaped, for nothing but `element` makes markup.

Blocks -> HTML -> page.
"""

import html
from collections.abc import Iterable, Mapping
from typing import assert_never

from toktrial.report import blocks
from toktrial.report.wording import visible

EMPTY_ELEMENTS = ("input",)  # they have no end tag
Attribute = str | int | bool | None


class Html(str):
    """Markup; every other string is text."""

    __slots__ = ()


def element(tag: str, *content: str, **attributes: Attribute) -> Html:
    """Returns an element. Text is escaped, within and in attributes.

    An attribute's name loses an underscore at its end and has hyphens for the others: `class_`, `aria_label`. One that is None,
    False or empty is left out, and of one that is True only the name is written.

    >>> element("p", "a < b ", element("b", "&"), class_="small")
    '<p class="small">a &lt; b <b>&amp;</b></p>'
    """
    written = "".join(_attribute(name.rstrip("_").replace("_", "-"), value) for name, value in attributes.items())
    inner = "".join(part if isinstance(part, Html) else html.escape(part, quote=False) for part in content)
    return Html(f"<{tag}{written}>{inner}" + ("" if tag in EMPTY_ELEMENTS else f"</{tag}>"))


def lines(parts: Iterable[Html]) -> Html:
    """Returns markup in lines of its own, between two ends of lines."""
    return Html("\n" + "".join(f"{part}\n" for part in parts))


class HtmlRenderer:
    """Renders the parts of a document. `drawn`: every figure as SVG, by its name."""

    def __init__(self, drawn: Mapping[str, str]) -> None:
        self._drawn = drawn

    def document(self, document: blocks.Document) -> Html:
        """Returns what stands within the page's <main>."""
        return lines(
            contents(document) if isinstance(part, blocks.Contents) else self._section(part) for part in document.parts
        )

    def _section(self, section: blocks.Section) -> Html:
        if not section.title:
            return element("header", self._blocks(section.blocks))
        heading = element("h2", section.title, id=section.id)
        kind = "notes" if section.is_aside else None
        content = lines([heading, *map(self._block, section.blocks)])
        return element("section", content, class_=kind, aria_labelledby=section.id)

    def _blocks(self, several: Iterable[blocks.Block]) -> Html:
        return lines(map(self._block, several))

    def _block(self, block: blocks.Block) -> Html:
        match block:
            case blocks.Heading():
                return element(f"h{block.level}", block.text, class_="several" if block.is_long else None)
            case blocks.Paragraph():
                return element("p", *inline(block.text), class_=None if block.tone == "plain" else block.tone)
            case blocks.Bullets():
                return element("ul", lines(element("li", item) for item in block.items))
            case blocks.Definitions():
                return element("dl", lines(part for item in block.items for part in _definition(item)), class_="answers")
            case blocks.Table():
                return table(block) if block.rows else Html("")
            case blocks.Figure():
                return self._figure(block, None)
            case blocks.Chart():
                return self._figure(block.pictures[0], block.id)
            case blocks.Switches():
                return switches(block)
            case blocks.CodeBlock():
                return element("pre", block.text, tabindex=0)
            case blocks.Quotations():
                return _quotations(block)
            case blocks.CutText():
                return _cut_text(block)
            case blocks.Tree():
                return element("ul", lines(_branch(root, is_root=True) for root in block.roots), class_="tree")
            case blocks.Details():
                return element("details", lines([element("summary", block.summary), *map(self._block, block.blocks)]))
            case blocks.Group():
                return element("div", self._blocks(block.blocks), class_=block.kind)
            case blocks.OnPage():
                content = self._blocks(block.blocks)
                return element("noscript", content) if block.only_without_scripts else content
            case _:
                assert_never(block)

    def _figure(self, figure: blocks.Figure, chart_id: str | None) -> Html:
        svg = Html(self._drawn.get(figure.name, ""))
        drawing = element("div", svg, class_="chart", id=chart_id, role="img", aria_label=figure.description)
        if chart_id is None:
            title = (element("strong", figure.title), " ") if figure.title else ()
            return element("figure", lines([drawing, element("figcaption", *title, figure.caption)]), class_="still")
        caption = element("span", figure.caption, class_="caption")
        return element("figure", lines([element("figcaption", element("strong", figure.title), " ", caption), drawing]))


def contents(document: blocks.Document) -> Html:
    """Returns the list of the sections."""
    listed = [section for section in document.sections if section.title and not section.is_aside]
    links = [element("a", section.short_title or section.title, href=f"#{section.id}") for section in listed]
    listing = element("ul", lines(element("li", link) for link in links))
    return element("nav", listing, class_="contents", aria_label="On this page")


def inline(text: str | tuple[str | blocks.CodeSpan, ...]) -> list[str]:
    """Returns the parts of a paragraph: text, and markup."""
    parts = (text,) if isinstance(text, str) else text
    return [part if isinstance(part, str) else element("code", part.text) for part in parts]


def table(content: blocks.Table) -> Html:
    """Returns a table that scrolls within its own box."""
    headers = [
        element("th", header, scope="col", class_=content.kind(column)) if header else element("td")
        for column, header in enumerate(content.headers)
    ]
    rows = [element("tr", *(_cell(content, column, cell) for column, cell in enumerate(row))) for row in content.rows]
    whole = lines(
        [
            element("caption", content.caption),
            element("thead", element("tr", *headers)),
            element("tbody", lines(rows)),
        ]
    )
    return element("div", element("table", whole), class_="scroll", role="region", aria_label=content.caption, tabindex=0)


def switches(controls: blocks.Switches) -> Html:
    """Returns the form that page_files/charts.js reads and shows."""
    fieldsets = [element("fieldset", lines([element("legend", each.legend), *_options(each)])) for each in controls.choices]
    return element(
        "form", lines(fieldsets), class_="controls", id="chart-controls", aria_label="What the charts show", hidden=True
    )


def _options(choice: blocks.Choice) -> list[Html]:
    kind = "checkbox" if choice.is_switch else "radio"
    first = None if choice.is_switch else next(iter(choice.options))
    return [
        element(
            "label",
            element("input", type=kind, name=choice.name, value=value, checked=value == first),
            element("span", label),
        )
        for value, label in choice.options.items()
    ]


def _attribute(name: str, value: Attribute) -> str:
    if value is None or value is False or value == "":
        return ""
    return f" {name}" if value is True else f' {name}="{html.escape(str(value))}"'


def _definition(item: blocks.Definition) -> list[Html]:
    meaning = [element("dd", item.meaning, class_="meaning")] if item.meaning else []
    return [element("dt", item.term), *(element("dd", said) for said in item.said), *meaning]


def _cell(content: blocks.Table, column: int, text: str) -> Html:
    kind = content.kind(column)
    shown = element("code", text) if kind == "code" else text
    return element("td", shown, class_=kind) if column else element("th", shown, scope="row", class_=kind)


def _quotations(block: blocks.Quotations) -> Html:
    texts = [_quotation(text) for text in block.texts]
    side_by_side = element("div", lines(texts), class_="pair")
    lead = element("p", block.lead, dir="auto")
    return element("div", lines([lead, side_by_side]), class_="sample", role="group", aria_label=block.label)


def _quotation(text: blocks.Quotation) -> Html:
    return element(
        "blockquote", lines([element("p", text.by, class_="by"), element("p", text.text, class_="text", dir="auto")])
    )


def _cut_text(block: blocks.CutText) -> Html:
    legend = f"Every token has a box of its own; what is underlined is {block.marks}. \u21b5 ends a line."
    return lines(
        [
            element("p", f"{block.lead} {legend}", class_="small"),
            element("p", block.text, class_="visually-hidden"),
            element("div", lines(map(_cutting, block.cuttings)), class_="pair"),
        ]
    )


def _cutting(cutting: blocks.Cutting) -> Html:
    documents = [
        element("p", *(element("span", _in_place(piece.text), class_="spans" if piece.is_marked else None) for piece in pieces),
                class_="cut", aria_hidden="true")
        for pieces in cutting.documents
    ]  # fmt: skip
    return element(
        "figure", lines([element("figcaption", element("strong", cutting.name), f": {cutting.summary}"), *documents])
    )


def _in_place(text: str) -> str:
    """A piece as it is set: a line's end shown, other unprintable characters as escapes."""
    return "".join("\u21b5\n" if letter == "\n" else letter if letter == " " else visible(letter) for letter in text)


def _branch(branch: blocks.Branch, is_root: bool = False) -> Html:
    label = (element("code", branch.text), " ", element("span", branch.note, class_="uses"))
    if not branch.parts:
        return element("li", *label)
    parts = element("ul", lines(map(_branch, branch.parts)))
    return element("li", element("details", element("summary", *label), parts, open=is_root))
