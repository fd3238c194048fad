"""The page on source links, as it is written: a stamped application without `.git` mails commits and links."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

pytest.importorskip("flask", reason="no Flask; pip install flask")
pytest.importorskip("gunicorn", reason="no gunicorn; pip install gunicorn")
pytest.importorskip("aiosmtpd", reason="no aiosmtpd; pip install aiosmtpd")

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent / "unit" / "provenance")]

from mailbox import Mailbox, serving, text_of  # noqa: E402

from asgi_servers import running, wait_until_up  # noqa: E402
from ports import free_port  # noqa: E402
from receiver import clean_environ  # noqa: E402
from repositories import Repository, needs_git  # noqa: E402

from how_to import PAGES, files_of  # noqa: E402

pytestmark = needs_git

SHOP = '''"""A shop that can't charge free orders."""

from flask import Flask

import tocsin


def create_app() -> Flask:
    tocsin.setup()
    app = Flask("shop")

    @app.get("/orders/<int:number>")
    def order(number: int) -> str:
        return f"{share(number)} each"

    @app.get("/")
    def front() -> str:
        return "open"

    return tocsin.install(app)


def share(parts: int) -> float:
    total = 100
    return total / parts
'''
OLDER = SHOP.replace("    return total / parts\n", "    return total\n")
SUBJECT = "Share the total, token=ghp_16C7e42F292c6912E7710c838347Ae178B4a"


def gunicorn(app: str, port: int) -> list[str]:
    return [sys.executable, "-m", "gunicorn", "--no-control-socket", "--bind", f"127.0.0.1:{port}", app]


def tocsin(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "tocsin.cli", *arguments],
        cwd=folder, env=clean_environ(), capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def shop(tmp_path: Path) -> Repository:
    made = Repository(tmp_path / "shop")
    made.commit("Begin", shop_py=OLDER.splitlines())
    made.commit(SUBJECT, shop_py=SHOP.splitlines())
    made.git("remote", "add", "origin", "https://ada:hunter2secret@github.com/acme/shop.git")
    return made


def mailed(folder: Path) -> tuple[str, str, bytes]:
    """Run the application there, have it fail once; return the mail as text, as HTML and as it went."""
    box, port = Mailbox(), free_port()
    config = files_of("source-links.md")["tocsin.toml"].replace("mail.example.org", "127.0.0.1")
    config = config.replace('type = "mail"', f'type = "mail"\nport = {port}\ngather = "0s"')
    (folder / "tocsin.toml").write_text(config)
    with serving(box, port), running(gunicorn, "shop:create_app()", folder, folder) as (process, http):
        wait_until_up(process, http, folder / "server.log")
        with pytest.raises(urllib.error.HTTPError):
            urllib.request.urlopen(f"http://127.0.0.1:{http}/orders/0")
        [mail] = box.wait(1)
        return text_of(mail), text_of(mail, "html"), box.envelopes[0].content


def test_a_stamped_application_without_git_mails_commits_and_links(shop: Repository, tmp_path: Path) -> None:
    head = shop.head
    said = tocsin(shop.root, "stamp")
    assert said.startswith(f"tocsin-stamp.json: commit {head[:12]}, 1 file, 2 commits, ")
    image = tmp_path / "image"
    image.mkdir()
    page = (PAGES / "source-links.md").read_text(encoding="utf-8")
    for line in page.partition("```docker\n")[2].partition("```")[0].splitlines():
        if line.startswith("COPY --from=build"):
            for name in line.split()[2:-1]:
                if (shop.root / Path(name).name).exists():
                    shutil.copy(shop.root / Path(name).name, image)
    assert not (image / ".git").exists()
    shop.root.rename(tmp_path / "gone")
    text, html, sent = mailed(image)
    line = SHOP.splitlines().index("    return total / parts") + 1
    for told in (text.replace("\n", ""), html):
        assert head[:12] in told
        assert f"https://github.com/acme/shop/blob/{head}/shop.py#L{line}" in told
        assert f"https://github.com/acme/shop/commit/{head}" in told
        assert "Share the total, token=[masked" in told
        assert "ghp_16C7e42F" not in told
        assert "hunter2" not in told
    assert b"Ada" not in sent
    assert b"hunter2" not in sent


def test_where_git_is_at_hand_nothing_has_to_be_stamped(shop: Repository) -> None:
    text, _, sent = mailed(shop.root)
    assert f"commit {shop.head[:12]}" in text or shop.head[:12] in text
    assert "Share the total, token=[masked" in text.replace("\n", " ")
    assert b"hunter2" not in sent


def test_the_page_shows_a_mail_of_this_kind(shop: Repository) -> None:
    """Its labels are those of a real one."""
    text, _, _ = mailed(shop.root)
    page = (PAGES / "source-links.md").read_text(encoding="utf-8")
    shown = page.partition("```text\n")[2].partition("```")[0]
    labels = [row.split("  ")[0] for row in shown.splitlines() if "  " in row and not row.startswith(" ")]
    assert labels
    assert all(f"\n{label}  " in text for label in labels)


def test_an_event_names_the_commit_on_every_way(shop: Repository, tmp_path: Path) -> None:
    """The lines that other tools read have it too."""
    code = "import tocsin; r = tocsin.setup(); tocsin.report(message='x'); r.flush(20)"
    environ = {
        **clean_environ(), "TOCSIN_APPLICATION": "shop", "TOCSIN_SPOOL": str(tmp_path / "spool"),
        "TOCSIN_SINKS": f"file:{tmp_path}/events.jsonl",
    }  # fmt: skip
    subprocess.run([sys.executable, "-c", code], cwd=shop.root, env=environ, check=True, timeout=60)
    [event] = [json.loads(row) for row in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert (event["commit"], event["release"]) == (shop.head, shop.head[:12])
