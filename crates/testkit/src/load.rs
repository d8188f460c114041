//! Load at a given rate, whatever the answers do: each request has its moment and is late rather than left
//! out, and its time counts from that moment.

use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::connection::{Connection, How, Lost};

/// Where, how much, how long.
#[derive(Clone, Debug)]
pub struct Load {
    /// Who is asked.
    pub address: SocketAddr,
    /// The request; its method is the first word.
    pub request: Vec<u8>,
    /// Requests a second, over all connections.
    pub rate: usize,
    /// How long.
    pub time: Duration,
    /// Kept connections, a thread each.
    pub connections: usize,
}

/// What became of one request.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its moment, from the start of the load.
    pub at: Duration,
    /// From its moment until the whole answer.
    pub took: Duration,
    /// Its status and body, or how the answer was lost and what had come of it.
    pub outcome: Result<(u16, Vec<u8>), Lost>,
}

impl Answer {
    /// Whether no answer came although none had begun, or the answer was an error of a server.
    pub fn is_failed_unbegun(&self) -> bool {
        match &self.outcome {
            Ok((status, _)) => *status >= 500,
            Err(lost) => lost.partial.is_empty(),
        }
    }
}

impl Load {
    /// Runs it to the end. Answers come back in no particular order.
    ///
    /// # Panics
    /// When a thread of the load itself does.
    pub fn run(&self) -> Vec<Answer> {
        let start = Instant::now();
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..self.connections)
                .map(|number| scope.spawn(move || self.run_one(start, number)))
                .collect();
            threads.into_iter().flat_map(|thread| thread.join().expect("a load thread")).collect()
        })
    }

    fn run_one(&self, start: Instant, number: usize) -> Vec<Answer> {
        let total = (self.rate as f64 * self.time.as_secs_f64()) as usize;
        let method = self.request.split(|&b| b == b' ').next().unwrap_or_default();
        let method = String::from_utf8_lossy(method);
        let mut connection = None;
        let mut answers = Vec::new();
        for index in (number..total).step_by(self.connections) {
            let at = Duration::from_secs_f64(index as f64 / self.rate as f64);
            std::thread::sleep(at.saturating_sub(start.elapsed()));
            let outcome = self.ask(&mut connection, &method);
            answers.push(Answer { at, took: start.elapsed().saturating_sub(at), outcome });
        }
        answers
    }

    fn ask(&self, kept: &mut Option<Connection>, method: &str) -> Result<(u16, Vec<u8>), Lost> {
        let mut connection = match kept.take() {
            Some(connection) => connection,
            None => match TcpStream::connect(self.address) {
                Ok(stream) => Connection::of(stream),
                Err(_) => return Err(Lost { how: How::Reset, partial: Vec::new() }),
            },
        };
        let (_, response) = connection.send(&self.request).final_response(method)?;
        if !response.says_close() {
            *kept = Some(connection);
        }
        Ok((response.status(), response.body))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::{Act, OK, RawBackend};
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn load(address: SocketAddr) -> Load {
        let request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec();
        Load { address, request, rate: 500, time: Duration::from_millis(400), connections: 4 }
    }

    #[test]
    fn every_request_of_the_rate_is_asked_and_answered() {
        let backend = RawBackend::answering(OK);
        let answers = load(backend.address).run();
        assert_eq!(answers.len(), 200);
        assert!(answers.iter().all(|answer| answer.outcome == Ok((200, b"ok".to_vec()))));
        assert_eq!(backend.connections(), 4);
        assert_eq!(backend.take_arrivals().len(), 200);
    }

    #[test]
    fn failures_are_told_by_whether_an_answer_had_begun() {
        let count = AtomicUsize::new(0);
        let backend = RawBackend::by_request(move |_| match count.fetch_add(1, Ordering::SeqCst) % 4 {
            0 => vec![Act::Close],
            1 => vec![Act::Send(OK[..20].to_vec()), Act::Close],
            2 => vec![Act::Send(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n".to_vec())],
            _ => vec![Act::Send(OK.to_vec())],
        });
        let answers = load(backend.address).run();
        assert_eq!(answers.iter().filter(|answer| answer.is_failed_unbegun()).count(), 100);
        assert_eq!(answers.iter().filter(|answer| answer.outcome.is_err()).count(), 100);
    }
}
