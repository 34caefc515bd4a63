"""The SPA in a release: built once per content, the same everywhere, and what can't be built says why."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from release.adapters import source, spa
from release.adapters.build import build
from release.adapters.layer import contents
from release.adapters.layout import Layout
from release.adapters.oci import OciArtifacts
from release.adapters.patch import patched
from release.artifact import LOCK, NPM_LOCK, PAGE, File, Manifest, decode
from release.errors import BuildFailed
from release.home import Home

CHECKOUT = Path(__file__).parents[2]
SOURCES = (File("api/app/main.py", b""), File("web/index.html", b"<p>"), File("web/package.json", b"{}"))
TITLE = """\
diff --git a/web/index.html b/web/index.html
--- a/web/index.html
+++ b/web/index.html
@@ -9,3 +9,3 @@
     <link rel="icon" type="image/svg+xml" href="/src/ui/mark.svg" />
-    <title>Slipway Store</title>
+    <title>Another Store</title>
   </head>
"""
Git = Callable[..., str]


def shipped(home: Home, digest: str) -> dict[str, bytes]:
    layout = Layout(home.artifacts)
    manifest = decode(layout.path(digest).read_bytes(), Manifest, "manifest")
    return {file.path: file.data for file in contents(layout.path(manifest.layers[0].digest).read_bytes(), "layer")}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, git: Git) -> Home:
    """This tree's store, committed in a checkout of its own and built. Read-only: take `tree`."""
    root = tmp_path_factory.mktemp("made") / "a checkout"
    for file in source.read(CHECKOUT).files:
        (root / file.path).parent.mkdir(parents=True, exist_ok=True)
        (root / file.path).write_bytes(file.data)
    (root / ".gitignore").write_text("var/\n")
    git(root, "init", "-q", "-b", "main", "--template=")
    git(root, "add", ".")
    git(root, "commit", "-q", "-m", "start")
    build(Home(root))
    return Home(root)


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No registry, and nothing of it in a cache."""
    for name, value in {"registry": "http://127.0.0.1:1", "cache": str(tmp_path / "npm"), "fetch_retries": "0"}.items():
        monkeypatch.setenv(f"npm_config_{name}", value)


@pytest.fixture
def tree(made: Home, tmp_path: Path) -> Home:
    """A copy with what was built before; hard links, for it is large."""
    return Home(Path(shutil.copytree(made.root, tmp_path / "tree", copy_function=_link, symlinks=True)))


def _link(old: str, new: str) -> str:
    """A file of its own where a test or a build writes."""
    if "node_modules" in old:
        Path(new).hardlink_to(old)
    else:
        shutil.copy2(old, new)
    return new


def patch_of(tmp_path: Path, text: str) -> Path:
    (tmp_path / "change.patch").write_text(text)
    return tmp_path / "change.patch"


def test_without_web_there_is_no_spa_and_nothing_is_run(checkout: Home) -> None:
    files = source.read(checkout.root).files
    assert spa.with_spa(files, checkout) == files
    assert not checkout.var.exists()


def test_half_of_an_spa_is_a_mistake(checkout: Home) -> None:
    with pytest.raises(BuildFailed, match=rf"{NPM_LOCK} is missing"):
        spa.with_spa(SOURCES, checkout)


@pytest.mark.real
def test_what_is_built_ships_and_its_sources_do_not(made: Home) -> None:
    [digest] = OciArtifacts(made).list()
    assert OciArtifacts(made).verify(digest).spa
    files = shipped(made, digest)
    web = {path for path in files if path.startswith("web/")}
    assert {path for path in web if not path.startswith("web/dist/")} == {"web/package-lock.json"}
    assert {PAGE, f"{PAGE}.br", f"{PAGE}.gz"} <= web | {f"{PAGE}.br", f"{PAGE}.gz"}
    assert any(path.endswith(".js.br") for path in web)
    assert LOCK in files


@pytest.mark.real
def test_the_same_sources_give_the_same_digest_in_another_folder(
    made: Home, tmp_path: Path, git: Git, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is exported in a shell."""
    for name, value in {"NODE_ENV": "development", "VITE_USER_NODE_ENV": "development", "NODE_OPTIONS": "--no-such-option"}.items():
        monkeypatch.setenv(name, value)
    clone = Home(tmp_path / "another checkout" / "deep")
    clone.root.parent.mkdir()
    git(tmp_path, "clone", "-q", str(made.root), str(clone.root))
    again = build(clone)
    assert again.built
    assert (again.digest,) == OciArtifacts(made).list()


@pytest.mark.real
@pytest.mark.usefixtures("offline")
def test_without_a_change_nothing_is_built_again(tree: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does another file of the release, or a test of the SPA, count as a change."""
    ran: list[object] = []
    for name in ("npm", "install"):
        monkeypatch.setattr(spa, name, lambda *words: ran.append(words))
    (tree.root / "api/app/main.py").write_text("app = None\n")
    (tree.root / "web/src/new.test.ts").write_text("it('fails');\n")
    before = shipped(tree, OciArtifacts(tree).list()[0])
    after = shipped(tree, build(tree).digest)
    assert {path: data for path, data in before.items() if data != after[path]}.keys() == {"api/app/main.py"}
    assert ran == []


@pytest.mark.real
@pytest.mark.usefixtures("offline")
def test_a_patch_of_the_spa_is_built_on_the_modules_that_are_there(tree: Home, tmp_path: Path) -> None:
    before = shipped(tree, OciArtifacts(tree).list()[0])
    after = shipped(tree, build(tree, patch_of(tmp_path, TITLE)).digest)
    assert b"Another Store" in after[PAGE]
    assert b"Slipway Store" in (tree.root / "web/index.html").read_bytes()
    assert {path for path in after if path.endswith(".js")} == {path for path in before if path.endswith(".js")}
    assert len([path for path in (tree.var / "web").glob("modules-*") if path.is_dir()]) == 1
    assert not list((tree.var / "web").glob("modules-*/build-*"))


@pytest.mark.real
@pytest.mark.usefixtures("offline")
def test_a_mistake_in_the_spa_is_told_in_the_bundlers_words(tree: Home) -> None:
    (tree.root / "web/src/main.tsx").write_text("import { nothing } from './not-there.ts';\nnothing();\n")
    with pytest.raises(BuildFailed, match=r"`npm run build` of the SPA failed:[\s\S]*not-there"):
        build(tree)
    assert len(OciArtifacts(tree).list()) == 1


@pytest.mark.real
@pytest.mark.usefixtures("offline")
def test_no_registry_is_told(tree: Home) -> None:
    (tree.root / "web/package.json").write_text((tree.root / "web/package.json").read_text() + "\n")
    with pytest.raises(BuildFailed, match=r"`npm ci .*failed:[\s\S]*ECONNREFUSED") as told:
        build(tree)
    assert "registry" in told.value.remedy


@pytest.mark.real
def test_builds_at_once_share_modules_and_agree(made: Home, tmp_path: Path, git: Git) -> None:
    clone = Home(tmp_path / "clone")
    git(tmp_path, "clone", "-q", str(made.root), str(clone.root))
    argv = [sys.executable, "-c", "from release.cli import main; main()", "build", "--json"]
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"} | {"SLIPWAY_HOME": str(clone.root)}
    running = [subprocess.Popen(argv, env=clean, stdout=subprocess.PIPE, start_new_session=True) for _ in range(2)]
    answers = [process.communicate(timeout=120)[0] for process in running]
    assert [process.returncode for process in running] == [0, 0]
    [digest] = OciArtifacts(clone).list()
    assert all(digest.encode() in answer for answer in answers)
    assert (digest,) == OciArtifacts(made).list()


def test_a_patched_source_of_the_spa_is_part_of_the_release(checkout: Home, tmp_path: Path) -> None:
    (checkout.root / "web").mkdir()
    (checkout.root / "web/index.html").write_text((CHECKOUT / "web/index.html").read_text())
    changed = patched(source.read(checkout.root), patch_of(tmp_path, TITLE))
    assert b"Another Store" in next(file.data for file in changed.files if file.path == "web/index.html")
