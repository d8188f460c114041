"""The open-loop client against a server that misbehaves on purpose: every fault is seen, and counted as what it is."""

import socket
import threading
import unittest

from bench.openloop import OpenLoop

WHOLE = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx-backend: one\r\n\r\nok"


class Server:
    """Answers every request with the pieces that `answer(number)` gives; an empty piece closes the connection."""

    def __init__(self, answer):
        self.answer = answer
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.number = 0
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        with connection:
            while connection.recv(4096):
                self.number += 1
                for piece in self.answer(self.number):
                    if not piece:
                        return
                    connection.sendall(piece)


def drive(answer, rate=200, seconds=0.5):
    server = Server(answer)
    try:
        return OpenLoop(server.port, rate).run(seconds)
    finally:
        server.listener.close()


class Faults(unittest.TestCase):
    def check(self, answer, **expected):
        tally = drive(answer)
        kinds = ("answered", "unanswered", "cut", "refused", "late")
        self.assertEqual(tally.sent, 100)
        self.assertEqual(
            {kind: getattr(tally, kind) for kind in kinds}, {**dict.fromkeys(kinds, 0), **expected}, tally.problems
        )
        return tally

    def test_whole_answers_are_counted_with_latency_and_backend(self):
        tally = self.check(lambda number: [WHOLE], answered=100)
        self.assertEqual((len(tally.latencies_ms), len(tally.by_backend["one"])), (100, 100))
        self.assertEqual(tally.problems, [])

    def test_an_answer_in_pieces_is_one_answer(self):
        self.check(lambda number: [WHOLE[:10], WHOLE[10:50], WHOLE[50:]], answered=100)

    def test_a_close_before_the_answer_is_unanswered(self):
        self.check(lambda number: [b""] if number % 10 == 0 else [WHOLE], answered=90, unanswered=10)

    def test_a_close_inside_the_answer_is_cut(self):
        self.check(lambda number: [WHOLE[:-1], b""] if number % 10 == 0 else [WHOLE], answered=90, cut=10)

    def test_another_status_is_refused(self):
        bad = b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n"
        self.check(lambda number: [bad] if number % 10 == 0 else [WHOLE], answered=90, refused=10)

    def test_a_polite_close_is_no_fault(self):
        last = WHOLE.replace(b"x-backend", b"connection: close\r\nx-backend")
        self.check(lambda number: [last, b""] if number % 10 == 0 else [WHOLE], answered=100)

    def test_nobody_listening_is_unanswered(self):
        with socket.create_server(("127.0.0.1", 0)) as closed:
            port = closed.getsockname()[1]
        tally = OpenLoop(port, 200).run(0.1)
        self.assertEqual((tally.sent, tally.unanswered), (20, 20))

    def test_latency_counts_from_the_schedule_when_the_server_stalls(self):
        pause = threading.Event()

        def stalling(number):
            if number == 10:
                pause.wait(0.2)
            return [WHOLE]

        tally = self.check(stalling, answered=100)
        self.assertGreaterEqual(max(tally.latencies_ms), 200)


if __name__ == "__main__":
    unittest.main()
