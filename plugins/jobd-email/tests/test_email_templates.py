"""Templates: what they give, what stays text, and what stops them."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import jobd
from jobd_email.templates import Templates

ESCAPES = [
    "{{7*7}}",
    "{% for x in [1] %}{{ x }}{% endfor %}",
    "{% include '/etc/passwd' %}",
    "{% import os %}",
    "${7*7}",
    "{{ self.__init__.__globals__ }}",
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
]
BREAKOUTS = [
    "''.__class__.__mro__[1].__subclasses__()",
    "''['__class__']",
    "(''|attr('__class__')).__mro__",
    "'{0.__class__}'.format('')",
    "'{a.__class__}'.format_map({'a': 1})",
    "self.__init__.__globals__",
    "self._TemplateReference__context",
    "data.__class__.__init__.__globals__",
    "range.__call__.__self__.__class__",
    "namespace.__init__.__globals__",
    "dict.__base__.__subclasses__()",
    "cycler.__init__.__globals__.os.popen('id').read()",
    "lipsum.__globals__['os'].popen('id').read()",
    "joiner.__init__.__globals__",
    "config.items()",
    "request.application.__globals__",
    "[].append.__self__.__class__",
    "(1).__class__.__base__",
    "data.items.__func__",
    "(data.values()|list).__class__",
    "''|map(attribute='__class__')|list|first",
    "[data]|map(attribute='__class__.__base__')|first",
    "[data]|sum(attribute='__class__')",
    "data.update({'a': 1})",
    "data.clear()",
    "{}.__setitem__('a', 1)",
]

LOOP = "{% for a in range(10000) %}"
ENDLESS = f"{LOOP * 4}{'{% endfor %}' * 4}"


@pytest.fixture
async def templates(tmp_path: Path) -> AsyncIterator[Templates]:
    async with Templates(tmp_path) as made:
        yield made


@pytest.mark.requirement("1.7")
async def test_a_template_gives_subject_text_and_html(templates: Templates, tmp_path: Path) -> None:
    (tmp_path / "welcome.subject").write_text("Welcome, {{ name }}\n")
    (tmp_path / "welcome.txt").write_text("Hello {{ name }}")
    (tmp_path / "welcome.html").write_text("<p>Hello {{ name }}</p>")
    words = await templates.render("welcome", {"name": "<Ada> & Co"})
    assert words.subject == "Welcome, <Ada> & Co"
    assert words.text == "Hello <Ada> & Co"
    assert words.html == "<p>Hello &lt;Ada&gt; &amp; Co</p>"
    assert (await templates.render("welcome", {"name": "Ada"}, subject="Mine")).subject == "Mine"


async def test_a_template_may_have_one_form_only_lie_in_a_folder_and_extend_another(
    templates: Templates, tmp_path: Path
) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "base.html").write_text("<body>{% block words %}{% endblock %}</body>")
    (tmp_path / "shop" / "order.html").write_text(
        "{% extends 'base.html' %}{% block words %}{% for item in items %}<i>{{ item.name }}</i>{% endfor %}"
        "{% endblock %}"
    )
    words = await templates.render("shop/order", {"items": [{"name": "a"}, {"name": "<"}]}, subject="s")
    assert (words.text, words.html) == (None, "<body><i>a</i><i>&lt;</i></body>")


@pytest.mark.threat("S36")
@pytest.mark.parametrize("text", ESCAPES)
async def test_data_is_text_and_never_a_template(templates: Templates, tmp_path: Path, text: str) -> None:
    (tmp_path / "echo.txt").write_text("{{ data }}")
    (tmp_path / "echo.subject").write_text("{{ data }}")
    words = await templates.render("echo", {"data": text})
    assert (words.text, words.subject) == (text, text)


@pytest.mark.threat("S36")
async def test_no_known_breakout_gets_out_of_the_sandbox(templates: Templates, tmp_path: Path) -> None:
    for number, expression in enumerate(BREAKOUTS):
        (tmp_path / f"b{number}.txt").write_text(f"{{% set got = {expression} %}}{{{{ got ~ '' }}}}")
        with pytest.raises(jobd.Fail, match=rf"template b{number}\.txt") as raised:
            await templates.render(f"b{number}", {"data": {"a": 1}}, subject="s")
        assert "uid=" not in raised.value.reason


@pytest.mark.threat("S36")
async def test_a_template_that_does_not_end_is_stopped_and_the_next_one_renders(
    templates: Templates, tmp_path: Path
) -> None:
    (tmp_path / "endless.txt").write_text(ENDLESS)
    (tmp_path / "good.txt").write_text("good")
    with pytest.raises(jobd.Fail, match="longer than 2 s"):
        await templates.render("endless", {}, subject="s")
    assert (await templates.render("good", {}, subject="s")).text == "good"


@pytest.mark.parametrize(
    ("huge", "words"),
    [
        ("{{ range(10**9)|list }}", "(?i)range"),
        ("{% set x = 'x' * 10**9 %}", "MemoryError"),
        ("{{ 10 ** (10 ** 9) }}", "MemoryError|longer than 2 s"),
        ("{% set x = [0] * 10**9 %}", "MemoryError"),
        ("{% for a in range(100000) %}0123456789ABCDEF{% endfor %}", "more than 1000000 characters"),
    ],
)
async def test_a_template_that_grows_without_bound_is_stopped(
    templates: Templates, tmp_path: Path, huge: str, words: str
) -> None:
    (tmp_path / "huge.txt").write_text(huge)
    with pytest.raises(jobd.Fail, match=words):
        await templates.render("huge", {}, subject="s")


async def test_a_fault_of_a_template_says_file_line_and_what(templates: Templates, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\n{{ nobody }}")
    (tmp_path / "b.txt").write_text("{% if %}")
    (tmp_path / "c.txt").write_text("{% include 'gone.txt' %}")
    (tmp_path / "d.txt").write_text("{% include '../secret.txt' %}")
    (tmp_path.parent / "secret.txt").write_text("secret")
    for name, words in (
        ("a", r"a\.txt, line 2: UndefinedError: 'nobody' is undefined"),
        ("b", r"b\.txt, line 1: TemplateSyntaxError"),
        ("c", r"c\.txt asks for gone\.txt, which is not there"),
        ("d", r"d\.txt asks for \.\./secret\.txt, which is not there"),
        ("e", r"no template e: neither e\.txt nor e\.html"),
    ):
        with pytest.raises(jobd.Fail, match=words):
            await templates.render(name, {}, subject="s")


async def test_without_a_directory_or_a_subject_the_failure_says_what_to_add(tmp_path: Path) -> None:
    async with Templates(None) as nowhere:
        with pytest.raises(jobd.Fail, match=r"\[plugins\.email\] template_dir .*JOBD_PLUGINS__EMAIL__TEMPLATE_DIR"):
            await nowhere.render("a", {})
    (tmp_path / "a.txt").write_text("a")
    async with Templates(tmp_path) as templates:
        with pytest.raises(jobd.Fail, match=r"add a\.subject"):
            await templates.render("a", {})


async def test_a_render_that_is_cancelled_does_not_give_its_answer_to_the_next_one(
    templates: Templates, tmp_path: Path
) -> None:
    (tmp_path / "endless.txt").write_text(ENDLESS)
    (tmp_path / "good.txt").write_text("good")
    await templates.render("good", {}, subject="s")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await templates.render("endless", {}, subject="s")
    assert (await templates.render("good", {}, subject="s")).text == "good"


@pytest.mark.threat("S36")
async def test_the_child_gets_none_of_our_secrets(
    templates: Templates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOBD_PLUGINS__EMAIL__PASSWORD", "canary")
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nenv > "{tmp_path}/environment"\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    (tmp_path / "good.txt").write_text("good")
    assert (await templates.render("good", {}, subject="s")).text == "good"
    told = (tmp_path / "environment").read_text()
    assert "PATH=" in told
    assert "canary" not in told


async def test_the_child_outlives_signals_to_the_whole_group(templates: Templates, tmp_path: Path) -> None:
    (tmp_path / "good.txt").write_text("good")
    await templates.render("good", {}, subject="s")
    child = templates._child
    assert child is not None
    child.send_signal(signal.SIGTERM)
    child.send_signal(signal.SIGINT)
    assert (await templates.render("good", {}, subject="s")).text == "good"
    assert templates._child is child


async def test_a_child_that_died_is_replaced(templates: Templates, tmp_path: Path) -> None:
    (tmp_path / "good.txt").write_text("good")
    await templates.render("good", {}, subject="s")
    child = templates._child
    assert child is not None
    child.kill()
    await child.wait()
    assert (await templates.render("good", {}, subject="s")).text == "good"
