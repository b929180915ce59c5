"""Killed, full, interrupted: nothing is lost, nothing double, and the result is that of an unbroken run."""

import contextlib
import csv
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from expert import hints, recognition
from expert.batch import pool
from expert.batch.journal import Journal
from expert.batch.runner import Listener, Request, run
from expert.batch.sources import Options
from expert.errors import InputError, KakekomiError
from expert.pipeline import Expert

TEXTS = ["3万円振り込んでしまいました", "画面が消えません", "", "宅配のSMSのリンクを開いてカード番号を入れた", "パスワードを入力しました"]
SMALL = Options(chunk_rows=3)


class PowerCut(Exception):
    """Stands for a process that ends in the middle."""


def write(file: Path, rows: int) -> Path:
    with file.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([["番号", "内容"], *([str(i), TEXTS[i % len(TEXTS)]] for i in range(rows))])
    return file


def cut_after(chunks: int) -> Listener:
    left = [chunks]

    def answered(_: int) -> None:
        left[0] -= 1
        if not left[0]:
            raise PowerCut

    return Listener(answered=answered)


@pytest.mark.parametrize("kind", ["jsonl", "csv", "xlsx", "parquet"])
def test_a_resumed_run_writes_the_same_bytes(tmp_path: Path, expert: Expert, kind: str) -> None:
    source = write(tmp_path / "in.csv", 20)
    whole, broken = tmp_path / f"whole.{kind}", tmp_path / f"broken.{kind}"
    run(lambda: expert, Request((source,), whole, SMALL))
    with pytest.raises(PowerCut):
        run(lambda: expert, Request((source,), broken, SMALL), cut_after(3))
    assert not broken.exists()
    with pytest.raises(PowerCut):
        run(lambda: expert, Request((source,), broken, SMALL, resume=True), cut_after(2))
    started: list[int] = []
    listener = Listener(start=lambda _, done: started.append(done))
    assert run(lambda: expert, Request((source,), broken, SMALL, resume=True), listener).rows == 20
    assert max(started) == 15
    assert broken.read_bytes() == whole.read_bytes()
    assert not Journal(broken).folder.exists()


def test_unfinished_work_is_neither_lost_nor_taken_by_accident(tmp_path: Path, expert: Expert) -> None:
    source, output = write(tmp_path / "in.csv", 10), tmp_path / "out.csv"
    with pytest.raises(PowerCut):
        run(lambda: expert, Request((source,), output, SMALL), cut_after(1))
    with pytest.raises(InputError, match="続きからなら --resume、初めからやり直すなら --force"):
        run(lambda: expert, Request((source,), output, SMALL))
    write(source, 11)
    with pytest.raises(InputError, match="前回と入力の中身が違います。--force をつけると"):
        run(lambda: expert, Request((source,), output, SMALL, resume=True))
    write(source, 10)
    with pytest.raises(InputError, match="前回とオプションが違います"):
        run(lambda: expert, Request((source,), output, SMALL, resume=True, mask=True))
    assert run(lambda: expert, Request((source,), output, SMALL, force=True)).rows == 10


def test_a_kill_between_the_last_steps_is_no_loss(tmp_path: Path, expert: Expert, monkeypatch: pytest.MonkeyPatch) -> None:
    source, output = write(tmp_path / "in.csv", 10), tmp_path / "out.csv"
    monkeypatch.setattr(Journal, "remove", _cut)
    with pytest.raises(PowerCut):
        run(lambda: expert, Request((source,), output, SMALL))
    monkeypatch.undo()
    assert output.exists()
    assert Journal(output).folder.exists()
    tally = run(lambda: expert, Request((source,), output, SMALL, resume=True))
    assert (tally.rows, tally.failed) == (10, 2)
    assert not Journal(output).folder.exists()


def _cut(_: Journal) -> None:
    raise PowerCut


def test_a_damaged_chunk_is_done_again(tmp_path: Path, expert: Expert) -> None:
    source, output = write(tmp_path / "in.csv", 10), tmp_path / "out.csv"
    with pytest.raises(PowerCut):
        run(lambda: expert, Request((source,), output, SMALL), cut_after(2))
    (Journal(output).folder / "00000001.arrow").write_bytes(b"damaged")
    with pytest.raises(KakekomiError, match="壊れていたので捨てました"):
        run(lambda: expert, Request((source,), output, SMALL, resume=True))
    assert run(lambda: expert, Request((source,), output, SMALL, resume=True)).rows == 10


def test_resume_writes_over_a_report_only_when_forced(tmp_path: Path, expert: Expert) -> None:
    source, output, page = write(tmp_path / "in.csv", 10), tmp_path / "out.csv", tmp_path / "keep.html"
    with pytest.raises(PowerCut):
        run(lambda: expert, Request((source,), output, SMALL, report=page), cut_after(2))
    page.write_text("mine")
    with pytest.raises(InputError, match="--resume と一緒なら、途中の作業は捨てません"):
        run(lambda: expert, Request((source,), output, SMALL, resume=True, report=page))
    assert page.read_text() == "mine"
    started: list[int] = []
    run(lambda: expert, Request((source,), output, SMALL, resume=True, force=True, report=page), Listener(start=lambda _, n: started.append(n)))
    assert max(started) == 6
    assert page.read_text(encoding="utf-8").startswith("<!")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_nobody_else_can_look_into_unfinished_work(tmp_path: Path, expert: Expert) -> None:
    source, output = write(tmp_path / "in.csv", 10), tmp_path / "out.csv"
    with pytest.raises(PowerCut):
        run(lambda: expert, Request((source,), output, SMALL), cut_after(1))
    assert Journal(output).folder.stat().st_mode & 0o777 == 0o700


def test_the_old_output_stays_until_the_new_one_is_whole(tmp_path: Path, expert: Expert) -> None:
    source, output = write(tmp_path / "in.csv", 10), tmp_path / "out.csv"
    output.write_text("old")
    with pytest.raises(PowerCut):
        run(lambda: expert, Request((source,), output, SMALL, force=True), cut_after(2))
    assert output.read_text() == "old"


def test_two_runs_do_not_work_on_one_output(tmp_path: Path, expert: Expert) -> None:
    source, output = write(tmp_path / "in.csv", 10), tmp_path / "out.csv"

    def second(_: int) -> None:
        with pytest.raises(InputError, match="別の kakekomi が作っています"):
            run(lambda: expert, Request((source,), output, SMALL, force=True))

    assert run(lambda: expert, Request((source,), output, SMALL), Listener(answered=second)).rows == 10


# ---- the command ----------------------------------------------------------------------------------------------------


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-c", "from expert.cli import main; main()", "batch", *arguments]


def finish(*arguments: str, data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(command(*arguments), input=data, capture_output=True, check=False, timeout=300)


@pytest.mark.usefixtures("expert")
def test_standard_input_is_read_and_kinds_are_told_by_content(tmp_path: Path) -> None:
    output = tmp_path / "out.jsonl"
    done = finish("-", "-o", str(output), data="番号\t内容\n1\t3万円払った\n".encode("cp932"))
    assert done.returncode == 0
    assert json.loads(output.read_text(encoding="utf-8"))["id"] == "1"
    assert [f.name for f in tmp_path.iterdir()] == ["out.jsonl"]


@pytest.mark.slow
@pytest.mark.usefixtures("expert")
def test_ctrl_c_stops_at_once_and_says_how_to_go_on(tmp_path: Path) -> None:
    source, output = write(tmp_path / "in.csv", 60_000), tmp_path / "out.csv"
    for workers in ("1", "2"):
        arguments = [str(source), "-o", str(output), "--workers", workers, "--chunk-rows", "50", *(["--resume"] if workers == "2" else [])]
        with subprocess.Popen(command(*arguments), stderr=subprocess.PIPE, start_new_session=True) as running:
            _wait_for_more_chunks(Journal(output).folder)
            os.killpg(running.pid, signal.SIGINT)
            _, told = running.communicate(timeout=30)
        assert running.returncode == 130
        assert "中止しました" in told.decode()
        assert "--resume" in told.decode()
        assert "Traceback" not in told.decode()
        assert not output.exists()


def _wait_for_more_chunks(folder: Path) -> None:
    had, until = len(list(folder.glob("*.arrow"))), time.monotonic() + 120
    while len(list(folder.glob("*.arrow"))) <= had:
        assert time.monotonic() < until
        time.sleep(0.02)


@pytest.mark.slow
@pytest.mark.usefixtures("expert")
def test_twenty_kills_lose_and_double_nothing(tmp_path: Path) -> None:
    source = write(tmp_path / "in.csv", 10_000)
    whole, broken = tmp_path / "whole.jsonl", tmp_path / "broken.jsonl"
    assert finish(str(source), "-o", str(whole)).returncode == 1
    drawn, kills = random.Random(4), 0
    while not broken.exists() and kills < 20:
        workers = drawn.choice(["1", "2"])
        running = subprocess.Popen(
            command(str(source), "-o", str(broken), "--chunk-rows", "20", "--resume", "--workers", workers), stderr=subprocess.DEVNULL
        )
        with contextlib.suppress(subprocess.TimeoutExpired):
            running.wait(drawn.uniform(0.1, 3.0))
        kills += running.poll() is None
        running.kill()
        running.wait()
    assert kills
    done = finish(str(source), "-o", str(broken), "--chunk-rows", "20", "--resume", *(["--force"] if broken.exists() else []))
    assert done.returncode == 1
    assert broken.read_bytes() == whole.read_bytes()


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 400 kB; needs root."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(folder)], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("needs root to mount a tmpfs")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.slow
@pytest.mark.usefixtures("expert")
def test_a_full_disk_is_said_and_resume_goes_on(tmp_path: Path, tiny_disk: Path) -> None:
    source = write(tmp_path / "in.csv", 1_000)
    whole, output = tmp_path / "whole.jsonl", tiny_disk / "out.jsonl"
    finish(str(source), "-o", str(whole))
    done = finish(str(source), "-o", str(output), "--chunk-rows", "20")
    assert done.returncode == 1
    assert "ディスクがいっぱいです。空きを作ってから、同じコマンドに --resume" in done.stderr.decode()
    assert not output.exists()
    subprocess.run(["mount", "-o", "remount,size=40m", str(tiny_disk)], check=True)
    again = finish(str(source), "-o", str(output), "--chunk-rows", "20", "--resume")
    assert again.returncode == 1
    assert output.read_bytes() == whole.read_bytes()


@pytest.mark.slow
def test_two_workers_write_the_same_bytes(tmp_path: Path, expert: Expert) -> None:
    source = write(tmp_path / "in.csv", 300)
    options: dict[str, Any] = {"reading": Options(chunk_rows=40)}
    run(lambda: expert, Request((source,), tmp_path / "one.csv", **options))
    run(lambda: expert, Request((source,), tmp_path / "two.csv", workers=2, **options))
    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "two.csv").read_bytes()


def test_a_worker_that_loads_other_rules_does_not_go_on(expert: Expert, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("threading.Thread", lambda **_: SimpleNamespace(start=lambda: None))
    monkeypatch.setattr(Expert, "load", lambda: expert)
    job = SimpleNamespace(versions={**pool.versions(expert), "knowledge": "other"})
    with pytest.raises(RuntimeError, match="changed since the parent process started"):
        pool._start(job)  # type: ignore[arg-type]


@pytest.mark.parametrize("module", [recognition, hints])
def test_other_weights_are_another_program(module: ModuleType, tmp_path: Path, expert: Expert, monkeypatch: pytest.MonkeyPatch) -> None:
    before = pool.versions(expert)
    other = tmp_path / "weights.tsv"
    other.write_text(module.WEIGHTS.read_text(encoding="utf-8").replace("0", "1", 1), encoding="utf-8")
    monkeypatch.setattr(module, "WEIGHTS", other)
    assert pool.versions(expert) != before
