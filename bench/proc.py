"""What /proc says about a running proxy: CPU time, memory, open sockets, event loops. Reads only."""

import os
import re
from pathlib import Path

CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
TCP_ESTABLISHED = "01"


def family(pid):
    """The process and all its descendants, as a list of process ids. A process that just ended is left out."""
    found, todo = [], [pid]
    while todo:
        one = todo.pop()
        try:
            tasks = list(Path(f"/proc/{one}/task").iterdir())
            children = " ".join((task / "children").read_text() for task in tasks)
        except OSError:
            continue
        found.append(one)
        todo.extend(int(child) for child in children.split())
    return found


def cpu_seconds(pid):
    """User and system time of the family, all threads, also those that have ended. Resolution: one clock tick."""
    ticks = 0
    for one in family(pid):
        # The command name in brackets may hold spaces; the fields after it do not.
        fields = Path(f"/proc/{one}/stat").read_text().rsplit(")", 1)[1].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / CLOCK_TICKS


def pss_kib(pid):
    """Proportional set size of the family: shared pages count once, divided among those who share them."""
    total = 0
    for one in family(pid):
        rollup = Path(f"/proc/{one}/smaps_rollup").read_text()
        total += int(re.search(r"^Pss:\s+(\d+) kB$", rollup, re.MULTILINE).group(1))
    return total


def threads(pid):
    """Thread ids of one process."""
    return [int(name) for name in os.listdir(f"/proc/{pid}/task")]


def tcp_memory_mib():
    """Kernel memory in all TCP buffers of this network namespace, in MiB."""
    pages = re.search(r"^TCP: .* mem (\d+)", Path("/proc/net/sockstat").read_text(), re.MULTILINE)
    return int(pages.group(1)) * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


def accepted_inodes(port):
    """Socket inodes of established connections whose local port is `port`: the server's ends."""
    wanted = f":{port:04X}"
    inodes = set()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[1].endswith(wanted) and fields[3] == TCP_ESTABLISHED:
            inodes.add(int(fields[9]))
    return inodes


def event_loops(pid):
    """For every epoll instance of the family, the inodes it watches. An instance open under two descriptors
    (a runtime keeps a duplicate) counts once."""
    loops = []
    for one in family(pid):
        seen = set()
        for fd in os.listdir(f"/proc/{one}/fd"):
            try:
                if "eventpoll" not in os.readlink(f"/proc/{one}/fd/{fd}"):
                    continue
                text = Path(f"/proc/{one}/fdinfo/{fd}").read_text()
            except FileNotFoundError:
                continue
            watched = frozenset(int(ino, 16) for ino in re.findall(r"^tfd:.*\bino:([0-9a-f]+)", text, re.MULTILINE))
            if watched and watched not in seen:
                seen.add(watched)
                loops.append(watched)
    return loops
