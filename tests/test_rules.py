"""The rules: each example fires or does not, and the chain works as it says."""

import pytest

from expert import checks, knowledge
from expert.domain import Case
from expert.errors import EngineError
from expert.inference import Engine
from expert.schema import RuleEntry, RuleExample

KNOWLEDGE = knowledge.load()
ENGINE = Engine(KNOWLEDGE)
EXAMPLES = [(rule, example) for rule in KNOWLEDGE.rules.values() for example in rule.examples]


@pytest.mark.parametrize(("rule", "example"), EXAMPLES, ids=[f"{r.id}-{i}" for i, (r, _) in enumerate(EXAMPLES)])
def test_example(rule: RuleEntry, example: RuleExample) -> None:
    assert checks.fires(ENGINE, rule, example) == example.fires


def _infer(scenario: str, facts: dict[str, str], **more: tuple[str, ...]) -> tuple[str, set[str]]:
    revised, firings = ENGINE.infer(Case(scenario, facts, **more))  # type: ignore[arg-type]
    return revised, {added for f in firings for added in f.adds}


REVISIONS = [
    ("unjust_billing", {"paid": "yes"}, (), "paid_scammer"),
    ("unjust_billing", {"paid": "no"}, (), "unjust_billing"),
    ("malware_infected", {}, ("files_encrypted",), "ransomware"),
    ("malware_infected", {"removal_failed": "yes"}, (), "malware_unremovable"),
    ("phishing", {"bank_codes_entered": "yes"}, (), "bank_codes_leaked"),
]


@pytest.mark.parametrize(("scenario", "facts", "signs", "revised"), REVISIONS)
def test_facts_and_signs_revise_the_scenario(scenario: str, facts: dict[str, str], signs: tuple[str, ...], revised: str) -> None:
    assert _infer(scenario, facts, signs=signs)[0] == revised


def test_states_are_derived_and_used() -> None:
    _, added = _infer("paid_scammer", {"paid": "yes"})
    assert "state:money_out" in added


def test_a_firing_names_what_it_rests_on() -> None:
    _, firings = ENGINE.infer(Case("paid_scammer", {"paid": "yes"}, ("bank_transfer",)))
    freeze = next(f for f in firings if "action:call_bank_freeze" in f.adds)
    assert {"fact:paid=yes", "attribute:payment_method=bank_transfer"} <= set(freeze.on)


def test_the_same_case_gives_the_same_firings_whatever_came_before() -> None:
    case = Case("support_scam", {"remote_access": "yes", "paid": "yes"}, ("prepaid",))
    first = ENGINE.infer(case)
    ENGINE.infer(Case("out_of_scope", {}))
    assert ENGINE.infer(case) == first


def test_a_fault_inside_the_engine_is_raised_not_swallowed(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine(KNOWLEDGE)
    monkeypatch.setattr(engine, "_fired", None)
    with pytest.raises((EngineError, AttributeError)):
        engine.infer(Case("phishing", {}))


def test_ordered_procedures_stay_ordered() -> None:
    from expert.decision import decide

    def order(scenario: str, wanted: list[str]) -> list[str]:
        revised, firings = ENGINE.infer(Case(scenario, {}))
        return [a.id for a in decide(revised, firings, KNOWLEDGE).actions if a.id in wanted]

    infection = ["disconnect_network", "update_definitions", "scan_device", "remove_malware"]
    assert order("malware_infected", infection) == infection
    unremovable = ["use_removal_tool", "factory_reset", "install_security_software", "scan_backup_media", "restore_data_after_scan"]
    assert order("malware_unremovable", unremovable) == unremovable
