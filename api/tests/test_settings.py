"""A wrong setting ends the process with one plain line; secrets stay out of it."""

import pytest

from app import settings

GOOD = {
    "SLIPWAY_DATABASE_URL": "postgresql+asyncpg://store:secret@127.0.0.1:5432/store",  # pragma: allowlist secret
    "SLIPWAY_DIGEST": "sha256:" + "0123456789abcdef" * 4,
    "SLIPWAY_REVISION": "c928df3+dirty",
}


@pytest.fixture(autouse=True)
def _good_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)


def test_good_settings() -> None:
    read = settings.from_environment()
    assert (read.release, read.log_level, read.pool_size) == ("0123456789ab", "info", 5)
    assert "secret" not in repr(read)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SLIPWAY_DATABASE_URL", "postgresql://store:secret@127.0.0.1/store"),  # pragma: allowlist secret
        ("SLIPWAY_DATABASE_URL", "secret, and no address"),
        ("SLIPWAY_DATABASE_URL", ""),
        ("SLIPWAY_DIGEST", "latest"),
        ("SLIPWAY_DIGEST", "sha256:" + "A" * 64),
        ("SLIPWAY_REVISION", ""),
        ("SLIPWAY_LOG_LEVEL", "loud"),
        ("SLIPWAY_POOL_SIZE", "0"),
        ("SLIPWAY_POOL_SIZE", "many"),
    ],
)
def test_a_wrong_one_is_named(name: str, value: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as ended:
        settings.from_environment()
    said = capsys.readouterr().err
    assert ended.value.code == settings.EXIT_BAD_SETTINGS
    assert said.count("\n") == 1
    assert name in said
    assert "secret" not in said


@pytest.mark.parametrize("name", sorted(GOOD))
def test_a_missing_one_is_named(name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv(name)
    with pytest.raises(SystemExit):
        settings.from_environment()
    assert f"{name}: Field required" in capsys.readouterr().err
