"""How far a table is, and how long the rest will take."""

from __future__ import annotations

import io

import pytest

from cluster_bar import Bar, duration


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_time_left_is_by_the_pace_of_this_command() -> None:
    now = [0.0]
    bar = Bar(110, 10, io.StringIO(), lambda: now[0])
    assert bar.seconds_left == 0
    for _ in range(20):
        now[0] += 3
        bar.add(is_failed=False)
    assert bar.seconds_left == pytest.approx(240)
    assert bar.line().endswith("30/110, 4 min left")


def test_a_terminal_has_one_line_that_changes_and_a_file_a_line_now_and_then() -> None:
    now = [0.0]
    for stream, drawn in ((Terminal(), 40), (io.StringIO(), 2)):
        now[0] = 0.0
        bar = Bar(40, 0, stream, lambda: now[0])
        for number in range(40):
            now[0] += 1
            bar.add(is_failed=number == 3)
        bar.say("worker 1 was lost")
        assert stream.getvalue().count("/40") == drawn
        assert "40/40, 1 failed" in stream.getvalue()
        assert "worker 1 was lost\n" in stream.getvalue()


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0, "0 s"), (89, "89 s"), (150, "2 min"), (3600, "1 h 0 min"), (86400 * 2 + 3600 * 3, "2 d 3 h")],
)
def test_durations_are_those_that_people_say(seconds: float, told: str) -> None:
    assert duration(seconds) == told
