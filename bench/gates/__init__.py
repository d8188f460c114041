"""Gates: yes-or-no checks of one running proxy. One module each, called by `bench/cli.py`."""
