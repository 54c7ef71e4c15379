import base64
import hashlib
import json
from pathlib import Path

VENDOR = Path(__file__).resolve().parents[2] / "portal" / "static" / "vendor"


def test_vendored_files_are_those_of_the_manifest():
    manifest = json.loads((VENDOR / "manifest.json").read_text())
    stated = {name: digest for entry in manifest for name, digest in entry["files"].items()}
    found = {
        name: "sha384-"
        + base64.b64encode(hashlib.sha384((VENDOR / name).read_bytes()).digest()).decode()
        for name in stated
    }
    present = {
        str(path.relative_to(VENDOR))
        for path in VENDOR.rglob("*")
        if path.is_file() and path.name not in {"LICENSE", "manifest.json"}
    }

    assert found == stated
    assert present == {name for name in stated if not name.startswith("..")}
    assert all((VENDOR / Path(name).parent / "LICENSE").exists() for name in present)
