"""What holds for tests/ and for the notebooks alike."""

import os


def skipped(config):
    return config.pluginmanager.get_plugin("terminalreporter").stats.get("skipped", [])


def pytest_sessionfinish(session):
    """With GANTUTOR_NO_SKIPS set, as .ci/run does, a skipped test fails the session."""
    if os.environ.get("GANTUTOR_NO_SKIPS") and skipped(session.config):
        session.exitstatus = session.exitstatus or 1


def pytest_terminal_summary(terminalreporter, config):
    if os.environ.get("GANTUTOR_NO_SKIPS") and skipped(config):
        count = len(skipped(config))
        terminalreporter.write_line(
            f"GANTUTOR_NO_SKIPS is set and {count} tests were skipped: that counts as a failure"
        )
