"""The page in a browser: it draws, zooms and answers the pointer, and nothing leaves it."""

import io
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, sync_playwright

from tests.backtests import backtest, bars
from tradebot.core import Array
from tradebot.report import page as report
from tradebot.report import plots
from tradebot.stats.metrics import METRICS

TALL = "Bokeh.documents[0].roots()[0].children[0][0].y_range.span"
END = 1_288_396_800_000  # 2010-10-30, the last of the bars
ATTACK = "<script>alert(1)</script>"
NAMES = ('it\'s "quoted"</script>', "@x $index {0}")
SWITCHES = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


class Opened(NamedTuple):
    """The page, and what it has done so far."""

    page: Page
    requests: list[str]
    faults: list[str]  # errors, warnings and dialogs

    def panels(self) -> Locator:
        """What each figure is drawn on."""
        return self.page.locator(".bk-Figure canvas.bk-layer:nth-of-type(1)").filter(visible=True)

    def point(self) -> None:
        """Put the pointer on the middle of the first chart."""
        self.page.locator(".bk-Figure .bk-events").first.hover()

    def settle(self) -> None:
        """Wait until everything is drawn again: an axis is fitted in one frame and painted in another."""
        frames = "let n = 3; const next = () => n-- ? requestAnimationFrame(next) : done(); next()"
        self.page.evaluate(f"() => new Promise(done => {{ {frames} }})")
        self.page.wait_for_function("() => Bokeh.documents[0].is_idle")

    def pictures(self) -> list[str]:
        """What each figure looks like."""
        return [str(data) for data in self.panels().evaluate_all("all => all.map(one => one.toDataURL())")]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = shutil.which("chromium")
    if path is None:
        reason = "the page is not tested in a browser: there is no chromium (apt-get install chromium)"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=list(SWITCHES))
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def html() -> str:
    """Two backtests whose names and symbol would do harm if they were not escaped."""
    market = bars(ATTACK)
    tests = [backtest(NAMES[0], market=market), backtest(NAMES[1], market=market, first_seed=9)]
    return report.render(
        tests, title=ATTACK, facts={"command": ATTACK}, still=("All", plots.png(plots.comparison(tests)))
    )


@pytest.fixture
def opened(browser: Browser, html: str, tmp_path: Path) -> Iterator[Opened]:
    yield from _open(browser, html, tmp_path, width=1280)


@pytest.fixture
def telephone(browser: Browser, html: str, tmp_path: Path) -> Iterator[Opened]:
    yield from _open(browser, html, tmp_path, width=390)


def _open(browser: Browser, html: str, folder: Path, width: int) -> Iterator[Opened]:
    file = folder / "report.html"
    file.write_text(html, encoding="utf-8")
    context = browser.new_context(
        viewport={"width": width, "height": 900}, is_mobile=width < 500, has_touch=width < 500
    )
    opened = Opened(context.new_page(), [], [])
    opened.page.on("request", lambda request: opened.requests.append(request.url))
    opened.page.on("pageerror", lambda error: opened.faults.append(str(error)))
    opened.page.on("dialog", lambda dialog: (opened.faults.append(dialog.message), dialog.dismiss()))
    opened.page.on(
        "console",
        lambda said: opened.faults.append(said.text) if said.type in ("error", "warning") else None,
    )
    opened.page.goto(file.as_uri())
    opened.page.locator(".legend").first.wait_for()
    opened.settle()
    yield opened
    assert opened.faults == []
    assert opened.requests == [file.as_uri()]
    context.close()


def test_every_chart_is_drawn(opened: Opened) -> None:
    boxes = [canvas.bounding_box() for canvas in opened.panels().all()]
    assert len(boxes) == 1 + 2 * 4
    assert all(box and box["width"] > 600 and box["height"] > 100 for box in boxes)
    colors = opened.panels().evaluate_all(
        """all => all.map(one => new Set(new Uint32Array(one.getContext("2d")
            .getImageData(0, 0, one.width, one.height).data.buffer)).size)"""
    )
    assert min(colors) > 10  # an empty canvas has one


def test_the_wheel_zooms_all_charts_together_and_a_button_resets_them(opened: Opened) -> None:
    def spans(axis: str) -> list[float]:
        figures = "Bokeh.documents[0].roots().flatMap(root => root.children.map(([figure]) => figure))"
        values = opened.page.evaluate(f"{figures}.map(f => f.{axis}_range.end - f.{axis}_range.start)")
        return [float(value) for value in values]

    before, seen, tall = opened.pictures(), spans("x"), spans("y")
    opened.point()
    opened.page.keyboard.down("Control")
    opened.page.mouse.wheel(0, -400)
    opened.page.keyboard.up("Control")
    opened.page.wait_for_function(
        "end => Bokeh.documents[0].roots()[0].children[0][0].x_range.end < end", arg=END
    )
    opened.settle()
    zoomed = spans("x")
    assert len(zoomed) == 1 + 2 * 4 and set(zoomed) == {zoomed[0]} and zoomed[0] < 0.95 * seen[0]
    assert all(one != other for one, other in zip(before, opened.pictures(), strict=True))
    assert spans("y")[0] < tall[0]  # the logarithmic axis fits what is seen
    opened.page.get_by_title("Reset").first.click()
    opened.page.wait_for_function("tall => Math.abs(" + TALL + " - tall) < 1e-9", arg=tall[0])
    assert spans("x") == seen


def test_the_wheel_alone_scrolls_the_page(opened: Opened) -> None:
    opened.point()
    at = opened.page.evaluate("scrollY")
    opened.page.mouse.wheel(0, 300)
    opened.page.wait_for_function("at => scrollY > at", arg=at)


def test_a_legend_name_hides_its_line(opened: Opened) -> None:
    before = opened.pictures()
    button = opened.page.locator(".legend").first.get_by_role("button", name="buy_and_hold")
    button.click()
    assert button.get_attribute("aria-pressed") == "false"
    opened.settle()
    after = opened.pictures()
    assert [one != other for one, other in zip(before, after, strict=True)] == [True] + [False] * 8
    button.click()
    opened.settle()
    assert opened.pictures()[0] == before[0]


def test_the_pointer_shows_what_every_account_was_worth(opened: Opened) -> None:
    opened.point()
    tooltip = opened.page.locator(".bk-Tooltip .bk-tooltip-content").filter(visible=True).first
    text = tooltip.inner_text()
    assert "2010-05-2" in text  # the middle of the chart
    for name in (*NAMES, "buy_and_hold", "flat"):  # as they were given, with nothing filled in
        assert f"{name}:" in text
    assert "1.000×" in text  # what the flat account is worth


def test_a_name_that_is_a_script_is_shown_and_not_run(opened: Opened) -> None:
    assert opened.page.locator("h1").inner_text() == ATTACK
    assert f"{ATTACK}, 2010-01-04" in opened.page.locator("header").inner_text()
    for name in NAMES:
        assert f"{name}: ensemble of 4 seeds" in opened.page.locator(".legend").first.inner_text()


def test_nothing_is_wider_than_a_telephone(telephone: Opened) -> None:
    assert telephone.page.evaluate("document.documentElement.scrollWidth") == 390
    assert all(
        box and 300 < box["width"] <= 390 for box in map(Locator.bounding_box, telephone.panels().all())
    )


def test_a_wide_table_shows_that_it_goes_on_and_keeps_its_lines_when_it_is_moved(telephone: Opened) -> None:
    table = telephone.page.get_by_role("region", name="All metrics")

    def columns() -> tuple[Array, Array]:
        """The brightness of the body near its left and its right edge, from top to bottom."""
        box, body = table.bounding_box(), table.locator("tbody").bounding_box()
        assert box and body
        top, height = round(body["y"] - box["y"]), round(body["height"])
        seen = np.array(Image.open(io.BytesIO(table.screenshot())).convert("L"))
        return seen[top : top + height, 5], seen[top : top + height, -4]

    assert columns()[1].max() < 250
    table.evaluate("box => { box.scrollLeft = box.scrollWidth; }")
    left, right = columns()
    assert right.max() == 255
    assert (left < 250).sum() == len(METRICS)  # a line above each row


def test_a_finger_scrolls_the_page_until_a_tool_is_chosen(telephone: Opened) -> None:
    touch = telephone.page.locator(".bk-Figure .bk-events").evaluate_all(
        "all => all.map(one => getComputedStyle(one).touchAction)"
    )
    assert set(touch) == {"auto"}


def test_without_javascript_there_are_a_picture_the_numbers_and_no_empty_controls(
    browser: Browser, html: str, tmp_path: Path
) -> None:
    (tmp_path / "report.html").write_text(html, encoding="utf-8")
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((tmp_path / "report.html").as_uri())
    picture = page.locator("noscript img").bounding_box()
    assert picture and picture["width"] > 600
    assert page.locator(".legend, .hint").filter(visible=True).count() == 0
    assert page.locator("table").filter(visible=True).count() == 1 + 2 * 2
    context.close()


def test_a_dark_page_has_light_lines(browser: Browser, html: str, tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text(html, encoding="utf-8")
    page = browser.new_page(color_scheme="dark")
    page.goto((tmp_path / "report.html").as_uri())
    page.locator(".legend").first.wait_for()
    hold = "Bokeh.documents[0].get_model_by_name('chart-all-baseline0').glyph.line_color.value"
    ink = np.array([int(page.evaluate(hold)[i : i + 2], 16) for i in (1, 3, 5)])
    assert ink.min() > 200
    page.close()
