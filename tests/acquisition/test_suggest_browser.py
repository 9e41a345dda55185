"""The page of suggestions in a real browser, from a file, with no way to the network."""

import pytest
from browser import load, needs_browser

from ecs_med.acquisition.suggest import suggest

pytestmark = needs_browser


@pytest.fixture(scope="module")
def page(phantom, run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    suggest(phantom, run, count=3, output=folder)
    return folder / "suggest.html"


def test_all_pictures_are_there_and_no_request_leaves(page, tmp_path):
    found = load(page, tmp_path)
    assert found.console == []
    assert found.requests == []
    assert found.dom.count('src="data:image/jpeg;base64,') == 9


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("dark", [False, True])
def test_nothing_is_wider_than_the_screen(page, tmp_path, width, dark):
    probe = tmp_path / "probe.html"
    measure = (
        '<script>addEventListener("load", () => { document.title = `${scrollWidth()} '
        "${getComputedStyle(document.body).backgroundColor}`; });"
        "function scrollWidth() { return document.documentElement.scrollWidth"
        " <= innerWidth ? 'fits' : 'too wide'; }</script>"
    )
    probe.write_text(page.read_text("utf-8").replace("</head>", f"{measure}</head>"), "utf-8")
    scheme = ["--blink-settings=preferredColorScheme=0"] if dark else []
    found = load(probe, tmp_path, f"--window-size={width},900", *scheme)
    title = found.dom.partition("<title>")[2].partition("</title>")[0]
    assert title.startswith("fits")
    assert ("rgb(20, 24, 29)" in title) == dark
