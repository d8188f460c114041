"""The origin behind every proxy: one nginx worker with answers of known sizes. Also the backends of the kill gate."""

import os
from pathlib import Path

PLAIN_BYTES = 965
PLAIN_END = b'"}'  # stands at the end of the body and nowhere else in it
BIG_BYTES = 8 << 20
CHUNKED_BYTES = 100 << 10
POST_BYTES = 16 << 10

BIG = "/big"
CHUNKED = "/chunked"
POST = "/post"


def plain_body():
    """A JSON list of orders of exactly PLAIN_BYTES; no quote or dollar that nginx would take for its own."""
    items = ",".join(f'{{"id":{n},"name":"part {n}","price":{n}.50}}' for n in range(1, 23))
    head, tail = f'{{"orders":[{items}],"note":"', '"}'
    return head + "n" * (PLAIN_BYTES - len(head) - len(tail)) + tail


def write_files(folder):
    """The two bodies that are too large to stand in a configuration."""
    root = Path(folder) / "www"
    root.mkdir(exist_ok=True)
    (root / "big").write_bytes(os.urandom(BIG_BYTES))
    (root / "chunked").write_bytes((b"x" * 1023 + b"\n") * (CHUNKED_BYTES // 1024))
    return root


def argv(folder, port, name="origin", send_buffer=None):
    """Writes the configuration and gives the command. `name` comes back in the answer's `x-backend` field.

    `send_buffer` (bytes) bounds what the origin's kernel holds for a slow reader, so that a stress test of a proxy
    is not a test of the machine's TCP memory. One process without a master: SIGKILL ends all of it.
    """
    folder = Path(folder)
    buffer = f"sndbuf={send_buffer}" if send_buffer else ""
    config = folder / f"{name}.conf"
    config.write_text(f"""
daemon off; master_process off; pid {folder}/{name}.pid; error_log {folder}/{name}.err;
worker_rlimit_nofile 20000;
events {{ worker_connections 16384; }}
http {{
  access_log off; keepalive_requests 1000000000; keepalive_timeout 600; tcp_nodelay on; sendfile on;
  client_body_temp_path {folder}/{name}-body; proxy_temp_path {folder}/{name}-proxy;
  fastcgi_temp_path {folder}/{name}-f; uwsgi_temp_path {folder}/{name}-u; scgi_temp_path {folder}/{name}-s;
  server {{
    listen 127.0.0.1:{port} backlog=4096 {buffer};
    root {folder}/www; default_type application/json; add_header x-backend {name};
    location / {{ return 200 '{plain_body()}'; }}
    location = {BIG} {{ default_type application/octet-stream; }}
    # A subrequest after the file makes the length unknown to nginx, so it sends chunks, one per output buffer.
    location = {CHUNKED} {{ sendfile off; output_buffers 2 16k; addition_types *; add_after_body /nothing; }}
    location = /nothing {{ internal; return 200 ''; }}
    # `mirror` reads the whole body before the content phase; a file answers POST with 405, which is turned into 200.
    location = {POST} {{
      mirror /drop; client_body_buffer_size 128k; try_files /chunked =500; error_page 405 =200 @posted;
    }}
    location = /drop {{ internal; return 204; }}
    location @posted {{ return 200 '{plain_body()}'; }}
  }}
}}
""")
    return ["nginx", "-c", config]


def start(stage, cores, name="origin", send_buffer=None):
    """Starts one origin on a free port and returns that port."""
    write_files(stage.folder)
    port = stage.port()
    child = stage.start(name, argv(stage.folder, port, name, send_buffer), cores)
    stage.wait_for_port(child, port)
    return port
