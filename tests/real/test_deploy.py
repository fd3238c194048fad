"""The files of examples/deploy: checked by who reads them, and run as containers that may write one folder only."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from container import USER, Container, require
from ports import free_port

from how_to import PAGES, files_of

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "examples" / "deploy"
WAIT_S = 120.0  # far past what a busy machine takes


def wait_until(is_so: Callable[[], Any]) -> None:
    end = time.monotonic() + WAIT_S
    while not is_so():
        assert time.monotonic() < end, "it does not come to that"
        time.sleep(0.1)


def fetch(url: str) -> tuple[int, str]:
    """Return status and error id; status 0 where nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return answer.status, ""
    except urllib.error.HTTPError as answer:
        with answer:
            return answer.code, answer.headers["X-Error-Id"] or ""
    except OSError:
        return 0, ""


def shown() -> Mapping[str, str]:
    """Return the files that the page shows; the name of one has no ending."""
    text = (PAGES / "containers.md").read_text(encoding="utf-8")
    dockerfile = re.search(r"`Dockerfile`:\n\n```docker\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert dockerfile is not None
    return {**files_of("containers.md"), "Dockerfile": dockerfile[1]}


# -- the files -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(path.name for path in DEPLOY.iterdir() if path.name != "README.md"))
def test_the_page_shows_the_file(name: str) -> None:
    assert shown()[name] == (DEPLOY / name).read_text(encoding="utf-8")


def test_the_page_shows_no_other_files() -> None:
    assert set(shown()) == {path.name for path in DEPLOY.iterdir()} - {"README.md"}


def documents(name: str) -> list[Any]:
    """Read YAML, refusing a key that stands twice."""
    yaml = pytest.importorskip("yaml", reason="no PyYAML; pip install PyYAML")

    class Strict(yaml.SafeLoader):  # type: ignore[misc]
        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            keys = [self.construct_object(key, deep=True) for key, _ in node.value]
            assert len(keys) == len(set(keys)), f"{name}, line {node.start_mark.line + 1}: a key stands twice"
            return super().construct_mapping(node, deep)

    return list(yaml.load_all((DEPLOY / name).read_text(encoding="utf-8"), Strict))


def _require_model(value: Any, kind: str, at: str) -> None:
    """Hold a value against the type that the API's own client gives it: every key known, every required one there."""
    models = pytest.importorskip("kubernetes.client.models", reason="no kubernetes; pip install kubernetes")
    if inner := re.fullmatch(r"[Ll]ist\[(.+)\]", kind):
        assert isinstance(value, list), at
        for number, item in enumerate(value):
            _require_model(item, inner[1], f"{at}[{number}]")
    elif inner := re.fullmatch(r"[Dd]ict[(\[]str, (.+)[)\]]", kind):
        for key, item in value.items():
            assert isinstance(key, str), at
            _require_model(item, inner[1], f"{at}.{key}")
    elif kind in ("str", "int", "bool"):
        assert type(value).__name__ == kind, f"{at} is {value!r}, not of type {kind}"
    elif kind != "object":
        model = getattr(models, kind)
        names = {wire: attribute for attribute, wire in model.attribute_map.items()}
        assert set(value) <= set(names), f"{at}: {set(value) - set(names)} unknown to {kind}"
        model(**{names[wire]: item for wire, item in value.items()})  # raises where one that is required is missing
        for wire, item in value.items():
            _require_model(item, model.openapi_types[names[wire]], f"{at}.{wire}")


def test_the_manifest_is_what_the_api_takes() -> None:
    [deployment] = documents("kubernetes.yaml")
    assert (deployment["apiVersion"], deployment["kind"]) == ("apps/v1", "Deployment")
    _require_model(deployment, "V1Deployment", "deployment")


def test_the_manifest_says_what_the_page_says_of_it() -> None:
    [deployment] = documents("kubernetes.yaml")
    pod = deployment["spec"]["template"]["spec"]
    [shop], [deliver] = pod["containers"], pod["initContainers"]
    assert deliver["restartPolicy"] == "Always"  # what makes it a sidecar
    for container in (shop, deliver):
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        mounts = {mount["name"]: mount for mount in container["volumeMounts"]}
        assert mounts["spool"]["mountPath"] == "/var/spool/tocsin"
        assert "readOnly" not in mounts["spool"]
        assert mounts["secrets"]["readOnly"] is True
    assert {mount["name"] for mount in shop["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}
    assert (
        deployment["spec"]["selector"]["matchLabels"].items()
        <= deployment["spec"]["template"]["metadata"]["labels"].items()
    )
    assert pod["terminationGracePeriodSeconds"] > 30 + 20  # gunicorn's grace, then the drain
    assert shop["image"] == deliver["image"]


def test_the_compose_file_says_what_the_page_says_of_it() -> None:
    """Its form was held against the schema of the Compose specification by hand; here are its relations."""
    [compose] = documents("compose.yaml")
    shop, deliver = compose["services"]["shop"], compose["services"]["deliver"]
    assert shop["depends_on"] == ["deliver"]  # what depends on something is stopped before it
    assert shop["read_only"] is deliver["read_only"] is True
    assert shop["volumes"] == deliver["volumes"] == ["spool:/var/spool/tocsin"]
    assert list(compose["volumes"]) == ["spool"]
    assert [secret["source"] for secret in shop["secrets"]] == list(compose["secrets"])
    assert shop["environment"].keys() == {"TOCSIN_ENVIRONMENT", "TOCSIN_RELEASE"}
    assert all(isinstance(value, str) for value in shop["environment"].values())


def test_the_files_agree_on_paths_and_the_user() -> None:
    import tomllib

    config = tomllib.loads((DEPLOY / "tocsin.toml").read_text(encoding="utf-8"))
    dockerfile = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    compose, manifest = (DEPLOY / "compose.yaml").read_text(), (DEPLOY / "kubernetes.yaml").read_text()
    mail = config["sinks"][1]
    assert config["spool"].startswith("/var/spool/tocsin/")  # below the volume, not the volume itself
    for text in (compose, manifest):
        assert "/var/spool/tocsin" in text
        assert str(Path(mail["password_file"]).parent) in text
    assert f"--uid {USER}" in dockerfile
    assert f"USER {USER}" in dockerfile
    assert f"runAsUser: {USER}" in manifest


def test_systemd_takes_the_units(tmp_path: Path) -> None:
    """`systemd-analyze verify`, with programs where the units name them."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd-analyze; on Debian: apt-get install -y systemd")
    require()
    setting = "mount -t tmpfs tmpfs /srv; mkdir -p /srv/shop/venv/bin; for name in gunicorn tocsin; do"
    setting += " cp /bin/true /srv/shop/venv/bin/$name; done; mount -t tmpfs tmpfs /etc/systemd/system;"
    setting += f" cp {DEPLOY}/*.service /etc/systemd/system; cd /etc/systemd/system;"
    verify = f"{setting} systemd-analyze verify --man=no shop.service tocsin-shop.service"
    enter = ["unshare", "--mount", "--propagation", "private", "sh", "-ec"]
    found = subprocess.run([*enter, verify], capture_output=True, text=True)
    ours = [line for line in found.stderr.splitlines() if "shop" in line]
    assert (found.returncode, ours) == (0, []), found.stderr
    broken = verify.replace("systemd-analyze", "sed -i s/StateDirectory=/StateDir=/ *.service; systemd-analyze")
    assert "'StateDir'" in subprocess.run([*enter, broken], capture_output=True, text=True).stderr


def test_the_configuration_of_iis_is_what_the_page_says_of_it() -> None:
    web = ElementTree.fromstring((DEPLOY / "web.config").read_bytes())
    platform = web.find("system.webServer/httpPlatform")
    assert platform is not None
    assert "%HTTP_PLATFORM_PORT%" in platform.attrib["arguments"]
    names = {variable.attrib["name"] for variable in platform.iter("environmentVariable")}
    assert names == {"PYTHONPATH", "TOCSIN_CONFIG"}


def test_the_command_for_iis_serves_and_reports_on_a_windows_python(tmp_path: Path) -> None:
    """Under Wine, with waitress as IIS would start it: its command, with the port put in."""
    pytest.importorskip("waitress", reason="no waitress; pip install waitress")
    from wine import Windows

    platform = ElementTree.fromstring((DEPLOY / "web.config").read_bytes()).find("system.webServer/httpPlatform")
    assert platform is not None
    port = str(free_port())
    command = platform.attrib["arguments"].replace("%HTTP_PLATFORM_PORT%", port).split()
    assert platform.attrib["processPath"].endswith("waitress-serve.exe")
    shutil.copy(DEPLOY / "shop.py", tmp_path)
    (tmp_path / "tocsin.toml").write_text('application = "shop"\nspool = "spool"\nsinks = ["file:events.jsonl"]\n')
    windows, events = Windows(tmp_path), tmp_path / "events.jsonl"
    serving = windows.start(WAITRESS, "Z:" + str(Path(pytest.__file__).parents[1]), *command)
    out: list[str] = []
    reading = threading.Thread(target=lambda: out.extend(serving.stdout or ()), daemon=True)
    reading.start()
    try:
        wait_until(lambda: serving.poll() is not None or fetch(f"http://127.0.0.1:{port}/")[0] == 200)
        assert serving.poll() is None, out
        status, error_id = fetch(f"http://127.0.0.1:{port}/orders/0")
        wait_until(lambda: events.exists() and events.stat().st_size)
    finally:
        windows.close()
    assert (status, json.loads(events.read_text().splitlines()[0])["error_id"]) == (500, error_id)


WAITRESS = """
    import os, sys
    sys.path[:0] = [os.getcwd(), sys.argv[1]]
    os.environ["TOCSIN_CONFIG"] = "tocsin.toml"
    print("starts", flush=True)
    from waitress.runner import run
    run(["waitress-serve", *sys.argv[2:]])
"""


# -- run -----------------------------------------------------------------------------------------------------


class Pod:
    """The application and its sidecar on one volume, and a mailbox on this machine that they deliver to."""

    def __init__(self, folder: Path, name: str, smtp_port: int, http_port: int) -> None:
        self.folder, self.name, self.http_port = folder, name, http_port
        self.image = folder / f"image-{name}"
        self.volume = folder / f"volume-{name}"
        self.volume.mkdir()
        self.volume.chmod(0o777)  # as an emptyDir is
        self.running: list[Container] = []
        self._fill(smtp_port)

    def _fill(self, smtp_port: int) -> None:
        shutil.copytree(DEPLOY, self.image / "srv")
        secrets = self.image / "etc" / "shop" / "secrets"
        secrets.mkdir(parents=True)
        (secrets / "mail-password").write_text("hunter2\n")
        config = self.image / "srv" / "tocsin.toml"
        changed = config.read_text().replace(
            '"mail.example.org"', f'"127.0.0.1"\nport = {smtp_port}\ntls = "none"\nfirst_within = 1'
        )
        config.write_text(changed)

    def start(self, *command: str, **environ: str) -> Container:
        log = self.folder / f"{self.name}-{len(self.running)}.log"
        made = Container(
            self.image, self.volume, *command, log=log, environ={"TOCSIN_ENVIRONMENT": "production", **environ}
        )
        self.running.append(made)
        return made

    def deliver(self) -> Container:
        """Start the sidecar, by the manifest's command."""
        [deployment] = documents("kubernetes.yaml")
        return self.start(*deployment["spec"]["template"]["spec"]["initContainers"][0]["command"])

    def shop(self) -> Container:
        """Start the application, by the image's command, and wait until it is ready."""
        command = re.search(r"^CMD (\[.*\])$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
        assert command is not None
        words = [word.replace("0.0.0.0:8000", f"127.0.0.1:{self.http_port}") for word in json.loads(command[1])]
        container = self.start(*words)
        wait_until(lambda: container.process.poll() is not None or self.visit("/")[0] == 200)
        assert container.process.poll() is None, container.said()
        return container

    def run(self, *command: str) -> Container:
        """Run a command in a container of its own, to its end."""
        container = self.start(*command)
        container.process.wait(WAIT_S)
        return container

    def visit(self, path: str) -> tuple[int, str]:
        """Return status and error id; status 0 where nobody answers."""
        return fetch(f"http://127.0.0.1:{self.http_port}{path}")

    def count(self) -> int:
        """Return how many occurrences its spool knows."""
        lines = self.run("tocsin", "issues", "--json").said().splitlines()
        return sum(json.loads(line)["count"] for line in lines)

    def end(self) -> None:
        for container in self.running:
            if container.process.poll() is None:
                container.kill()
            assert container.processes() == []


@pytest.fixture
def pods(tmp_path: Path) -> Iterator[Callable[[str], Pod]]:
    require()
    pytest.importorskip("aiosmtpd", reason="no aiosmtpd; pip install aiosmtpd")
    for name in ("flask", "gunicorn"):
        pytest.importorskip(name, reason=f"no {name}; pip install {name}")
    from mailbox import Mailbox, serving

    from aiosmtpd.smtp import AuthResult

    box, smtp_port = Mailbox(), free_port()
    made: list[Pod] = []

    def take(*_: Any) -> AuthResult:
        return AuthResult(success=True)

    def pod(name: str) -> Pod:
        made.append(Pod(tmp_path, name, smtp_port, free_port()))
        made[-1].box = box  # type: ignore[attr-defined]
        return made[-1]

    with serving(box, smtp_port, authenticator=take, auth_require_tls=False):
        yield pod
        for each in made:
            each.end()


def test_all_works_where_only_the_spool_can_be_written(pods: Callable[[str], Pod]) -> None:
    """As another user, in a namespace of processes of its own, with the sidecar started before the application."""
    pod = pods("a")
    touched = pod.run(
        "sh", "-c", "for each in / /srv/shop /tmp /etc /run /var; do touch $each/x 2>&-; echo $?; done; id -u"
    )
    assert touched.said().split() == ["1"] * 6 + [str(USER)]
    deliver, shop = pod.deliver(), pod.shop()
    status, error_id = pod.visit("/orders/0")
    assert status == 500
    wait_until(lambda: pod.box.mails)  # type: ignore[attr-defined]
    assert error_id in pod.box.mails[0].as_string()  # type: ignore[attr-defined]
    wait_until(lambda: error_id in deliver.said())  # by the sink `stderr`, in the sidecar's log
    assert shop.stop() == 0
    assert deliver.stop() == 0
    for container in (deliver, shop):
        assert 'Traceback (most recent call last):\n  File "/mnt/source' not in container.said(), container.said()
        assert "Read-only" not in container.said()
    assert "nothing waits any more" in deliver.said()
    healthcheck = documents("compose.yaml")[0]["services"]["deliver"]["healthcheck"]["test"]
    assert pod.run("sh", "-c", healthcheck[1].replace("$$", "$")).process.returncode == 0


@pytest.mark.parametrize("how", ["kill", "unshare is killed"])
def test_a_container_that_is_killed_leaves_no_process(pods: Callable[[str], Pod], how: str) -> None:
    """Also where whoever runs it is killed alone, as by a test run that is stopped."""
    shop = pods("a").shop()
    assert len(shop.processes()) == 3  # gunicorn and its two workers
    if how == "kill":
        shop.kill()
        assert shop.processes() == []
    shop.process.kill()
    shop.process.wait()
    wait_until(lambda: shop.processes() == [])


def test_the_volume_itself_is_no_spool(pods: Callable[[str], Pod]) -> None:
    """Why the configuration names a folder within it: a volume belongs to root."""
    pod = pods("a")
    config = pod.image / "srv" / "tocsin.toml"
    config.write_text(config.read_text().replace("/var/spool/tocsin/shop", "/var/spool/tocsin"))
    refused = pod.run("tocsin", "deliver", "--drain")
    assert refused.process.returncode != 0
    assert "belongs to root" in refused.said()


def test_what_was_not_delivered_goes_out_when_the_containers_are_started_again(pods: Callable[[str], Pod]) -> None:
    """An emptyDir outlives its containers, however they end: here by SIGKILL, before anybody delivered."""
    pod = pods("a")
    shop = pod.shop()
    _, error_id = pod.visit("/orders/0")
    shop.kill()
    assert not pod.box.mails  # type: ignore[attr-defined]
    deliver = pod.deliver()
    wait_until(lambda: pod.box.mails)  # type: ignore[attr-defined]
    assert error_id in pod.box.mails[0].as_string()  # type: ignore[attr-defined]
    assert deliver.stop() == 0


def test_a_rolling_deploy_under_load_loses_no_report(pods: Callable[[str], Pod]) -> None:
    """A new pod becomes ready, then the old one is stopped, application first; visitors go on all the while."""
    old, new = pods("old"), pods("new")
    old_deliver, old_shop = old.deliver(), old.shop()
    current, answers, failures, is_over = [old], [], [], threading.Event()

    def visitor() -> None:
        while not is_over.is_set():
            status, error_id = current[0].visit("/orders/0")
            (answers if status == 500 else failures).append(error_id)

    visitors = [threading.Thread(target=visitor) for _ in range(4)]
    for each in visitors:
        each.start()
    wait_until(lambda: len(answers) > 50)
    new_deliver, new_shop = new.deliver(), new.shop()
    current[0] = new
    before = len(answers)
    assert old_shop.stop() == 0
    assert old_deliver.stop() == 0
    wait_until(lambda: len(answers) > before + 50)
    is_over.set()
    for each in visitors:
        each.join()
    assert new_shop.stop() == 0
    assert new_deliver.stop() == 0
    for pod, deliver in ((old, old_deliver), (new, new_deliver)):
        assert deliver.said().rstrip().endswith("nothing waits any more"), deliver.said()
        assert pod.count() > 50
    assert len(set(answers)) == len(answers)
    assert len(answers) <= old.count() + new.count() <= len(answers) + len(failures)
