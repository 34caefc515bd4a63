"""Two people, neither of them who asks: by the rule, by real SSH signatures, by the engine, and by the commands."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from lab import Lab, brief_policy

from release import errors
from release import events as e
from release.adapters.approvers import SshApprovers, sign
from release.approvals import Approval, contract_change, counted, message, missing, policy_change
from release.artifact import Release
from release.cli import main
from release.ledger import Ledger
from release.window import Schema

CHANGE = contract_change("sha256:" + "e" * 64, ("0005",))
OTHER = contract_change("sha256:" + "d" * 64, ("0005",))


def yes(person: str, key: str | None = None, change: str = CHANGE, *more: str) -> Approval:
    return Approval(change, (person, *more), key or f"key of {person}")


@pytest.mark.parametrize(
    ("approvals", "enough"),
    [
        ([yes("ada"), yes("grace")], True),
        ([yes("ada@example.org"), yes("grace@example.org")], True),
        ([], False),
        ([yes("ada")], False),
        ([yes("ada"), yes("ada")], False),
        ([yes("ada"), yes("ada", "her other key")], False),  # two keys, one person
        ([yes("ada", "k"), yes("grace", "k")], False),  # two names, one key
        ([yes("ada"), yes("linus")], False),  # who asks
        ([yes("ada"), yes("Linus@example.org")], False),
        ([yes("ada"), yes("alias", "k", CHANGE, "linus")], False),  # who asks, by another name of the same key
        ([yes("ada"), yes("grace", None, OTHER)], False),  # of another release
        ([yes("ada"), yes("linus"), yes("grace")], True),
    ],
)
def test_two_people_and_two_keys_and_not_who_asks(approvals: list[Approval], enough: bool) -> None:
    said = missing(CHANGE, 2, approvals, "linus")
    assert (said is None) == enough
    if said:
        assert CHANGE in said.what
        assert "linus" in said.what


def test_none_needed_is_none_missing() -> None:
    assert missing(CHANGE, 0, [], "linus") is None
    assert counted(CHANGE, [], "linus") == []


# Signatures.


@pytest.fixture
def key(tmp_path: Path) -> Callable[..., Path]:
    """`key(name)`: a new key pair; its private file."""

    def made(name: str, kind: str = "ed25519") -> Path:
        argv = ["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", name, "-f", str(tmp_path / name)]
        subprocess.run(argv, check=True, capture_output=True)
        return tmp_path / name

    return made


@pytest.fixture
def approvers(tmp_path: Path, key: Callable[..., Path]) -> SshApprovers:
    """ada and grace may approve, mallory has a key, too."""
    lines = [f'{name}@example.org namespaces="slipway,git" {key(name).with_suffix(".pub").read_text()}' for name in ("ada", "grace")]
    key("mallory")
    (tmp_path / "approvers").write_text("# ours\n\n" + "".join(lines))
    return SshApprovers(tmp_path / "approvers", "production")


def test_what_ssh_keygen_signs_is_verified(approvers: SshApprovers, tmp_path: Path) -> None:
    found = approvers.verify(CHANGE, sign(CHANGE, "production", tmp_path / "ada"))
    assert found.people == ("ada@example.org",)
    assert found.key in (tmp_path / "ada.pub").read_text()


def test_an_rsa_key_will_do(tmp_path: Path, key: Callable[..., Path]) -> None:
    (tmp_path / "list").write_text(f"ada {key('old', 'rsa').with_suffix('.pub').read_text()}")
    assert SshApprovers(tmp_path / "list", "production").verify(CHANGE, sign(CHANGE, "production", tmp_path / "old")).people == ("ada",)


def test_what_is_no_yes(approvers: SshApprovers, tmp_path: Path) -> None:
    good = sign(CHANGE, "production", tmp_path / "ada")
    argv = ["ssh-keygen", "-q", "-Y", "sign", "-n", "git", "-f", str(tmp_path / "ada")]
    for_git = subprocess.run(argv, input=message(CHANGE, "production"), check=True, capture_output=True).stdout.decode()
    lines = good.splitlines()
    last = lines[-2]
    bent = "\n".join([*lines[:-2], ("A" if last[0] != "A" else "B") + last[1:], lines[-1]])
    for what, change, signature in (
        ("another release", OTHER, good),
        ("another environment", CHANGE, sign(CHANGE, "staging", tmp_path / "ada")),
        ("another purpose", CHANGE, for_git),
        ("a key that is not in the list", CHANGE, sign(CHANGE, "production", tmp_path / "mallory")),
        ("bent", CHANGE, bent),
        ("cut", CHANGE, "\n".join(lines[:-2])),
        ("nothing", CHANGE, ""),
        ("text", CHANGE, "yes, of course"),
        ("armour around nothing", CHANGE, "-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----\n"),
    ):
        with pytest.raises(errors.BadApproval):
            pytest.fail(f"{what} is taken for a yes: {approvers.verify(change, signature)}")


@pytest.mark.parametrize(
    "text", ["ada\n", "ada cert-authority ssh-ed25519 AAAA\n", 'ada valid-before="20200101" ssh-ed25519 AAAA\n', "\x0c\n"]
)
def test_a_list_that_we_do_not_understand_gives_nobody_a_yes(text: str, approvers: SshApprovers, tmp_path: Path) -> None:
    good = sign(CHANGE, "production", tmp_path / "ada")
    approvers.file.write_text(approvers.file.read_text() + text)
    with pytest.raises(errors.BadApproval):
        approvers.verify(CHANGE, good)


def test_an_empty_or_missing_list_is_nobody(approvers: SshApprovers, tmp_path: Path) -> None:
    good = sign(CHANGE, "production", tmp_path / "ada")
    approvers.file.write_text("# nobody yet\n")
    with pytest.raises(errors.BadApproval, match="not in"):
        approvers.verify(CHANGE, good)
    approvers.file.unlink()
    with pytest.raises(errors.BadApproval, match="not in"):
        approvers.verify(CHANGE, good)


def test_a_key_that_is_not_there_is_a_plain_error(tmp_path: Path) -> None:
    with pytest.raises(errors.BadApproval, match="ssh-keygen does not sign"):
        sign(CHANGE, "production", tmp_path / "none")


# The engine.

BEFORE = Release("sha256:" + "b" * 64, "b", ("0004", "0005"), leads_to="0004", floor="0002")
CONTRACT = Release("sha256:" + "e" * 64, "e", ("0004", "0005"), leads_to="0005", floor="0005", contracts=("0005",))


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    lab = Lab(tmp_path, brief_policy())
    lab.name, lab.approvers.people = "production", {"ada", "grace", "lab"}
    lab.artifacts.releases |= {release.digest: release for release in (BEFORE, CONTRACT)}
    return lab


def approve(lab: Lab, change: str, *people: str) -> None:
    for person in people:
        lab.engine().ledger.append(e.ChangeApproved(change, person, person))


def test_a_contract_step_waits_for_two_people_and_a_rollback_for_nobody(lab: Lab) -> None:
    lab.serving(BEFORE.digest)
    for people in ((), ("ada",), ("ada",), ("lab",), ("mallory",)):
        approve(lab, CHANGE, *people)
        engine = lab.engine()
        assert engine.deploy(CONTRACT.digest, "test").outcome == "refused"
        assert isinstance(engine.refused, errors.ApprovalsMissing)
    assert lab.runtime.at == Schema("0004", "0002")
    assert lab.runtime.migrated == [BEFORE.digest]
    approve(lab, CHANGE, "grace")
    assert lab.engine().deploy(CONTRACT.digest, "test").outcome == "promoted"
    assert lab.runtime.at == Schema("0005", "0005")
    lab.approvers.people.clear()
    assert lab.engine().rollback(None, "test").outcome == "rolled_back"


def test_what_was_undone_needs_a_new_yes(lab: Lab) -> None:
    lab.serving(BEFORE.digest)
    approve(lab, CHANGE, "ada", "grace")
    lab.engine().ledger.append(e.ColumnRestored("orders.coupon", "0004", 1, 1, 0.1))
    assert lab.engine().deploy(CONTRACT.digest, "test").outcome == "refused"


def test_who_left_the_list_counts_no_more(lab: Lab) -> None:
    lab.serving(BEFORE.digest)
    approve(lab, CHANGE, "ada", "grace")
    lab.approvers.people.remove("grace")
    assert lab.engine().deploy(CONTRACT.digest, "test").outcome == "refused"


def test_nobody_is_asked_where_there_is_nothing_to_lose(lab: Lab) -> None:
    assert lab.engine().deploy(CONTRACT.digest, "the first").outcome == "promoted"


def test_a_policy_is_changed_by_what_the_one_before_it_says(lab: Lab) -> None:
    """Also where the new one says that nobody need be asked, or that this environment is free."""
    lab.serving(BEFORE.digest)
    was = lab.policy
    for change in ({"contract": 2, "policy": 0}, {"free": ("production",)}):
        lab.policy = was.model_copy(update={"approvals": was.approvals.model_copy(update=change)})
        for _ in range(2):  # a refused one is not in force
            engine = lab.engine()
            assert engine.deploy(CONTRACT.digest, "test").outcome == "refused"
            assert isinstance(engine.refused, errors.ApprovalsMissing)
            assert "policy sha256:" in engine.refused.what or "contract" in engine.refused.what
    lab.policy = was.model_copy(update={"steps": was.steps[-1:]})
    approve(lab, policy_change(lab.policy.fingerprint), "ada", "grace")
    approve(lab, CHANGE, "ada", "grace")
    assert lab.engine().deploy(CONTRACT.digest, "test").outcome == "promoted"
    lab.policy = was
    assert lab.engine().rollback(None, "test").outcome == "rolled_back", "the way back asks nobody"


def test_a_fingerprint_is_of_values(lab: Lab) -> None:
    same = lab.policy.model_copy()
    other = lab.policy.model_copy(update={"web": lab.policy.web.model_copy(update={"switch": "at_once"})})
    assert lab.policy.fingerprint == same.fingerprint != other.fingerprint


# The commands.


def run(*words: str, expect: int = 0) -> dict[str, object]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["release", *words, "--json"])  # where errors look whether JSON is wanted
        done = CliRunner().invoke(main, [*words, "--json"])
    assert done.exit_code == expect, done.output
    return dict(json.loads(done.stdout.splitlines()[-1]))


@pytest.fixture
def at(tmp_path: Path, approvers: SshApprovers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLIPWAY_VAR", str(tmp_path / "var"))
    monkeypatch.setenv("SLIPWAY_APPROVERS", str(approvers.file))
    monkeypatch.setenv("SLIPWAY_ACTOR", "linus")


@pytest.mark.usefixtures("at")
def test_two_say_yes_to_a_policy_by_command(tmp_path: Path) -> None:
    where = ("--env", "production")
    assert run("approvals", "--for", "policy", *where)["approvals"] == [], "the first policy of an environment"
    in_force = e.ReleaseVerified("sha256:" + "a" * 64, "a", ("0004",), "sha256:" + "0" * 64, 2)
    Ledger(tmp_path / "var" / "envs" / "production" / "ledger.jsonl").append(in_force)
    missing_ = run("approvals", "--for", "policy", *where, expect=57)
    assert "needs a yes of 2 people other than linus" in str(missing_["what"])
    run("approve", "policy", *where, "--key", str(tmp_path / "mallory"), expect=58)
    assert run("approve", "policy", *where, "--key", str(tmp_path / "ada"))["approved_by"] == "ada@example.org"
    run("approvals", "--for", "policy", *where, expect=57)
    printed = CliRunner().invoke(main, ["approve", "policy", *where, "--print"])
    assert printed.exit_code == 0
    (tmp_path / "change.txt").write_text(printed.stdout)
    argv = ["ssh-keygen", "-q", "-Y", "sign", "-n", "slipway", "-f", str(tmp_path / "grace"), str(tmp_path / "change.txt")]
    subprocess.run(argv, check=True, capture_output=True)
    run("approve", "policy", *where, "--signature", str(tmp_path / "change.txt.sig"))
    found = run("approvals", "--for", "policy", *where)["approvals"]
    assert [one["by"] for one in found] == ["ada@example.org", "grace@example.org"]  # type: ignore[attr-defined]
    assert run("approvals", "--env", "staging")["approvals"] == []


@pytest.mark.usefixtures("at")
@pytest.mark.parametrize("words", [[], ["--print", "--key", "x"]])
def test_one_way_to_sign_must_be_named(words: list[str]) -> None:
    run("approve", "policy", *words, expect=2)


@pytest.mark.usefixtures("at")
def test_a_signature_file_of_something_else(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8\xff")
    assert (
        run("approve", "policy", "--env", "production", "--signature", str(tmp_path / "photo.jpg"), expect=58)["runbook"]
        == "runbooks/approve.md"
    )
