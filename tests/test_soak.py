"""The soaks of Python and Node, short: what `make deep` runs for ten minutes stays runnable.

How late the canary may be is judged by the long run on a machine of its own.
"""

import subprocess
import sys
from pathlib import Path

import pytest

SOAK = Path(__file__).parent / "soak"
SECONDS_MAX = 240


@pytest.mark.parametrize(
    "command", [[sys.executable, SOAK / "soak.py"], ["node", SOAK / "soak.mjs"]], ids=["python", "node"]
)
def test_a_short_soak_ends_well(command: list[str | Path]) -> None:
    options = ["--seconds", "4", "--canary-ms-max", "5000"]
    ran = subprocess.run([*command, *options], capture_output=True, text=True, timeout=SECONDS_MAX)
    assert ran.returncode == 0, ran.stdout + ran.stderr
