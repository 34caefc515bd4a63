"""GitHub's expressions: the answers of this table are those of GitHub's own evaluator (npm @actions/expressions 0.3)."""

from __future__ import annotations

from typing import Any

import pytest

from workflows.expressions import BadExpression, evaluate, fill, holds, text

CONTEXT: dict[str, Any] = {
    "vars": {"HOST": "runner-1", "EMPTY": ""},
    "inputs": {"scenario": None, "many": True, "count": 2},
    "github": {"repository": "ada/shop", "event": {"repository": {"private": False}, "before": "abc"}},
    "needs": {"checks": {"result": "success", "outputs": {"digest": "sha256:1"}}, "preview": {"result": "skipped", "outputs": {}}},
    "matrix": {"group": 3, "names": ["a", "B"]},
}
ANSWERS: list[tuple[str, Any]] = [
    ("vars.HOST || 'none'", "runner-1"),
    ("vars.NOWHERE || 'none'", "none"),
    ("vars.EMPTY || 'none'", "none"),
    ("vars.HOST && 'compose' || 'embedded'", "compose"),
    ("vars.NOWHERE && 'compose' || 'embedded'", "embedded"),
    ("vars.NOWHERE || (vars.HOST && '/var/lib' || '')", "/var/lib"),
    ("vars.NOWHERE || vars.EMPTY && 'a'", ""),
    ("'a' || 'b' && 'c'", "a"),
    ("!github.event.repository.private || vars.NOWHERE", True),
    ("!inputs.scenario", True),
    ("!(vars.HOST && inputs.many)", False),
    ("!vars.HOST == false", True),
    ("format('ghcr.io/{0}', github.repository)", "ghcr.io/ada/shop"),
    ("format('{{{0}}}{1}', 'x', true)", "{x}true"),
    ("join(needs.*.result, ' ')", "success skipped"),
    ("join(matrix.names)", "a,B"),
    ("needs.checks.outputs.digest", "sha256:1"),
    ("needs.preview.outputs.digest", None),
    ("needs['checks'].result == 'SUCCESS'", True),
    ("NEEDS.Checks.Result", "success"),
    ("matrix.group == '3'", True),
    ("matrix.group != 3", False),
    ("matrix.names[1]", "B"),
    ("matrix.names[7]", None),
    ("github.event.pull_request.base.sha || github.event.before", "abc"),
    ("null == 0", True),
    ("null == ''", True),
    ("'x' == 0", False),
    ("true == 1", True),
    ("'it''s'", "it's"),
    ("contains(matrix.names, 'b')", True),
    ("contains('Hello', 'ELL')", True),
    ("startsWith('refs/heads/main', 'refs/heads/')", True),
    ("endsWith('x.yml', '.YML')", True),
    ("fromJSON('[1, 2]')[0] == 1", True),
    ("-1.5", -1.5),
]


@pytest.mark.parametrize(("source", "value"), ANSWERS)
def test_an_expression(source: str, value: Any) -> None:
    assert evaluate(source, CONTEXT) == value


@pytest.mark.parametrize(
    "source",
    ["nowhere.x", "vars.HOST ||", "vars.HOST 'a'", "(vars.HOST", 'vars.HOST == "a"', "hashFiles('x')", "always()", "vars.HOST > 1", ""],
)
def test_what_is_not_known_is_refused(source: str) -> None:
    with pytest.raises(BadExpression):
        evaluate(source, CONTEXT)


def test_a_text_with_expressions_in_it() -> None:
    assert fill("rollback ${{ vars.HOST }}-${{ matrix.group }}", CONTEXT) == "rollback runner-1-3"
    assert [fill(value, CONTEXT) for value in ("plain", True, 5, "${{ vars.NOWHERE }}")] == ["plain", "true", "5", ""]
    assert text(0.5) == "0.5"


@pytest.mark.parametrize(
    ("condition", "so_far", "after_failure"),
    [
        (None, True, False),
        ("${{ vars.HOST }}", True, False),
        ("vars.HOST", True, False),
        ("${{ vars.NOWHERE }}", False, False),
        ("${{ always() }}", True, True),
        ("${{ always() && !vars.NOWHERE }}", True, True),
        ("${{ always() && vars.NOWHERE }}", False, False),
        ("failure()", False, True),
        ("${{ !cancelled() }}", True, True),
        ("${{ vars.HOST != 'always()' }}", True, False),
    ],
)
def test_a_condition_asks_for_success_unless_it_says_otherwise(condition: str | None, so_far: bool, after_failure: bool) -> None:
    for fine, wanted in ((True, so_far), (False, after_failure)):
        status = {"success": lambda f=fine: f, "failure": lambda f=fine: not f, "always": lambda: True, "cancelled": lambda: False}
        assert holds(condition, CONTEXT, status) is wanted


def test_a_condition_that_is_always_true_by_mistake_is_refused() -> None:
    with pytest.raises(BadExpression, match="always true"):
        holds("true && ${{ false }}", CONTEXT, {"success": lambda: True})
