"""The rendered HTML in a real headless browser, at the width of a phone and of a desktop."""

from pathlib import Path

import pytest
from mail_fixtures import NO_NEXT_COURSE, candidate, world_in
from selenium.webdriver import Chrome

WIDTHS = (360, 1280)
RENDERED = {
    1: candidate(1),
    2: candidate(2, trigger_course_verified=1, no_certificate_eligible=1, next_course_reason="continue"),
    3: candidate(3, student_name="b" * 200, no_certificate_eligible=3, **NO_NEXT_COURSE),
    4: candidate(4, student_name="<script>document.title = 'run'</script>\u05e9\u05dc\u05d5\u05dd"),
    5: candidate(5, student_name=None, trigger_course_title="Bee" * 60, next_course_title="Hive" * 60),
}

PARAGRAPHS = """
return [...document.querySelectorAll('h1, h2, p, a, .band')].map(element => {
    const box = element.getBoundingClientRect();
    return [element.textContent.trim(), box.left, box.right, box.height, element.checkVisibility()];
});
"""
OVERFLOW = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
# The contrast of WCAG 2 between each text and the nearest background behind it.
CONTRASTS = """
const parts = color => color.match(/[\\d.]+/g).map(Number);
const luminance = color => {
    const [r, g, b] = parts(color).map(value => {
        value /= 255;
        return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const behind = element => {
    const color = getComputedStyle(element).backgroundColor;
    const clear = parts(color).length === 4 && parts(color)[3] === 0;
    return clear && element.parentElement ? behind(element.parentElement) : color;
};
return [...document.querySelectorAll('h1, h2, p, a, bdi, strong, button, .band')].map(element => {
    const shades = [luminance(getComputedStyle(element).color), luminance(behind(element))];
    return [element.textContent, (Math.max(...shades) + 0.05) / (Math.min(...shades) + 0.05)];
});
"""


CARD = "return getComputedStyle(document.querySelector('.card')).backgroundColor"


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    world = world_in(tmp_path_factory.mktemp("pages"))
    world.publish(list(RENDERED.values()))
    assert world.mm("render", "demo", "--out", world.folder / "out").returncode == 0
    return world.folder / "out"


def show(browser: Chrome, page: Path, width: int, scheme: str = "light") -> None:
    look(browser, width, scheme)
    browser.get(page.as_uri())


def look(browser: Chrome, width: int, scheme: str) -> None:
    screen = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    feature = {"name": "prefers-color-scheme", "value": scheme}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "screen", "features": [feature]})


@pytest.mark.parametrize("number", RENDERED)
def test_a_mail_is_for_all_eyes_and_screens(browser: Chrome, pages: Path, number: int) -> None:
    row = RENDERED[number]
    show(browser, pages / f"{number}.html", WIDTHS[0])
    shown = browser.execute_script("return document.body.innerText")
    assert f"Dear {row['student_name']}," in shown or row["student_name"] is None
    assert f"Congratulations on completing {row['trigger_course_title']}!" in shown
    assert browser.title == "Congratulations on your progress in Urban Beekeeping"
    for scheme, background in (("light", "rgb(255, 255, 255)"), ("dark", "rgb(28, 37, 41)")):
        look(browser, WIDTHS[0], scheme)
        assert browser.execute_script(CARD) == background
        for text, contrast in browser.execute_script(CONTRASTS):
            assert contrast >= 4.5, text
    for style in ("as it is", "style element dropped"):
        if style == "style element dropped":
            browser.execute_script("document.querySelector('style').remove()")
        for width in WIDTHS:
            look(browser, width, "light")
            assert browser.execute_script("return innerWidth") == width
            assert browser.execute_script(OVERFLOW) == 0
            paragraphs = browser.execute_script(PARAGRAPHS)
            assert len(paragraphs) > 12
            for text, left, right, height, visible in paragraphs:
                assert visible, text
                assert height > 10, text
                assert 0 <= left < right <= width, text


def test_the_index_leafs_through_the_mails(browser: Chrome, pages: Path) -> None:
    show(browser, pages / "index.html", 1280)
    links = browser.find_elements("css selector", "a[target=mail][href$='.html']")
    assert len(links) == 5
    frame = browser.find_element("tag name", "iframe")
    links[0].click()
    browser.switch_to.frame(frame)
    assert "Congratulations" in browser.find_element("tag name", "h1").text
    browser.switch_to.default_content()
