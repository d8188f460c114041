"""What other programs print is read whole or refused: wrk's summary and strace's table."""

import unittest

from bench import h2load, wrk
from bench.gates import syscalls

WRK = """Running 1s test @ http://127.0.0.1:21000/
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.94ms    2.32ms  36.77ms   94.08%
    Req/Sec    39.61k     3.28k   44.00k    80.00%
  Latency Distribution
     50%    1.46ms
     75%    1.67ms
     90%    2.81ms
     99%  {tail}
  39406 requests in {time}, 45.02MB read
{errors}Requests/sec:  39294.35
Transfer/sec:     44.89MB
"""

H2LOAD = """finished in 1.00s, 19012.00 req/s, 18.31MB/s
requests: 19140 total, 19140 started, 19012 done, 19012 succeeded, {lost}
status codes: {codes}
traffic: 18.31MB (19204812) total, 131.52KB (134673) headers (space savings 94.88%), 17.49MB (18346580) data
                     min         max         mean         sd        +/- sd
time for request:      912us     18.15ms      6.69ms      1.90ms    76.42%
time for connect:     3.10ms      7.08ms      5.15ms      1.41ms    62.50%
"""

STRACE = """% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 52.10    0.104200           2     40010        12 recvfrom
 47.80    0.095600           2     40000           writev
  0.10    0.000200                   310           epoll_wait
------ ----------- ----------- --------- --------- ----------------
100.00    0.200000           2     80320        12 total
"""


def summary(tail="12.50ms", time="1.00s", errors=""):
    return WRK.format(tail=tail, time=time, errors=errors)


class H2Load(unittest.TestCase):
    def check(self, lost, codes, failed):
        load = h2load.parse(H2LOAD.format(lost=lost, codes=codes), 1)
        self.assertEqual((load.requests, load.failed, load.p99_ms), (19012, failed, 18.15))

    def test_whatever_did_not_succeed_is_counted(self):
        self.check("0 failed, 0 errored, 0 timeout", "19012 2xx, 0 3xx, 0 4xx, 0 5xx", 0)
        self.check("3 failed, 2 errored, 1 timeout", "19012 2xx, 0 3xx, 0 4xx, 0 5xx", 6)
        self.check("0 failed, 0 errored, 0 timeout", "19000 2xx, 0 3xx, 7 4xx, 5 5xx", 12)

    def test_another_form_is_refused(self):
        with self.assertRaises(h2load.H2LoadError):
            h2load.parse("requests: none", 1)


class Wrk(unittest.TestCase):
    def test_numbers_and_units_are_read(self):
        cases = [
            (summary(), 39406, 0, 1.0, 12.5),
            (summary(tail="812.00us", time="1.50m"), 39406, 0, 90.0, 0.812),
            (summary(errors="  Non-2xx or 3xx responses: 17\n"), 39406, 17, 1.0, 12.5),
            (summary(errors="  Socket errors: connect 1, read 2, write 3, timeout 4\n"), 39406, 10, 1.0, 12.5),
        ]
        for text, requests, failed, seconds, p99_ms in cases:
            load = wrk.parse(text)
            self.assertEqual((load.requests, load.failed), (requests, failed))
            self.assertAlmostEqual(load.seconds, seconds)
            self.assertAlmostEqual(load.p99_ms, p99_ms)

    def test_what_is_not_understood_is_refused(self):
        for text in (
            "",
            "unable to connect to 127.0.0.1:1\n",
            summary(errors="  Socket errors: many\n"),
            summary(tail="soon"),
        ):
            with self.assertRaises(wrk.WrkError):
                wrk.parse(text)


class Strace(unittest.TestCase):
    def test_calls_are_read_with_and_without_errors_and_averages(self):
        self.assertEqual(syscalls.parse(STRACE), {"recvfrom": 40010, "writev": 40000, "epoll_wait": 310})

    def test_a_table_that_does_not_add_up_is_refused(self):
        cases = {
            "no head": STRACE.split("\n", 1)[1],
            "an unknown line": STRACE.replace("writev\n", "writev ???\n"),
            "a line lost": "\n".join(line for line in STRACE.splitlines() if "writev" not in line),
            "no total": "\n".join(STRACE.splitlines()[:-1]),
            "a call twice": STRACE.replace("writev", "recvfrom"),
            "something after the total": STRACE + "  1.00    0.000200           1         1           read\n",
            "nothing": "",
        }
        for name, text in cases.items():
            with self.subTest(name), self.assertRaises(syscalls.StraceError):
                syscalls.parse(text)

    def test_four_calls_hold_five_do_not_and_two_are_not_believed(self):
        cases = [
            ({"read": 2000, "writev": 2000, "epoll_wait": 900}, [True, True]),
            ({"read": 2000, "writev": 2000 + syscalls.HOUSEKEEPING}, [True, True]),
            ({"read": 3000, "writev": 2000 + syscalls.HOUSEKEEPING}, [False, True]),
            ({"read": 2000, "epoll_wait": 5000}, [True, False]),
        ]
        for calls, verdicts in cases:
            self.assertEqual([claim.holds for claim in syscalls.judge(calls, 1000)], verdicts, calls)


if __name__ == "__main__":
    unittest.main()
