"""The rules: each example fires or does not, and the chain works as it says."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from eval.clips_rules import Clips
from expert import checks, knowledge
from expert.decision import Adviser, with_second
from expert.domain import URGENCIES, AdvisedDesk, Case, Decision
from expert.errors import EngineError
from expert.inference import Engine
from expert.rulesets import Rulesets
from expert.schema import MOST_CONDITIONS, Condition, RuleEntry, RuleExample

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
    ("unauthorized_transaction", {"unauthorized_use": "yes", "minor": "yes"}, ("child_bought_in_game",), "out_of_scope"),
    ("unauthorized_transaction", {"unauthorized_use": "yes"}, ("family_member_paid",), "out_of_scope"),
    ("phishing", {"card_entered": "yes"}, ("family_member_paid",), "phishing"),
    ("unauthorized_transaction", {}, ("supplier_account_changed",), "paid_scammer"),
    ("unauthorized_transaction", {"paid": "no"}, ("supplier_account_changed",), "unauthorized_transaction"),
    ("bank_codes_leaked", {}, ("carrier_code_told",), "impersonation_call"),
    ("unjust_billing", {}, ("refund_notice",), "out_of_scope"),
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


def test_cases_that_differ_in_what_no_rule_asks_for_run_the_engine_once() -> None:
    engine = Engine(KNOWLEDGE)
    first = engine.infer(Case("subscription_trap", {"paid": "yes"}, signs=("webcam_mail",)))
    second = engine.infer(Case("subscription_trap", {"paid": "yes", "goods_missing": "no"}, signs=()))
    assert first == second
    assert engine.runs == 2
    engine.infer(Case("subscription_trap", {"paid": "no"}))
    assert engine.runs == 3  # nothing that comes first can fire on it: that is seen without the engine


def test_a_case_of_which_each_rule_has_seen_its_part_runs_no_engine_and_fires_the_same() -> None:
    engine = Engine(KNOWLEDGE)
    for minor in ("yes", "no"):
        for method in ((), ("bank_transfer",)):
            engine.infer(Case("paid_scammer", {"paid": "yes", "minor": minor}, method))
    for facts in ({"paid": "yes"}, {"paid": "yes", "threatened": "yes"}):
        engine.infer(Case("paid_scammer", facts))
    before = engine.runs
    new = Case("paid_scammer", {"paid": "yes", "minor": "no", "threatened": "yes"}, ("bank_transfer",))
    assert engine.infer(new) == Engine(KNOWLEDGE).infer(new)
    assert engine.runs == before


def _random_cases(number: int, scenarios: Sequence[str]) -> Iterator[Case]:
    rnd = random.Random(20261128)
    for _ in range(number):
        yield Case(
            rnd.choice(scenarios),
            {f: rnd.choice(("yes", "no")) for f in KNOWLEDGE.facts if rnd.random() < 0.15},
            tuple(rnd.sample(list(KNOWLEDGE.methods), rnd.choice((0, 1, 2)))),
            tuple(rnd.sample(list(KNOWLEDGE.signs), rnd.randint(0, 5))),
            rnd.choice((None, *KNOWLEDGE.devices)),
        )


def test_what_is_remembered_of_many_cases_is_what_the_engine_says() -> None:
    warm, cold = Engine(KNOWLEDGE), Engine(KNOWLEDGE)
    for case in _random_cases(400, list(KNOWLEDGE.scenarios)[:4]):
        cold.forget()
        assert warm.infer(case) == cold.infer(case)
    assert warm.runs < cold.runs * 0.9


def test_another_engine_fires_the_same_rules() -> None:
    clips = Clips(KNOWLEDGE)
    for case in _random_cases(200, list(KNOWLEDGE.scenarios)):
        assert set(clips.infer(case)) == {f.rule for f in ENGINE.infer(case)[1]}


def test_states_that_rules_of_one_stage_hand_on_are_remembered_with_what_they_rest_on() -> None:
    some = next(r for r in KNOWLEDGE.rules.values() if r.declare)

    def rule(id: str, when: str, **more: object) -> RuleEntry:
        return some.model_copy(update={"id": id, "when": (Condition.parse(when),), "declare": (), "salience": 0, **more})

    chain = [rule("first", "paid=yes", declare=("a",)), rule("second", "state=a", declare=("b",)), rule("third", "minor=yes", declare=("c",))]
    engine = Engine(replace(KNOWLEDGE, rules={r.id: r for r in chain}))
    for facts, fired in (({"minor": "yes"}, ["third"]), ({"paid": "yes"}, ["first", "second"]), ({}, [])):
        assert [f.rule for f in engine.infer(Case("phishing", facts))[1]] == fired


def test_a_fault_inside_a_rule_is_raised_not_swallowed(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine(KNOWLEDGE)

    class Broken(list[str]):
        def append(self, _: str) -> None:
            raise ZeroDivisionError

    monkeypatch.setattr(engine._rulesets, "_fired", Broken())
    with pytest.raises(EngineError, match="規則の実行中に誤りがありました"):
        engine.infer(Case("phishing", {}))


def _decide(scenario: str, facts: dict[str, str], prefecture: str | None = None) -> Decision:
    revised, firings = ENGINE.infer(Case(scenario, facts, prefecture=prefecture))
    return Adviser(KNOWLEDGE).decide(revised, firings, prefecture)


def test_a_rule_may_make_an_action_more_urgent_but_never_allows_what_must_not_be_done() -> None:
    urgency = {a.id: a.urgency for a in _decide("bank_codes_leaked", {}).actions}
    assert KNOWLEDGE.actions["check_statements"].urgency == "today"
    assert urgency["check_statements"] == "now"
    letter = {a.id: a.urgency for a in _decide("unjust_billing", {"court_document": "yes"}).actions}
    assert letter["do_not_use_contact_in_document"] == "never"


def test_what_could_do_harm_is_not_taken_over_from_the_second_possibility() -> None:
    def taken(first: str, second: str, facts: dict[str, str], harmful: str) -> bool:
        one, two = _decide(first, facts), _decide(second, facts)
        assert harmful in {a.id for a in two.actions} - {a.id for a in one.actions}
        return harmful in {a.id for a in with_second(one, two, KNOWLEDGE).actions}

    assert not taken("legal_dispute", "unjust_billing", {}, "ignore_claim")
    assert not taken("malware_infected", "malware_unremovable", {}, "factory_reset")
    assert not taken("out_of_scope", "unauthorized_transaction", {}, "stop_card")
    assert not taken("support_scam", "malware_infected", {"malware_detected": "yes"}, "do_not_power_off")
    assert not taken("unjust_billing", "subscription_trap", {}, "send_cancel_notice")
    assert taken("phishing", "malware_infected", {"malware_detected": "yes"}, "do_not_power_off")
    assert taken("goods_not_delivered", "unauthorized_transaction", {}, "stop_card")


@pytest.mark.parametrize("turned", [False, True])
def test_of_what_two_possibilities_ask_for_the_more_urgent_holds(turned: bool) -> None:
    trap, phishing = (_decide(scenario, {"card_entered": "yes"}) for scenario in ("subscription_trap", "phishing"))
    assert next(a.urgency for a in trap.actions if a.id == "stop_card") == "soon"
    both = with_second(phishing, trap, KNOWLEDGE) if turned else with_second(trap, phishing, KNOWLEDGE)
    stop = next(a for a in both.actions if a.id == "stop_card")
    assert stop.urgency == "now"
    assert set(stop.rules) <= {f.rule for f in both.trace}
    assert [URGENCIES.index(a.urgency) for a in both.actions] == sorted(URGENCIES.index(a.urgency) for a in both.actions)


def test_a_police_number_of_an_old_list_names_the_one_that_always_answers() -> None:
    def police(prefecture: str | None) -> AdvisedDesk:
        return next(d for d in _decide("paid_scammer", {"paid": "yes"}, prefecture).desks if d.id == "police_cyber")

    old, new = KNOWLEDGE.police_desks["01"], KNOWLEDGE.police_desks["02"]
    assert (old.confidence, new.confidence) == ("low", "medium")
    assert police("01").phone == old.phone
    assert "つながらないときは #9110" in (police("01").how or "")
    assert "つながらないときは" not in (police("02").how or "")
    assert police(None).name == KNOWLEDGE.desks["police_cyber"].name


def test_ordered_procedures_stay_ordered() -> None:
    def order(scenario: str, wanted: list[str]) -> list[str]:
        revised, firings = ENGINE.infer(Case(scenario, {}))
        return [a.id for a in Adviser(KNOWLEDGE).decide(revised, firings).actions if a.id in wanted]

    infection = ["disconnect_network", "update_definitions", "scan_device", "remove_malware"]
    assert order("malware_infected", infection) == infection
    unremovable = ["use_removal_tool", "factory_reset", "install_security_software", "scan_backup_media", "restore_data_after_scan"]
    assert order("malware_unremovable", unremovable) == unremovable


def test_many_lists_of_scenarios_do_not_overwrite_the_engines_memory() -> None:
    kb = knowledge.load()
    template, others = next(r for r in kb.rules.values() if r.actions), [s for s in kb.scenarios if s != "phishing"]
    rules = [
        template.model_copy(update={"id": f"t.rule_{i}", "when": (Condition("scenario", "=", ("phishing", *others[i % 20 :: 1 + i // 20])),)})
        for i in range(150)
    ]
    assert len(Rulesets().fired("advice phishing", rules, [("scenario", "phishing")])) == len(rules)


@pytest.mark.parametrize("operator", ["=", "!="])
def test_the_engine_bears_as_many_conditions_as_a_rule_may_have(operator: str) -> None:
    keys = [f"fact_{i}" for i in range(MOST_CONDITIONS)]
    rule = next(iter(KNOWLEDGE.rules.values())).model_copy(update={"when": tuple(Condition(key, operator, ("yes",)) for key in keys)})
    rulesets, (holds, fails) = Rulesets(), ("yes", "no") if operator == "=" else ("no", "yes")
    for wrong in [None, *keys] * 20:
        facts = [(key, fails if key == wrong else holds) for key in keys]
        assert rulesets.fired("many", [rule], facts) == (set() if wrong else {rule.id})
