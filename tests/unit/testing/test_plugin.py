"""The pytest plugin, in pytest: the fixture, what a failing test shows, and what `tocsin_strict` fails."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import tocsin.testing.captured  # noqa: F401 - loaded, so that a session within this one doesn't load it anew

pytest_plugins = ["pytester"]

Run = Callable[..., pytest.RunResult]

FALL = """
    import logging, unittest, pytest, tocsin

    def fall(text="by zero"):
        try:
            raise ZeroDivisionError(text)
        except ZeroDivisionError:
            logging.getLogger("shop").exception("could not divide")
"""


@pytest.fixture
def run(pytester: pytest.Pytester) -> Run:
    """Return a function that runs pytest on a test file, whether the plugin is installed or not."""

    def run(code: str, *options: str, strict: str = "off") -> pytest.RunResult:
        pytester.makeini(f"[pytest]\naddopts = --strict-markers\nfilterwarnings = error\ntocsin_strict = {strict}\n")
        pytester.makepyfile("\n".join([FALL, code]))
        plugin = ("-p", "no:tocsin", "-p", "tocsin.testing.plugin", "-p", "no:cacheprovider", "-p", "no:asyncio")
        return pytester.runpytest(*plugin, *options)

    return run


def test_the_fixture_captures_what_is_reported_and_logged(run: Run) -> None:
    run("""
    def test_one(tocsin_events):
        fall()
        event = tocsin_events.assert_one(ZeroDivisionError, match="by zero", kind="error")
        assert event.message == "could not divide"

    def test_each_test_has_its_own(tocsin_events):
        tocsin_events.assert_none()
    """).assert_outcomes(passed=2)


def test_an_assertion_fails_with_the_report_in_its_message(run: Run) -> None:
    result = run("""
    def test_none(tocsin_events):
        fall()
        tocsin_events.assert_none()
    """)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["E * AssertionError: expected no report, there is 1", "E *ZeroDivisionError: by zero", "E *Where *fall*"]
    )
    result.stdout.no_fnmatch_line("*expectations.py*")  # the traceback ends at the test's own line
    result.stdout.no_fnmatch_line("*captured.py*")


def test_a_test_that_fails_by_itself_shows_what_was_reported(run: Run) -> None:
    result = run("""
    def test_status(tocsin_events):
        fall()
        assert 500 == 200

    def test_passing(tocsin_events):
        fall()
    """)
    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines(["*Captured tocsin call*", "--- report 1 of 1: error *", "ZeroDivisionError: by zero"])


def test_nothing_happens_to_tests_that_do_not_use_it(run: Run) -> None:
    run("""
    import sys

    def test_not_captured():
        fall()
        assert tocsin.report(message="to nobody") == ""
        assert not any(getattr(each, "is_tocsin", False) for each in logging.getLogger().handlers)
    """).assert_outcomes(passed=1)


@pytest.mark.parametrize(("strict", "failed"), [("off", 0), ("errors", 1), ("all", 2)], ids=["off", "errors", "all"])
def test_strict_fails_tests_that_report_what_nobody_expects(run: Run, strict: str, failed: int) -> None:
    result = run(
        """
    def test_error():
        fall()

    def test_warning():
        logging.getLogger("shop").warning("few bells left")

    def test_nothing():
        pass

    def test_expected(tocsin_events):
        fall()
        tocsin_events.assert_one(ZeroDivisionError)

    def test_looked_at_by_hand(tocsin_events):
        fall()
        assert [event.kind for event in tocsin_events] == ["error"]
        tocsin_events.clear()

    @pytest.mark.tocsin(strict="off")
    def test_marked():
        fall()
    """,
        strict=strict,
    )
    result.assert_outcomes(failed=failed, passed=6 - failed)
    if failed:
        result.stdout.fnmatch_lines(["a report that nothing expects (tocsin_strict)", "*ZeroDivisionError: by zero*"])


def test_strict_is_for_one_test_by_its_mark(run: Run) -> None:
    run("""
    @pytest.mark.tocsin(strict="errors")
    def test_marked(tocsin_events):
        fall()

    def test_not_marked(tocsin_events):
        fall()
    """).assert_outcomes(failed=1, passed=1)


def test_what_a_fixture_reports_at_its_end_is_an_error_of_the_test(run: Run) -> None:
    run(
        """
    @pytest.fixture
    def shop(tocsin_events):
        yield
        fall()

    def test_shop(shop):
        pass
    """,
        strict="errors",
    ).assert_outcomes(passed=1, errors=1)


def test_a_test_that_failed_is_not_failed_twice(run: Run) -> None:
    result = run(
        """
    def test_both():
        fall()
        assert 0
    """,
        strict="errors",
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["--- report 1 of 1: error *"])


def test_an_unknown_strictness_is_told(run: Run) -> None:
    result = run("def test_nothing():\n        pass", strict="yes")
    assert result.ret is pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*tocsin_strict is off, errors or all, not 'yes'*"])


def test_settings_come_from_the_fixture_and_the_nearest_mark(run: Run) -> None:
    run("""
    pytestmark = pytest.mark.tocsin(mask_keys=["iban"], release="1")

    @pytest.fixture
    def tocsin_settings():
        return {"application": "shop", "release": "0"}

    @pytest.mark.tocsin(release="2")
    def test_settings(tocsin_events):
        logging.getLogger("shop").error("iban=DE12")
        event = tocsin_events.assert_one(match=r"iban=\\[masked: iban\\]")
        assert (event.application, event.release) == ("shop", "2")
    """).assert_outcomes(passed=1)


def test_caplog_and_a_dict_config_of_a_fixture_go_together_with_it(run: Run) -> None:
    run("""
    import logging.config

    @pytest.fixture
    def shop(tocsin_events):
        logging.config.dictConfig({"version": 1, "disable_existing_loggers": False, "root": {"handlers": []}})
        logging.getLogger().handlers.clear()

    def test_shop(shop, tocsin_events, caplog):
        logging.getLogger("shop").error("no stock entry")
        assert caplog.messages == ["no stock entry"]
        tocsin_events.assert_one(match="no stock entry")
    """).assert_outcomes(passed=1)


def test_methods_of_unittest_are_held_to_strict_too(run: Run) -> None:
    run(
        """
    class Orders(unittest.TestCase):
        def test_fall(self):
            fall()

        def test_none(self):
            pass
    """,
        strict="errors",
    ).assert_outcomes(failed=1, passed=1)


def test_unittest_has_the_same_assertions(run: Run) -> None:
    run("""
    from tocsin.testing import captured_events

    class Orders(unittest.TestCase):
        def setUp(self):
            self.events = self.enterContext(captured_events(logs=True))

        def test_fall(self):
            fall()
            self.events.assert_one(ZeroDivisionError)

        def test_none(self):
            self.events.assert_none()
    """).assert_outcomes(passed=2)


def test_asynchronous_tests_capture_what_their_tasks_report(run: Run) -> None:
    pytest.importorskip("anyio", reason="no anyio; pip install anyio")
    run("""
    import asyncio

    async def work():
        await asyncio.sleep(0)
        fall()

    @pytest.fixture
    def anyio_backend():
        return "asyncio"

    @pytest.mark.anyio
    async def test_task(tocsin_events):
        await asyncio.gather(work(), work())
        tocsin_events.assert_times(2, ZeroDivisionError)
    """).assert_outcomes(passed=1)


def test_workers_of_xdist_show_the_same(run: Run) -> None:
    pytest.importorskip("xdist", reason="no pytest-xdist; pip install pytest-xdist")
    result = run(
        """
    @pytest.mark.parametrize("number", range(4))
    def test_many(number):
        if number == 2:
            fall()
    """,
        *("-n", "2"),
        strict="errors",
    )
    result.assert_outcomes(failed=1, passed=3)
    result.stdout.fnmatch_lines(["a report that nothing expects (tocsin_strict)"])


def test_options_are_listed(run: Run, pytester: pytest.Pytester) -> None:
    result = run("", "--markers")
    result.stdout.fnmatch_lines(["@pytest.mark.tocsin(strict=..., ?*settings)*"])
    result = run("", "--fixtures")
    result.stdout.fnmatch_lines(["tocsin_events*", "*Capture what the application would report*"])
