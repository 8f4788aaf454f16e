"""The report in a real browser: it opens offline and whole, its charts answer, and everyone can read it."""

import csv
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from toktrial.report.blocks import Chart
from toktrial.report.charts import CUT
from toktrial.report.gather import gather
from toktrial.report.inputs import read_trial
from toktrial.report.page import document_of, render_page

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Dialog, Page

HOSTILE = "</script><script>alert(1)</script> <img src=x onerror=alert(2)>"
AXIS_TITLES = {
    "seconds": "training time (s)", "bytes of text": "text read (bytes)", "FLOPs": "training FLOPs", "tokens": "tokens read",
    "steps": "training step",
}  # fmt: skip
ALL_DRAWN = ".figures[aria-busy=false]"
LEAST_CONTRAST = 4.5  # WCAG 2.2, success criterion 1.4.3, level AA
# Every colour of text of each kind of element, with the background behind it, as CSS writes them: 'rgb(27, 29, 32)'. In an
# SVG, text is filled.
COLOURS = """() => {
  const found = new Map();
  const opaque = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (colour !== 'rgba(0, 0, 0, 0)') return colour;
    }
    return 'rgb(255, 255, 255)';
  };
  for (const element of document.body.querySelectorAll('*')) {
    const text = [...element.childNodes].find((node) => node.nodeType === Node.TEXT_NODE && node.textContent.trim());
    if (!text || !element.checkVisibility() || ['SCRIPT', 'STYLE'].includes(element.tagName)) continue;
    const style = getComputedStyle(element);
    const pair = [element instanceof SVGElement ? style.fill : style.color, opaque(element)];
    found.set([...pair, element.tagName].join(), [...pair, text.textContent.trim()]);
  }
  return [...found.values()];
}"""
# What sticks out at the right of the screen, but for what scrolls within its own box.
OVERFLOWING = """() => [...document.body.querySelectorAll('*')]
  .filter((element) => element.checkVisibility() && !element.parentElement.closest('.scroll, pre, .skip, .visually-hidden'))
  .filter((element) => element.getBoundingClientRect().right > innerWidth + 1)
  .map((element) => element.outerHTML.slice(0, 120))"""
OPEN_ALL_DETAILS = "document.querySelectorAll('details').forEach((element) => { element.open = true; })"
# How many closed details there are, and how many of them show what they hold.
CLOSED_DETAILS = """() => [...document.querySelectorAll('details:not([open])')]
  .map((element) => [...element.children].slice(1).every((child) => child.checkVisibility()))"""


@dataclass
class Visit:
    """A page, with what it asked the network for and what it complained of."""

    page: "Page"
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def refuse(self, dialog: "Dialog") -> None:
        """Counts a dialog as a complaint: the report opens none, so a text did."""
        self.complaints.append(dialog.message)
        dialog.dismiss()


def visit(browser: "Browser", address: str, **screen: Any) -> Visit:
    """Opens the report and waits for its charts."""
    found = Visit(browser.new_page(**screen))
    found.page.on("request", lambda request: found.requests.append(request.url))
    found.page.on("console", lambda line: found.complaints.append(line.text) if line.type in ("error", "warning") else None)
    found.page.on("pageerror", lambda error: found.complaints.append(str(error)))
    found.page.on("dialog", found.refuse)
    found.page.goto(address)
    found.page.wait_for_selector(ALL_DRAWN)
    return found


@pytest.fixture(scope="module")
def address(reported_trial: Path) -> str:
    return (reported_trial / "report" / "index.html").as_uri()


@pytest.fixture(scope="module")
def results(reported_trial: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((reported_trial / "report" / "results.json").read_text())
    return loaded


@pytest.fixture(scope="module")
def visited(browser: "Browser", address: str) -> Iterator[Visit]:
    """The report on a wide screen, in light colours; every test begins with the charts as they first are."""
    found = visit(browser, address, viewport={"width": 1280, "height": 900}, color_scheme="light")
    yield found
    found.page.close()


@pytest.fixture(scope="module", params=["reported_trial", "whole_trial"])
def any_address(request: pytest.FixtureRequest) -> str:
    """First an older trial with hostile texts, then one with all that a report may hold."""
    folder: Path = request.getfixturevalue(request.param)
    return (folder / "report" / "index.html").as_uri()


@pytest.fixture
def any_page(browser: "Browser", any_address: str) -> "Iterator[Page]":
    """Either report on a wide screen, with all details open."""
    found = visit(browser, any_address, viewport={"width": 1280, "height": 900}, color_scheme="light")
    found.page.evaluate(OPEN_ALL_DETAILS)
    yield found.page
    found.page.close()


@pytest.fixture
def page(visited: Visit) -> "Iterator[Page]":
    yield visited.page
    visited.page.mouse.move(0, 0)
    visited.page.reload()
    visited.page.wait_for_selector(ALL_DRAWN)


def choose(page: "Page", legend: str, label: str) -> None:
    """Clicks one of the controls and waits for the charts to be drawn anew."""
    page.get_by_role("group", name=legend, exact=True).get_by_label(label, exact=True).click()
    page.wait_for_selector(ALL_DRAWN)


def axis_titles(page: "Page") -> list[str]:
    """Returns what stands below each chart."""
    return page.locator(".figures .chart svg .role-axis-title").all_text_contents()[::2]


def lines(page: "Page", chart: str = "bits_per_byte") -> list[list[float]]:
    """Returns the numbers of every line's path: x, y, x, y and so on, in pixels."""
    drawn = page.locator(f"#{chart} svg path[aria-roledescription='line mark']").evaluate_all(
        "paths => paths.map((path) => path.getAttribute('d'))"
    )
    return [[float(number) for number in re.findall(r"-?[\d.]+", path)] for path in drawn]


def test_it_opens_without_an_error_and_without_the_network(visited: Visit, address: str) -> None:
    assert visited.requests == [address]
    assert visited.complaints == []


def test_the_charts_draw_a_line_and_a_band_for_every_track(page: "Page") -> None:
    for chart in ("bits_per_byte", "validation_loss", "training_loss"):
        assert [len(line) for line in lines(page, chart)] == [2 * 15, 2 * 15]  # an evaluation every 20 of 300 steps
        bands = page.locator(f"#{chart} svg path[aria-roledescription='area mark']")
        assert bands.count() == 2
        assert all(box["height"] > 100 for band in bands.all() if (box := band.bounding_box()))


@pytest.mark.parametrize("label", AXIS_TITLES)
def test_the_axis_switch_changes_titles_and_names(page: "Page", label: str) -> None:
    choose(page, "Horizontal axis", label)
    assert axis_titles(page) == [AXIS_TITLES[label]] * 4
    assert page.locator("#bits_per_byte").get_attribute("aria-label") == (
        f"Line chart: bits per byte of text against {AXIS_TITLES[label]}. At the end: "
        "bpe 1.5000 (1.4900 to 1.5100 over 3 runs); btm 1.8075 (1.8000 to 1.8150 over 2 runs)."
    )
    assert page.locator("figure:has(#bits_per_byte) figcaption strong").inner_text() == f"Bits per byte by {label}"


def test_the_axis_switch_moves_the_points(page: "Page") -> None:
    bpe, btm = lines(page)
    assert bpe[-2] == pytest.approx(btm[-2])  # the last steps are the same
    choose(page, "Horizontal axis", "bytes of text")
    assert axis_titles(page) == [AXIS_TITLES["bytes of text"]] * 4
    bpe, btm = lines(page)
    assert bpe[-2] == pytest.approx(btm[-2] * 4 / 6, rel=1e-3)  # btm's tokens are 6 bytes long, those of bpe 4


def test_the_axis_switch_works_by_keyboard(page: "Page") -> None:
    page.locator("input[name=axis]:checked").focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_selector(ALL_DRAWN)
    assert axis_titles(page) == [AXIS_TITLES["seconds"]] * 4
    page.keyboard.press("ArrowLeft")
    page.wait_for_selector(ALL_DRAWN)
    assert axis_titles(page) == [AXIS_TITLES["steps"]] * 4


@pytest.mark.parametrize(("scale", "scaled"), [("linear", np.asarray), ("log", np.log)])
def test_scales_are_linear_or_logarithmic(
    page: "Page", visited: Visit, results: dict[str, Any], scale: str, scaled: Any
) -> None:
    choose(page, "Horizontal scale", scale)
    choose(page, "Vertical scale", scale)
    for curve, line in zip(results["mean_curves"]["all_runs"], lines(page), strict=False):
        for values, pixels in ((curve["columns"]["step"], line[::2]), (curve["columns"]["bits_per_byte"], line[1::2])):
            assert abs(np.corrcoef(scaled(values), pixels)[0, 1]) == pytest.approx(1, abs=1e-6)
    assert visited.complaints == []


def test_the_control_is_drawn_on_request(page: "Page") -> None:
    assert len(lines(page)) == 2
    choose(page, "A/A control", "show bpe under other seeds")
    assert len(lines(page)) == 3
    assert page.locator("#bits_per_byte svg").get_by_text("bpe, other seeds (A/A control)").is_visible()


def test_hovering_gives_values(page: "Page") -> None:
    points = page.locator("#bits_per_byte svg path[aria-roledescription='point']")
    points.last.hover(force=True)
    tooltip = page.locator("#vg-tooltip-element.visible")
    tooltip.wait_for()
    for value in ("btm", "1.8075", "1.8000", "1.8150", "300", "614,400", "3,686,400"):
        assert value in tooltip.inner_text()


def test_hovering_tells_a_run_that_lies_above_the_chart(browser: "Browser", write_trial: Any, tmp_path: Path) -> None:
    trial = write_trial()
    for seed, first in ((1, 2.5), (2, 2.6), (3, 6.5)):
        path = trial / f"runs/btm/seed-{seed}/metrics.jsonl"
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        rows[0]["bits_per_byte"] = first
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    document = document_of(gather(read_trial(trial)))
    drawn = next(block for block in document.blocks() if isinstance(block, Chart) and block.id == "bits_per_byte")
    along_steps = drawn.interactive["axes"]["step"]
    assert along_steps["domains"]["linear"][1] < 6.5 and along_steps["captions"]["linear"] == CUT
    path = tmp_path / "index.html"
    path.write_text(render_page(document, {}), encoding="utf-8")
    page = visit(browser, path.as_uri(), viewport={"width": 1280, "height": 900}).page
    points = page.locator("#bits_per_byte svg path[aria-roledescription='point']")
    points.nth(points.count() - 15).hover(force=True)  # the last 15 are those of btm
    tooltip = page.locator("#vg-tooltip-element.visible")
    tooltip.wait_for()
    assert "lowest run 2.5000 highest run 6.5000" in " ".join(tooltip.inner_text().split())
    page.close()


def test_hostile_text_stays_text(page: "Page", visited: Visit) -> None:
    assert HOSTILE in page.locator("main").inner_text()
    assert page.locator("img").count() == 0
    assert page.locator("script").count() == 3
    assert visited.complaints == []


@pytest.mark.parametrize(("scheme", "background"), [("light", "rgb(255, 255, 255)"), ("dark", "rgb(21, 23, 26)")])
def test_text_is_legible_in_both_schemes(any_page: "Page", scheme: Any, background: str) -> None:
    any_page.emulate_media(color_scheme=scheme)
    assert any_page.evaluate("getComputedStyle(document.body).backgroundColor") == background
    colours = any_page.evaluate(COLOURS)
    assert len(colours) > 5
    assert [found for found in colours if contrast(found[0], found[1]) < LEAST_CONTRAST] == []


def contrast(one: str, other: str) -> float:
    """Returns the contrast of two CSS colours, 1 to 21, as WCAG 2.2 defines it."""
    darker, lighter = sorted(luminance([int(part) for part in re.findall(r"\d+", colour)[:3]]) for colour in (one, other))
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: list[int]) -> float:
    """Returns the relative luminance of red, green and blue, as WCAG 2.2 defines it."""
    shares = [value / 255 for value in colour]
    linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_contrast_is_that_of_the_definition() -> None:
    assert contrast("rgb(0, 0, 0)", "rgb(255, 255, 255)") == pytest.approx(21)
    assert contrast("rgb(119, 119, 119)", "rgb(255, 255, 255)") == pytest.approx(4.48, abs=0.005)  # #777 on white fails AA


def test_the_keyboard_skips_to_the_report_and_reaches_every_section(any_page: "Page") -> None:
    any_page.keyboard.press("Tab")
    assert any_page.evaluate("document.activeElement.innerText") == "Skip to the report"
    any_page.keyboard.press("Enter")
    assert any_page.evaluate("document.activeElement.tagName") == "MAIN"
    targets = any_page.locator("nav a").evaluate_all("links => links.map((link) => link.getAttribute('href').slice(1))")
    headings = any_page.locator("section > h2").evaluate_all("headings => headings.map((heading) => heading.id)")
    assert [heading for heading in headings if heading != "notes"] == targets
    for target in targets:
        any_page.locator(f"nav a[href='#{target}']").press("Enter")
        assert any_page.evaluate("location.hash") == f"#{target}"
        assert any_page.locator(f"#{target}").evaluate("heading => heading.getBoundingClientRect().bottom") <= 900


def test_nothing_overflows_on_a_phone(browser: "Browser", any_address: str) -> None:
    phone = visit(browser, any_address, viewport={"width": 390, "height": 844}, device_scale_factor=2, has_touch=True)
    phone.page.evaluate(OPEN_ALL_DETAILS)
    assert phone.page.evaluate("document.documentElement.scrollWidth") == 390
    assert phone.page.evaluate(OVERFLOWING) == []
    phone.page.close()


def test_it_prints_with_the_chosen_axis_and_without_controls(page: "Page") -> None:
    choose(page, "Horizontal axis", "FLOPs")
    assert axis_titles(page) == [AXIS_TITLES["FLOPs"]] * 4
    page.emulate_media(media="print")
    assert not page.locator("#chart-controls").is_visible()
    assert page.locator("#bits_per_byte svg").get_by_text("training FLOPs").is_visible()
    assert page.pdf(format="A4").startswith(b"%PDF-")
    page.emulate_media(media="screen")


def test_closed_details_are_open_on_paper(browser: "Browser", whole_trial: Path) -> None:
    page = visit(browser, (whole_trial / "report/index.html").as_uri()).page
    shown = page.evaluate(CLOSED_DETAILS)
    assert len(shown) > 5 and not any(shown)
    page.emulate_media(media="print")
    assert all(page.evaluate(CLOSED_DETAILS))
    page.close()


def saved(page: "Page", figure: str, button: str) -> bytes:
    """Returns the file that a button of a figure saves."""
    with page.expect_download() as download:
        page.locator(f"figure[data-name={figure}]").get_by_role("button", name=button, exact=True).click()
    assert download.value.suggested_filename == f"{figure}.{button.lower()}"
    return download.value.path().read_bytes()


def test_every_figure_is_saved_as_a_picture(page: "Page", visited: Visit) -> None:
    figures = page.locator("figure[data-name]")
    assert figures.count() == page.locator("figure .chart").count() == 5
    for name in ("runs", "bits_per_byte"):
        png = saved(page, name, "PNG")
        width, height = int.from_bytes(png[16:20]), int.from_bytes(png[20:24])
        box = page.locator(f"figure[data-name={name}] svg").first.evaluate("svg => svg.viewBox.baseVal.width")
        assert png[:8] == b"\x89PNG\r\n\x1a\n" and width == int(2 * box) and height > 100 and len(png) > 8_000
    assert visited.complaints == []


def test_every_figure_is_saved_as_numbers(page: "Page", results: dict[str, Any]) -> None:
    rows = list(csv.DictReader(saved(page, "bits_per_byte", "CSV").decode().splitlines()))
    (curve, *_) = results["mean_curves"]["all_runs"]
    of_bpe = [float(row["bits_per_byte"]) for row in rows if row["name"] == "bpe"]
    assert of_bpe == pytest.approx(curve["columns"]["bits_per_byte"], rel=1e-5)
    assert {row["name"] for row in rows} == {"bpe", "btm"}, "the control is not shown"
    runs = [row for row in csv.DictReader(saved(page, "runs", "CSV").decode().splitlines()) if row["row"] == "btm"]
    values = [run["bits_per_byte"] for run in results["tracks"]["btm"]["runs"]]
    assert [float(row["value"]) for row in runs[:2]] == values


def test_the_citation_can_be_copied(page: "Page", results: dict[str, Any]) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy BibTeX").click()
    page.get_by_role("button", name="Copied").wait_for()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith("@misc{toktrial-demo,") and results["verdict"]["outcome"] in copied


def test_a_wide_table_shows_that_it_goes_on(browser: "Browser", address: str) -> None:
    """Where it scrolls, its first column stays and a shadow lies at its edge."""
    phone = visit(browser, address, viewport={"width": 390, "height": 844}).page
    table = phone.locator(".scroll", has_text="Every track, as means")
    assert table.evaluate("box => box.scrollWidth > box.clientWidth")
    assert table.evaluate("box => getComputedStyle(box).backgroundAttachment") == "local, local, scroll, scroll"
    first = table.locator("tbody th").first
    before = first.bounding_box()
    table.evaluate("box => { box.scrollLeft = 200; }")
    assert before and first.bounding_box() == before
    phone.close()


def test_explanations_stand_beside_the_verdict_where_there_is_room(page: "Page") -> None:
    headline, criterion = page.locator("h1").bounding_box(), page.locator(".criterion").bounding_box()
    assert headline and criterion and criterion["x"] > headline["x"] + headline["width"] - 1


def test_without_scripts_the_charts_are_pictures(browser: "Browser", address: str) -> None:
    page = browser.new_page(java_script_enabled=False)
    page.goto(address)
    assert page.locator(".chart > svg").count() == 5
    assert page.locator("#bits_per_byte > svg path[aria-roledescription='line mark']").count() == 2
    assert not page.locator("#chart-controls").is_visible()
    page.close()
