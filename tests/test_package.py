"""The wheel works outside the checkout; the documents name what there is."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from expert import knowledge

from .conftest import ROOT


@pytest.mark.slow
@pytest.mark.parametrize("compiled", [False, True])
def test_a_built_wheel_answers_outside_the_checkout(compiled: bool, tmp_path: Path) -> None:
    environment = {**os.environ, "CPPFLAGS": "", "HATCH_BUILD_HOOK_ENABLE_MYPYC": str(compiled).lower()}
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)]
    subprocess.run(build, env=environment, check=True, capture_output=True)
    wheel = next(tmp_path.glob("*.whl"))
    target = tmp_path / "site"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(target), str(wheel)]
    subprocess.run(install, check=True, capture_output=True)
    assert bool(list(target.glob("expert/matcher.*.so"))) == compiled
    program = "import expert.knowledge, sys; print(expert.knowledge.default_directory(), file=sys.stderr); from expert.cli import main; main()"

    def asked(site: Path) -> subprocess.CompletedProcess[str]:
        text = "警告が出て電話したら遠隔操作され、3万円振り込んでしまいました。カード番号はまだ入れていません。"
        return subprocess.run(
            [sys.executable, "-c", program, "ask", "--json", text],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(site), "KAKEKOMI_CACHE": str(tmp_path / "cache")},
            capture_output=True,
            text=True,
            check=True,
        )

    done = asked(target)
    assert str(target) in done.stderr
    assert json.loads(done.stdout)["facts"]["paid"]["value"] == "yes"
    assert done.stdout == asked(ROOT).stdout


README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("command", ["ask", "batch", "eval", "check"])
def test_the_readme_names_every_command(command: str) -> None:
    assert f"kakekomi {command}" in README


@pytest.mark.parametrize("command", ["ask", "batch", "eval"])
def test_the_readme_names_every_option(command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from expert.cli import main; main()", command, "--help"],
        capture_output=True,
        check=True,
        env={**os.environ, "COLUMNS": "200", "PYTHONIOENCODING": "utf-8"},
    )
    options = {word.strip("│ ,") for word in done.stdout.decode().split() if word.startswith("--")} - {"--help"}
    assert {o for o in options if o not in README} == set()


def test_the_rules_readme_names_every_file_of_knowledge() -> None:
    text = (ROOT / "rules" / "README.md").read_text(encoding="utf-8")
    assert [f.name for f in (ROOT / "rules").iterdir() if f.is_file() and f.name != "README.md" and f.name not in text] == []


def test_no_scenario_or_fact_is_missing_from_the_schema() -> None:
    schema = json.loads((ROOT / "expert" / "answer.schema.json").read_text(encoding="utf-8"))
    loaded = knowledge.load()
    assert schema["properties"]["scenario"]["enum"] == list(loaded.scenarios)
    assert sorted(schema["properties"]["facts"]["propertyNames"]["enum"]) == sorted(loaded.facts)


def test_targets_of_make_are_listed_in_one_line_each() -> None:
    done = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    listed = [line.split()[1] for line in done.stdout.splitlines() if line.startswith("make ")]
    assert {"ask", "test", "check", "help", "bench", "eval"} <= set(listed)
