//! The examples under the help texts: what is usually wanted, ready to be typed. Each fits 80 columns, and a test
//! holds that the command line takes it.

pub(super) const ALL: &str = "\
Examples:
  tidegate init                       write a first tidegate.yaml
  tidegate validate                   say everything that is wrong with it
  tidegate run                        serve what it says
  tidegate up 3000 3001               serve these ports, without a file
  tidegate demo                       see it at work, with traffic of its own

Exit codes: 0 fine, 1 the answer is no, 2 misuse or an unusable configuration.";

pub(super) const RUN: &str = "\
Examples:
  tidegate run                        serve tidegate.yaml of this folder
  tidegate run -c gateway.yaml        serve another file";

pub(super) const UP: &str = "\
Examples:
  tidegate up 3000                                in front of port 3000
  tidegate up 127.0.0.1:3000 10.0.0.2:3000        over two backends
  tidegate up unix:/run/app.sock --listen :9000   of a socket, on port 9000";

pub(super) const DEMO: &str = "\
Examples:
  tidegate demo                       until q or Ctrl-C
  tidegate demo --for 30s             the whole story in half a minute
  tidegate demo --for 30s --plain     the same as lines";

pub(super) const INIT: &str = "\
Examples:
  tidegate init                       write tidegate.yaml
  tidegate init gateway.yaml          write another file
  tidegate init --force               replace the file that is there";

pub(super) const VALIDATE: &str = "\
Examples:
  tidegate validate                   check tidegate.yaml
  tidegate validate gateway.yaml      check another file
  tidegate validate --json            problems with file, line and column";

pub(super) const TEST: &str = "\
Examples:
  tidegate test                       run the cases of tidegate.yaml
  tidegate test -c gateway.yaml       run those of another file
  tidegate test --json                each case with what was seen

A case in the file:
  tests:
    - request: GET https://api.example.com/orders/7
      expect: { route: orders, service: orders, path: /v2/orders/7 }";

pub(super) const EXPLAIN: &str = "\
Examples:
  tidegate explain GET /orders/7
  tidegate explain POST https://api.example.com/orders -c gateway.yaml
  tidegate explain GET /orders/7 -H 'x-beta: 1' --json";

pub(super) const RELOAD: &str = "\
Examples:
  tidegate reload                     the gateway that runs tidegate.yaml
  tidegate reload -c gateway.yaml     the one that runs another file
  tidegate reload --json              the snapshot's number, and what changed
  tidegate reload --admin 127.0.0.1:9900";

pub(super) const READY: &str = "\
Examples:
  tidegate ready                      the gateway that runs tidegate.yaml
  tidegate ready --admin 127.0.0.1:9900";

pub(super) const KEY: &str = "\
Examples:
  tidegate key new --consumer web --file keys.yaml
  tidegate key check tg_…";

pub(super) const KEY_NEW: &str = "\
Examples:
  tidegate key new --consumer web --file keys.yaml
  tidegate key new --consumer app --scope orders:read --expires 2027-12-31";

pub(super) const KEY_CHECK: &str = "\
Examples:
  tidegate key check tg_…
  tidegate key check < key.txt    # not seen by others on this machine";

pub(super) const SCHEMA: &str = "\
Example:
  tidegate schema > tidegate.schema.json

Then this first line in tidegate.yaml gives completion in many editors:
  # yaml-language-server: $schema=tidegate.schema.json";

pub(super) const COMPLETIONS: &str = "\
Examples:
  source <(tidegate completions bash)
  tidegate completions zsh > ~/.zfunc/_tidegate
  tidegate completions fish > ~/.config/fish/completions/tidegate.fish";

pub(super) const VERSION: &str = "\
Examples:
  tidegate version
  tidegate version --json";
