"""Runs a program under the filters of a systemd unit, with one difference: a system call that the unit does not allow
ends the process, where systemd would only refuse it. usage: confined.py UNIT PROGRAM [ARGUMENT…]

Started by root it gives the folder it is in, and the program, to nobody: the unit has a user of its own, and programs do
other things for root.

Needs Debian's python3-seccomp; the sets (`@system-service`) are those of the systemd that is installed."""

import os
import socket
import subprocess
import sys

import seccomp

unit, command = sys.argv[1], sys.argv[2:]


def values(key):
    """What the unit says under a key, in the order of its lines."""
    with open(unit, encoding="utf-8") as lines:
        return [line.strip().split("=", 1)[1].split() for line in lines if line.startswith(key + "=")]


def sets():
    """Every set with what stands in it: calls, and other sets."""
    listed = subprocess.run(["systemd-analyze", "syscall-filter", "--no-pager"], capture_output=True, text=True, check=True)
    found, current = {}, None
    for line in listed.stdout.splitlines():
        word = line.strip()
        if not word or word.startswith("#"):
            continue
        if line.startswith("@"):
            current = found.setdefault(word, [])
        elif line.startswith(" "):
            current.append(word)
    return found


def calls(words, known):
    """The calls that words stand for."""
    waiting, names = list(words), set()
    while waiting:
        word = waiting.pop()
        if word.startswith("@"):
            waiting.extend(known[word])
        else:
            names.add(word)
    return names


def allowed():
    """As systemd.exec(5) puts the lines together: `~` takes away, and the default set is always there."""
    known = sets()
    names = calls(["@default"], known)
    for words in values("SystemCallFilter"):
        if words[0].startswith("~"):
            names -= calls([words[0][1:], *words[1:]], known)
        else:
            names |= calls(words, known)
    return names


families = [getattr(socket, name) for line in values("RestrictAddressFamilies") for name in line]
assert families, "the unit names the families of addresses"
here = seccomp.SyscallFilter(defaction=seccomp.KILL_PROCESS)
for name in sorted(allowed()):
    if seccomp.resolve_syscall(seccomp.Arch.NATIVE, name) < 0:
        continue  # of another architecture
    if name == "socket":
        for family in families:
            here.add_rule(seccomp.ALLOW, name, seccomp.Arg(0, seccomp.EQ, family))
    else:
        here.add_rule(seccomp.ALLOW, name)
program = os.open(command[0], os.O_RDONLY)  # its folder may be nobody else's
os.set_inheritable(program, True)
NOBODY = 65534
if os.geteuid() == 0:
    os.chown(".", NOBODY, NOBODY)
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)
here.load()
os.execve(program, command, os.environ)
