"""Links: templates are checked at set-up, made of a remote's address, and filled in for the tree's own files only."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tocsin.config.load import load
from tocsin.event.errors import ConfigError
from tocsin.provenance.address import Address, address_of
from tocsin.provenance.forge import Links, commit_template, parse_commit_url, parse_source_url, source_template

sys.path.append(str(Path(__file__).parent))

from repositories import Repository, needs_git

ID = "0123456789abcdef0123456789abcdef01234567"
TEMPLATE = "https://git.example.org/shop/blob/{commit}/{path}#L{line}"


@pytest.mark.parametrize(
    ("remote", "base"),
    [
        ("https://github.com/acme/shop.git", "https://github.com/acme/shop"),
        ("git@github.com:acme/shop.git", "https://github.com/acme/shop"),
        ("ssh://git@GitHub.com/acme/shop", "https://github.com/acme/shop"),
        ("ssh://git@git.example.org:2222/acme/shop.git", "https://git.example.org/acme/shop"),
        ("https://git.example.org:8443/acme/shop/", "https://git.example.org:8443/acme/shop"),
        ("http://git.example.org/~ada/shop.git", "http://git.example.org/~ada/shop"),
        ("https://ada:hunter2@github.com/acme/shop.git", "https://github.com/acme/shop"),
        ("https://x-access-token:ghs_16C7e42F292c6912E7710c838347Ae178B4a@github.com/acme/shop", None),
        ("https://a@b:p@ss@github.com/acme/shop.git?token=1#x", "https://github.com/acme/shop"),
        ("git@git.example.org:group/sub/shop", "https://git.example.org/group/sub/shop"),
    ],
)  # fmt: skip
def test_an_address_has_no_user_and_no_password(remote: str, base: str | None) -> None:
    found = address_of(remote)
    assert found is not None
    assert found.base == (base or "https://github.com/acme/shop")


@pytest.mark.parametrize(
    "remote",
    ["", "/srv/git/shop.git", "../shop", "file:///srv/shop.git", "C:\\git\\shop", "C:/git/shop", "https://", "https://h/",
     "https://ho st/x", "https://host/a b", "https://host/{line}", "https://host/a\nb", "x" * 9_000, "ext::sh -c id"],
)  # fmt: skip
def test_what_is_no_forge_has_no_address(remote: str) -> None:
    assert address_of(remote) is None


@pytest.mark.parametrize(
    ("remote", "source", "commit"),
    [
        ("git@github.com:a/s.git", "https://github.com/a/s/blob/{commit}/{path}#L{line}", "/commit/{commit}"),
        ("git@gitlab.com:a/s.git", "https://gitlab.com/a/s/-/blob/{commit}/{path}#L{line}", "/-/commit/{commit}"),
        ("git@codeberg.org:a/s.git", "https://codeberg.org/a/s/src/commit/{commit}/{path}#L{line}", "/commit/{commit}"),
        ("git@bitbucket.org:a/s", "https://bitbucket.org/a/s/src/{commit}/{path}#lines-{line}", "/commits/{commit}"),
        ("git@git.example.org:a/s.git", "", ""),
    ],
)  # fmt: skip
def test_auto_knows_the_forge_by_its_host(remote: str, source: str, commit: str) -> None:
    assert source_template("auto", remote) == source
    assert commit_template("", "auto", remote) == (source.partition("/a/s")[0] + "/a/s" + commit if source else "")


def test_a_forge_of_ones_own_is_named() -> None:
    remote = "git@git.example.org:a/s.git"
    assert source_template("gitlab", remote) == "https://git.example.org/a/s/-/blob/{commit}/{path}#L{line}"
    assert source_template("", remote) == ""
    assert commit_template("https://x.example.org/{commit}", "gitlab", remote) == "https://x.example.org/{commit}"
    assert commit_template("", TEMPLATE, remote) == ""


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("https://h.example.org/{revision}/{path}", "has no value for {revision}; known are {commit}, {path}"),
        ("ftp://h.example.org/{path}", "must be a URL such as https://"),
        ("javascript:alert({path})", "must be a URL such as"),
        ("https://h.example.org/{path}\n", ""),
        ("https://h.example.org/\x1b{path}", "must be a URL such as"),
        ("https://h.example.org/a b/{path}", "must be a URL such as"),
        ("https://ada:pw@h.example.org/{path}", "must hold no user and no password"),
        ("https://{release}.example.org/{path}", "must have no placeholder for its host"),
        ("https://h.example.org/", "must hold {path}"),
        ("sourceforge", "or one of auto, github"),
        (7, "must be a URL such as"),
    ],
)
def test_a_template_is_checked(value: object, why: str) -> None:
    if not why:
        assert parse_source_url(value) == str(value).strip()
        return
    with pytest.raises(ValueError) as raised:
        parse_source_url(value)
    assert why in str(raised.value)


def test_a_commit_template_must_have_its_commit() -> None:
    assert parse_commit_url(" ") == ""
    assert parse_commit_url("https://h.example.org/{commit}") == "https://h.example.org/{commit}"
    with pytest.raises(ValueError, match=r"must hold \{commit\}"):
        parse_commit_url("https://h.example.org/")
    with pytest.raises(ValueError, match=r"no value for \{path\}"):
        parse_commit_url("https://h.example.org/{commit}/{path}")


def test_all_faults_are_told_at_once_at_setup() -> None:
    with pytest.raises(ConfigError) as raised:
        load(
            {"application": "shop", "source_url": "gitbub", "commit_url": "x", "commit": "main", "blame": "maybe"},
            {},
            {},
        )
    told = "\n".join(raised.value.faults)
    assert len(raised.value.faults) == 4
    assert "commit must be a commit's id: 7 to 64 hexadecimal digits, best all of them (it is 'main')" in told


def links(root: Path, template: str = TEMPLATE, **known: str) -> Links:
    return Links(template, str(root), **{"commit": ID, **known})


def test_a_file_of_the_tree_has_a_link(tmp_path: Path) -> None:
    to = links(tmp_path).to
    (tmp_path / "web").mkdir()
    assert to(str(tmp_path / "web/app.py"), 7) == f"https://git.example.org/shop/blob/{ID}/web/app.py#L7"
    assert to(str(tmp_path / "app.py"), 7) == f"https://git.example.org/shop/blob/{ID}/app.py#L7"
    assert to(str(tmp_path / "templates/größe #1?.html"), 2).endswith("/templates/gr%C3%B6%C3%9Fe%20%231%3F.html#L2")


def test_what_is_not_of_the_tree_has_none(tmp_path: Path) -> None:
    to = links(tmp_path / "shop").to
    (tmp_path / "shop/vendor/lib/.git").mkdir(parents=True)
    for file in ("/usr/lib/python3/os.py", "<string>", "pay.html", "", "\0", "x" * 99_999,
                 str(tmp_path / "shop2/app.py"), str(tmp_path / "shop/vendor/lib/lib.py"),
                 str(tmp_path / "shop/.venv/lib/python3.13/site-packages/flask/app.py")):  # fmt: skip
        assert to(file, 1) == "", file
    assert to(str(tmp_path / "shop/vendor/own.py"), 1)


def test_end_line_and_release_are_filled_in_and_encoded(tmp_path: Path) -> None:
    template = "https://h.example.org/{release}/{path}?from={line}&to={end_line}&x={{}}"
    to = links(tmp_path, template, release="v1/2 &x").to
    assert to(str(tmp_path / "a.py"), 3, 5) == "https://h.example.org/v1%2F2%20%26x/a.py?from=3&to=5&x={{}}"
    assert to(str(tmp_path / "a.py"), 3) == "https://h.example.org/v1%2F2%20%26x/a.py?from=3&to=3&x={{}}"
    assert links(tmp_path, template).to(str(tmp_path / "a.py"), 3) == "", "there is no release to link to"


def test_a_part_of_a_repository_has_its_prefix(tmp_path: Path) -> None:
    assert links(tmp_path, prefix="services/shop/").to(str(tmp_path / "a.py"), 3).endswith("/services/shop/a.py#L3")


def test_links_without_a_commit_are_none(tmp_path: Path) -> None:
    assert links(tmp_path, commit="").to(str(tmp_path / "a.py"), 3) == ""


def test_a_file_that_calls_itself_a_placeholder_stays_a_file(tmp_path: Path) -> None:
    assert links(tmp_path).to(str(tmp_path / "{line}.py"), 3).endswith("/%7Bline%7D.py#L3")


def test_the_host_is_told_in_lower_case() -> None:
    assert address_of("git@GITHUB.com:a/s") == Address("github.com", "https://github.com/a/s")


@needs_git
def test_a_link_through_a_link_of_the_deployment_is_the_repositorys(tmp_path: Path) -> None:
    shop = Repository(tmp_path / "releases/1")
    shop.commit("Begin", app_py=["x"])
    (tmp_path / "current").symlink_to(shop.root)
    shop.write("web/a.py", ["x"])
    assert links(tmp_path / "current").to(str(shop.root / "web/a.py"), 1).endswith("/web/a.py#L1")
    assert links(shop.root).to(str(tmp_path / "current/app.py"), 1).endswith("/app.py#L1")
