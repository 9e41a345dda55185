"""The page of an audit in a real browser, from a file: decisions by mouse and keys."""

import json

import pytest
from browser import Session, needs_browser

from ecs_med.runs.decisions import DecisionFile
from ecs_med.training.exclusion import excluded_masks
from ecs_med.types import Case

pytestmark = needs_browser


@pytest.fixture(scope="module")
def page(audited):
    return audited.output / "audit.html"


def tally(session):
    return session.run("document.getElementById('tally').textContent")


def pressed(session, place):
    return session.run(
        f"[...document.querySelectorAll('.mask')[{place}].querySelectorAll('[aria-pressed=true]')]"
        ".map((button) => button.dataset.decision).join()"
    )


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("dark", [False, True])
def test_a_click_is_found_in_the_saved_file(page, audited, tmp_path, width, dark):
    case = audited.findings[1].verdict.case
    with Session(page, tmp_path, width, dark=dark) as session:
        assert session.run("document.documentElement.scrollWidth <= innerWidth")
        color = session.run("getComputedStyle(document.body).backgroundColor")
        assert (color == "rgb(20, 24, 29)") == dark
        assert tally(session) == "Nothing is decided yet."
        session.click(f'[data-case="{case}"] [data-decision="wrong"]')
        assert pressed(session, 1) == "wrong"
        assert tally(session) == "1 decided: 0 right, 1 wrong, 0 unsure."
        session.click("#export")
        content = DecisionFile.read(session.saved("decisions.json"))
        assert session.requests == []
        assert session.console == []
    [one] = content.decisions
    assert (one.case, one.decision) == (case, "wrong")
    assert (one.mask, one.labels) == (audited.findings[1].mask, audited.findings[1].labels)


def test_keys_go_through_the_masks_and_decisions_outlive_the_page(page, audited, tmp_path):
    names = [one.verdict.case for one in audited.findings]
    with Session(page, tmp_path) as session:
        for key in "wjrjuk0":
            session.press(key)
        # The first was called wrong, the second right and opened again, the third unsure.
        assert [pressed(session, place) for place in range(3)] == ["wrong", "", "unsure"]
        session.open(page)
        assert [pressed(session, place) for place in range(3)] == ["wrong", "", "unsure"]
        session.click(f'[data-case="{names[0]}"] [data-decision="wrong"]')
        assert pressed(session, 0) == ""
        session.click("#open-only")
        shown = "[...document.querySelectorAll('.mask')].filter((one) => !one.hidden).length"
        assert session.run(shown) == len(names) - 1
        session.click("#export")
        saved = json.loads(session.saved("decisions.json").read_text())
    assert [(one["case"], one["decision"]) for one in saved["decisions"]] == [(names[2], "unsure")]


def test_what_was_decided_before_is_there_and_goes_into_the_file(phantom, audited, tmp_path, page):
    """Decisions of an earlier audit are kept, and a mask that was changed since is open."""
    names = [one.verdict.case for one in audited.findings]
    known = [
        {"case": name, "decision": "wrong", "mask": one.mask, "labels": one.labels}
        for name, one in zip(names[:2], audited.findings, strict=False)
    ]
    text = page.read_text("utf-8").replace('"decisions": []', f'"decisions": {json.dumps(known)}')
    assert text != page.read_text("utf-8")
    own = tmp_path / "audit.html"
    own.write_text(text, "utf-8")
    with Session(own, tmp_path) as session:
        assert tally(session) == "2 decided: 0 right, 2 wrong, 0 unsure."
        session.press("0")
        assert tally(session) == "1 decided: 0 right, 1 wrong, 0 unsure."
        session.open(own)
        assert tally(session) == "1 decided: 0 right, 1 wrong, 0 unsure."
        session.click("#export")
        path = session.saved("decisions.json")
    contents = {one.verdict.case: content_of(one) for one in audited.findings}
    cases = [Case(name, (phantom / name,), phantom / name) for name in names]
    assert excluded_masks(path, cases, contents) == ({names[1]}, [])


def content_of(one):
    from ecs_med.data.checks.contents import CaseContent

    return CaseContent(id=one.verdict.case, image="", mask=one.mask, labels=one.labels)
