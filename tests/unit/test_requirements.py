"""requirements.txt is short and readable; the locks are what is installed. They must say the same."""

import re
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]


def locked(name: str) -> dict[str, str]:
    text = (ROOT / "locks" / f"{name}.txt").read_text()
    pins = re.findall(r"^([A-Za-z0-9._-]+)==(\S+)", text, flags=re.MULTILINE)
    return {canonicalize_name(package): version for package, version in pins}


def direct() -> list[Requirement]:
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def closure(requirements: list[Requirement]) -> dict[str, str]:
    """Follow what each installed package asks for, on this platform; name → installed version."""
    found: dict[str, str] = {}
    waiting = [(requirement, "") for requirement in requirements]
    while waiting:
        requirement, extra = waiting.pop()
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": extra}):
            continue
        name = canonicalize_name(requirement.name)
        installed = distribution(name)
        assert installed.version in requirement.specifier, f"{name} {installed.version} is not {requirement.specifier}"
        if name in found and not requirement.extras:
            continue
        found[name] = installed.version
        for text in installed.requires or ():
            waiting.extend((Requirement(text), one) for one in {"", *requirement.extras})
    return found


def test_requirements_resolve_to_the_lock() -> None:
    assert closure(direct()).items() <= locked("app").items()


def test_the_lock_holds_nothing_that_no_requirement_asks_for() -> None:
    elsewhere = set(locked("app")) - set(closure(direct()))
    text = (ROOT / "locks" / "app.txt").read_text()
    for name in elsewhere:  # asked for on another platform only
        assert re.search(rf"^{re.escape(name)}==\S+ ;", text, flags=re.MULTILINE), name


@pytest.mark.parametrize("part", ["app", "engine"])
def test_what_is_tested_is_what_is_deployed(part: str) -> None:
    everything = locked("dev")
    assert {name: everything.get(name) for name in locked(part)} == locked(part)


@pytest.mark.parametrize("path", sorted((ROOT / "locks").glob("*.txt")), ids=lambda path: path.name)
def test_every_pin_has_a_hash_and_no_index_is_named(path: Path) -> None:
    text = path.read_text()
    pins = re.split(r"\n(?=[A-Za-z0-9])", text)
    assert all("--hash=sha256:" in pin for pin in pins if "==" in pin.partition("\n")[0])
    assert "://" not in text
    assert "--index-url" not in text


def test_the_npm_lock_names_no_address() -> None:
    assert '"resolved"' not in (ROOT / "locks" / "package-lock.json").read_text()
