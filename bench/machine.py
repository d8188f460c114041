"""Where and with what a result was measured: date, machine, versions. Reads only."""

import os
import platform
import re
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def today():
    return datetime.now(UTC).date().isoformat()


def describe():
    """Processor, cores, kernel, and how busy the machine was before the run: a shared machine shows there."""
    model = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return {
        "cpu": model.group(1) if model else platform.machine(),
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "load_before": os.getloadavg()[0],
    }


def versions(programs):
    """Of every program that takes part. One that is absent is left out."""
    commands = {
        "tidegate": [programs.tidegate, "version"],
        "nginx": ["nginx", "-v"],
        "haproxy": ["haproxy", "-v"],
        "envoy": [programs.envoy, "--version"],
        "wrk": ["wrk", "-v"],
    }
    found = {}
    for name, command in commands.items():
        if shutil.which(str(command[0])):
            text = said(command)
            number = re.search(r"\d+\.\d+(\.\d+)?", text)
            found[name] = number.group(0) if number else text.strip()[:40]
    return found


def said(command):
    """Everything a program prints; several print their version on standard error, or with a failing exit."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    return done.stdout + done.stderr


def commit():
    """The commit under test, with a `+` if the tree had changes; empty outside a checkout."""
    git = ["git", "-C", ROOT]
    if not shutil.which("git"):
        return ""
    head = said([*git, "rev-parse", "--short", "HEAD"]).strip()
    if not re.fullmatch(r"[0-9a-f]+", head):
        return ""
    return head + ("+" if said([*git, "status", "--porcelain", "-uno"]).strip() else "")
