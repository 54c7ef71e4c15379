"""
The frame itself: import contracts that bite, file lengths, no address of a package index.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ["portal", "seeds", "billing", "telemetry", "sites"]

BREAKS = {
    "Apps depend downwards": ("sites/models/parties.py", "import billing.models"),
    "Inside an app: edges, operations, queries, models, domain": (
        "sites/models/audit.py",
        "import sites.queries",
    ),
    "Domain arithmetic knows no framework": ("telemetry/domain/units.py", "import django"),
    "What people and machines read goes through queries": (
        "portal/views/health.py",
        "import sites.models",
    ),
}


def _lint_imports(tree: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"],
        cwd=tree,
        env={"PYTHONPATH": str(tree), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def copy_of_tree(tmp_path: Path) -> Path:
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


@pytest.mark.parametrize("contract", BREAKS)
def test_each_import_contract_notices_its_breach(copy_of_tree: Path, contract: str):
    file, line = BREAKS[contract]
    broken = copy_of_tree / file
    broken.write_text(f"{line}\n{broken.read_text()}")

    found = _lint_imports(copy_of_tree)

    assert found.returncode == 1
    assert re.search(rf"{re.escape(contract)}\s+BROKEN", found.stdout)


def test_a_stray_module_in_an_app_is_noticed(copy_of_tree: Path):
    (copy_of_tree / "billing" / "utils.py").write_text("")

    found = _lint_imports(copy_of_tree)

    assert found.returncode == 1
    assert "utils" in found.stdout


def _tracked() -> list[Path]:
    listing = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [ROOT / name for name in listing.stdout.split("\0") if name]


def test_no_file_is_too_long_to_read():
    code = [
        path
        for path in _tracked()
        if path.suffix in {".py", ".html", ".js", ".css"}
        and not {"migrations", "vendor"} & set(path.parts)
    ]

    too_long = [path.name for path in code if len(path.read_text().splitlines()) > 500]

    assert code
    assert too_long == []


def test_no_address_of_a_package_index_is_kept():
    # Put together here, so that this file does not find itself.
    hosts = ["pypi" + ".org", "pythonhosted" + ".org", "registry." + "npmjs"]

    found = [
        path.name
        for path in _tracked()
        if path.suffix not in {".gz", ".woff2", ".png"}
        and any(host in path.read_text(errors="ignore") for host in hosts)
    ]

    assert found == []
