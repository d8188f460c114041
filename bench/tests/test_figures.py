"""Medians, ratios and verdicts, and that a result reads the same after it went through the disk."""

import tempfile
import unittest
from pathlib import Path

from bench import report
from bench.figures import Claim, Outcome, Spread, percentile, ratio_claim
from bench.gates import kill, slow_connections, spread
from bench.openloop import Tally
from bench.peers import Programs


class Figures(unittest.TestCase):
    def test_spread_is_not_moved_by_one_wild_round(self):
        self.assertEqual(Spread.of([10, 11, 12, 13, 500]), Spread(12, 10, 500, 1))

    def test_ratio_compares_neighbours_so_that_drift_cancels_out(self):
        rounds = {"ours": [10.0, 20.0, 40.0], "peer": [11.0, 22.0, 44.0]}
        claim = ratio_claim(rounds, "ours", "peer", 0.95)
        self.assertAlmostEqual(claim.value, 10 / 11)
        self.assertAlmostEqual(claim.spread.max - claim.spread.min, 0)
        self.assertTrue(claim.holds)
        self.assertFalse(ratio_claim(rounds, "ours", "peer", 0.90).holds)

    def test_a_round_missing_on_one_side_is_an_error(self):
        with self.assertRaises(ValueError):
            ratio_claim({"ours": [1.0, 1.0], "peer": [1.0]}, "ours", "peer", 1.0)

    def test_claims_hold_at_their_bound_and_not_past_it(self):
        cases = [(4, "<=", 4, True), (4.001, "<=", 4, False), (1000, ">=", 1000, True), (999, ">=", 1000, False)]
        for value, relation, bound, holds in cases:
            self.assertEqual(Claim("", value, relation, bound).holds, holds)
        self.assertFalse(Claim("", float("inf"), "<=", 2).holds)

    def test_percentile_is_a_value_that_was_seen(self):
        hundred = list(range(1, 101))
        self.assertEqual([percentile(hundred, share) for share in (0.5, 0.99, 1.0)], [50, 99, 100])
        self.assertEqual(percentile([7.0], 0.99), 7.0)


class Judges(unittest.TestCase):
    def test_uneven_or_lost_connections_do_not_hold(self):
        cases = [
            ([480, 520], True),
            ([400, 600], True),
            ([399, 601], False),
            ([1000], False),
            ([500, 499], False),
            ([], False),
        ]
        for shares, holds in cases:
            verdict = all(claim.holds for claim in spread.judge(shares, sum(shares)))
            self.assertEqual(verdict, holds, shares)

    def test_good_clients_may_be_twice_as_slow_or_five_ms_slower_and_never_fail(self):
        def verdict(quiet_ms, loaded_ms, failed=0, arrival_failed=0, open_share=1.0):
            quiet = [(quiet_ms, Tally())] * 5
            loaded = [(loaded_ms, Tally(unanswered=failed))] * 5
            arrival = (900.0, Tally(late=arrival_failed))
            return all(claim.holds for claim in slow_connections.judge("on", quiet, arrival, loaded, open_share))

        self.assertTrue(verdict(1.0, 5.9))
        self.assertFalse(verdict(1.0, 6.1))
        self.assertTrue(verdict(20.0, 39.9))
        self.assertFalse(verdict(20.0, 40.1))
        self.assertFalse(verdict(1.0, 1.0, failed=1))
        self.assertFalse(verdict(1.0, 1.0, arrival_failed=1))
        self.assertFalse(verdict(1.0, 1.0, open_share=0.4))

    def test_a_backend_that_never_comes_back_took_forever(self):
        tally = Tally(by_backend={"one": [1.0, 2.0, 9.5]})
        self.assertEqual(kill.first_use_after(tally, "one", 9.0), 0.5)
        self.assertEqual(kill.first_use_after(tally, "one", 10.0), float("inf"))
        self.assertEqual(kill.first_use_after(tally, "two", 0.0), float("inf"))


class Results(unittest.TestCase):
    def test_the_table_shows_the_newest_of_every_scenario_and_what_does_not_hold(self):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            described = {"cpu": "Test CPU", "cores": 2, "kernel": "6.1", "load_before": 0.1}
            programs = Programs(folder / "no-tidegate", folder / "no-envoy")
            rounds = {"tidegate": [3.0] * 7, "nginx": [2.0] * 7}
            outcome = Outcome("plain", "about it", "µs", rounds, [ratio_claim(rounds, "tidegate", "nginx", 0.97)])
            path = report.record(folder, outcome, programs, described)
            old = path.read_text().replace("about it", "about the past")
            (folder / "2020-01-01-plain.json").write_text(old)
            table = report.table(folder)
        self.assertEqual(table.count("## plain"), 1)
        self.assertIn("about it", table)
        self.assertNotIn("about the past", table)
        self.assertIn("| tidegate / nginx | 1.5 | 1.5 to 1.5 | ≤ 0.97 | **no** |", table)
        self.assertIn("Test CPU", table)
        self.assertLess(table.index("| nginx |"), table.index("| tidegate |"), "cheapest first")


if __name__ == "__main__":
    unittest.main()
