"""Many jobs where hosts refuse, hang, answer nonsense or come back, or this end fails."""

from __future__ import annotations

import json
import sys
import threading

import pytest

from pack.tests.host.odd_host import history, http, odd_host
from pack.tests.host.test_api_jobs import quick, run_jobs, seeds, write_jobs
from pack.workflows.api import client, failures
from pack.workflows.api import run as api_run
from pack.workflows.api.command import main
from pack.workflows.api.many import report
from pack.workflows.api.many.board import Board
from pack.workflows.api.many.done import DONE_FILE, alone

__all__ = ["quick"]  # the fixture holds here too
ERROR = {"node_id": "1", "exception_message": "no", "node_type": "X"}
FULL = {**ERROR, "exception_type": "OSError", "exception_message": "[Errno 28] No space left"}
MEMORY = {**ERROR, "exception_type": "OutOfMemoryError"}


def fails(error):
    status = {"status_str": "error", "messages": [["execution_error", error]]}
    return {"/history": history(status=status)}


BAD_HOSTS = {
    "a node is missing": {"/prompt": http({"error": {"message": "no"}}, "400 Bad Request")},
    "a node fails": fails(ERROR),
    "its disk is full": fails(FULL),
    "its memory is full": fails(MEMORY),
    "it takes no uploads": {"/upload/image": http(b"", "500 Internal Server Error")},
    "it answers 500": {"/prompt": http(b"", "500 Internal Server Error")},
    "it has lost the video": {"/view": http(b"", "404 Not Found")},
    "a proxy stands before it": {"/prompt": http(b"<html>")},
    "it makes nothing": {"/history": history()},
}


@pytest.mark.parametrize("fault", BAD_HOSTS)
def test_a_bad_host_fails_no_job_that_another_makes_and_soon_gets_no_more(fault, tmp_path, capsys):
    path, out = write_jobs(tmp_path / "in", 5), tmp_path / "out"
    jobs = json.loads(path.read_text())
    (path.parent / "a.wav").write_bytes(b"a voice")
    path.write_text(json.dumps([{**job, "sound": "a.wav"} for job in jobs]))
    with odd_host(BAD_HOSTS[fault]) as bad, odd_host() as good:
        assert run_jobs(path, out, bad, good) == 0
        assert sorted(seeds(good)) == list(range(5))
        assert len(seeds(bad)) == len(set(seeds(bad)))
    said = capsys.readouterr()
    assert len(said.out.splitlines()) == 5
    assert "5 made, 0 were there already, 0 failed." in said.err


def test_a_job_waits_for_hosts_that_were_not_asked_yet():
    board = Board(["job"], ["quick", "slow"], {})
    board.come("quick")
    assert board.take("quick") == "job"
    assert board.fail("job", "quick", failures.HostError("no"), elsewhere=True)
    assert board.take("quick") is None
    board.come("slow")
    assert board.take("slow") == "job"
    board.end("job", "slow")
    assert (board.failed, board.is_over) == ({}, True)


def test_a_job_that_fails_everywhere_is_told_once_and_counted(tmp_path, capsys):
    path, out = write_jobs(tmp_path / "in", 1), tmp_path / "out"
    with odd_host(fails(ERROR)) as one, odd_host(fails(ERROR)) as two:
        assert run_jobs(path, out, one, two) == 1
        assert (len(seeds(one)), len(seeds(two))) == (1, 1)
    assert capsys.readouterr().err.count("talk 0: Node 1 X failed: no") == 2  # retried, and last


def test_what_a_host_still_has_after_the_client_ended_is_not_queued_again(tmp_path):
    path, out = write_jobs(tmp_path / "in", 2), tmp_path / "out"
    with odd_host() as host:
        assert run_jobs(path, out, host) == 0
        lines = (out / DONE_FILE).read_text().splitlines()
        last = [line for line in lines if '"talk 1"' in line and '"files"' not in line]
        (out / DONE_FILE).write_text("\n".join(last))  # so it is after a kill
        host.asked.clear()
        host.answers["/queue"] = http({"queue_running": [], "queue_pending": []})
        assert run_jobs(path, out, host) == 0
        assert seeds(host) == [0]  # of the other nothing was known
    assert sorted(file.name for file in out.glob("*.mp4")) == ["talk 0.mp4", "talk 1.mp4"]


def test_a_host_that_hangs_loses_its_job_to_another(tmp_path, monkeypatch):
    monkeypatch.setattr(api_run, "STOP_SECONDS", 0.2)
    path, out = write_jobs(tmp_path / "in", 2), tmp_path / "out"
    with odd_host({"/ws": b"", "/history": http({})}) as hangs, odd_host() as good:
        assert run_jobs(path, out, hangs, good, more=["--timeout", "1"]) == 0
        assert len(seeds(hangs)) == 1
        assert sorted(seeds(good)) == [0, 1]


def test_a_host_that_comes_back_gets_jobs_again(tmp_path):
    path, out = write_jobs(tmp_path / "in", 4), tmp_path / "out"
    asked_again = threading.Event()
    with odd_host() as comes, odd_host() as good:

        def answer(connection):
            asked_again.wait(10)
            connection.sendall(http({"prompt_id": good._id.decode(), "node_errors": {}}))

        def away(connection):
            comes.answers["/system_stats"] = http({"system": {"argv": []}})
            connection.sendall(http(b"", "503 Service Unavailable"))

        def begins(connection):
            asked_again.set()
            connection.sendall(http({"prompt_id": comes._id.decode(), "node_errors": {}}))

        good.answers["/prompt"] = answer
        comes.answers |= {"/system_stats": away, "/prompt": begins}
        assert run_jobs(path, out, comes, good) == 0
        assert seeds(comes)
        assert sorted(seeds(comes) + seeds(good)) == list(range(4))


def test_a_full_disk_here_stops_everything_with_its_own_code(tmp_path, monkeypatch, capsys):
    path, out = write_jobs(tmp_path / "in", 3), tmp_path / "out"

    def full(*_arguments, **_options):
        raise failures.write_failure("talk.mp4", OSError(28, "No space left on device"))

    monkeypatch.setattr(client, "store", full)
    with odd_host() as one, odd_host() as two:
        assert run_jobs(path, out, one, two) == 107
        assert len(seeds(one) + seeds(two)) <= 2
    assert capsys.readouterr().err.count("No space left on device") == 1


def test_two_clients_do_not_work_in_one_folder(tmp_path, capsys):
    path, out = write_jobs(tmp_path / "in", 1), tmp_path / "out"
    out.mkdir()
    with odd_host() as host:
        with alone(out):
            assert run_jobs(path, out, host) == 102
            assert not host.asked
            assert "Another `jobs` is working in" in capsys.readouterr().err
        assert run_jobs(path, out, host) == 0


def test_files_of_others_stay_and_own_ones_of_an_earlier_form_are_replaced(tmp_path):
    path, out = write_jobs(tmp_path / "in", 2), tmp_path / "out"
    out.mkdir()
    (out / "talk 0.mp4").write_bytes(b"mine")
    with odd_host() as host:
        assert run_jobs(path, out, host) == 0
        assert (out / "talk 0.mp4").read_bytes() == b"mine"
        assert (out / "talk 0 (2).mp4").read_bytes() == b"a video"
        jobs = json.loads(path.read_text())
        jobs[1]["seed"] = 9
        path.write_text(json.dumps(jobs))
        host.answers["/view"] = http(b"another")
        assert run_jobs(path, out, host) == 0
        assert (out / "talk 1.mp4").read_bytes() == b"another"
        assert len(list(out.glob("*.mp4"))) == 3


def test_a_sound_that_changes_after_it_was_read_fails_its_job_here(tmp_path, capsys):
    path, out = write_jobs(tmp_path / "in", 2), tmp_path / "out"
    jobs = json.loads(path.read_text())
    for number, job in enumerate(jobs):
        (path.parent / f"{number}.wav").write_bytes(b"a voice")
        job["sound"] = f"{number}.wav"
    path.write_text(json.dumps(jobs))
    with odd_host() as host:

        def change(connection):
            (path.parent / "1.wav").write_bytes(b"another voice")
            connection.sendall(http({"name": "a", "subfolder": ""}))

        host.answers["/upload/image"] = change
        assert run_jobs(path, out, host) == 1
        assert seeds(host) == [0]
        assert "1.wav has changed since it was read" in capsys.readouterr().err
        assert run_jobs(path, out, host) == 0
        assert seeds(host) == [0, 1]


def test_hosts_are_named_by_their_option_and_blanks_do_no_harm(tmp_path, capsys):
    path = write_jobs(tmp_path / "in", 1)
    with odd_host() as host:
        place = ["--output", str(tmp_path / "out")]
        assert main(["jobs", str(path), "--hosts", f" {host.address}, ,", *place]) == 0
    for wrong in ("a:x", ","):
        assert main(["jobs", str(path), "--hosts", wrong, *place]) == 102
        said = capsys.readouterr().err
        assert "--hosts" in said
        assert "--address" not in said


class Screen:
    """A terminal of some lines and columns that obeys what `HostLines` sends."""

    def __init__(self):
        self.lines, self.row = [""], 0

    def isatty(self):
        return True

    def flush(self):
        pass

    def write(self, text):
        for piece in text.replace("\x1b[", "\x1b").split("\x1b"):
            head, letter, rest = "", "", piece
            for end, found in enumerate(piece):
                if found in "AKJ" and piece[:end].isdigit() | (end == 0):
                    head, letter, rest = piece[:end], found, piece[end + 1 :]
                    break
            if letter == "A":
                self.row -= int(head)
            elif letter == "J":
                del self.lines[self.row :]
                self.lines.append("")
            elif letter == "K":
                self.lines[self.row] = ""
            self._put(rest)

    def _put(self, text):
        first, *others = text.split("\n")
        self.lines[self.row] += first
        for line in others:
            self.row += 1
            if self.row == len(self.lines):
                self.lines.append("")
            self.lines[self.row] = line


def test_each_host_has_one_line_however_long_or_many_they_are(monkeypatch):
    screen = Screen()
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setattr(report.shutil, "get_terminal_size", lambda: (40, 10))
    lines = report.HostLines([f"host {number}:8188" for number in range(9)], 3)
    talk = report.HostReport(lines, "host 1:8188", "talk")
    for text in ("long " * 20, "short", "\x1b[2J"):
        talk.say("queued", text)
    talk.result(["talk.mp4"])
    talk.failure(failures.HostError("It failed."))
    assert screen.lines[:2] == ["talk.mp4", "talk: It failed."]
    assert "1 of 3 made, 1 failed" in screen.lines
    shown = [line for line in screen.lines if line.startswith("host ")]
    assert len(shown) == 6
    assert "more hosts: 3" in screen.lines
    assert max(map(len, screen.lines)) < 40
    assert not any("\x1b" in line for line in screen.lines)


def test_no_job_is_lost_or_given_twice_whatever_threads_do():
    names = [f"job {number}" for number in range(60)]
    board, made, lock = Board(names, "abc", {"job 3": "c"}), [], threading.Lock()
    error = failures.HostError("no")

    def serve(host, every):
        board.come(host)
        count = 0
        while (job := board.take(host)) is not None:
            count += 1
            board.begin(job)
            if every and count % every == 0:
                board.fail(job, host, error, elsewhere=True)
            elif every and count % every == 1:
                board.lose(job, host, error, kept=False)
            else:
                board.end(job, host)
                with lock:
                    made.append(job)
        board.retire(host)

    threads = [threading.Thread(target=serve, args=each) for each in (("a", 0), ("b", 5), ("c", 3))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert not any(thread.is_alive() for thread in threads)
    left = [*board.failed, *board.leave()]
    assert sorted([*made, *left]) == sorted(names)
