"""A service manager in small: opens a socket, has a gateway serve it, ends that, and starts another one. A connection
that comes in between must be served. usage: socket_owner.py PROGRAM PORT"""

import os
import signal
import socket
import subprocess
import sys

program, port = sys.argv[1], int(sys.argv[2])
owned = socket.create_server(("127.0.0.1", port))
if owned.fileno() != 3:  # where sd_listen_fds(3) looks
    os.dup2(owned.fileno(), 3)
os.set_inheritable(3, True)
environment = {**os.environ, "LISTEN_FDS": "1"}


def start():
    return subprocess.Popen([program, "run"], pass_fds=[3], env=environment)


def connect():
    connection = socket.create_connection(("127.0.0.1", port), timeout=10)
    connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    return connection


def status(connection):
    return connection.makefile("rb").readline().split()[1].decode()


gateway = start()
print("first", status(connect()))
gateway.send_signal(signal.SIGTERM)
print("ended", gateway.wait(timeout=10))
between = connect()
gateway = start()
print("between", status(between))
print("after", status(connect()))
gateway.send_signal(signal.SIGTERM)
gateway.wait(timeout=10)
