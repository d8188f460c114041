//! The two visitors a gateway is there for: a consumer that asks for too much, beside one that does not, and somebody
//! who tries to slip SQL into a query. Each visit is bounded and runs on a thread of its own; the load goes on beside it.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use tidegate_core::settings::Word;
use tidegate_policies::auth::api_key::key::{self, Digest};

use super::client::{Answer, Connection};

/// What one consumer may ask for in a second, as the configuration of the demo says it.
pub(super) const ALLOWED_PER_SECOND: u32 = 20;
/// What the greedy one asks for at once: three times as much.
const GREEDY_REQUESTS: u32 = 3 * ALLOWED_PER_SECOND;
/// What the other one asks for meanwhile.
const MODEST_REQUESTS: u32 = 5;
/// Where consumers ask.
const PARTNERS: &str = "/partners/7";
/// `/orders/1?id=1' OR '1'='1`.
const ATTACK: &str = "/orders/1?id=1%27%20OR%20%271%27%3D%271";

/// The keys of the two consumers.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    /// Of the one that asks for too much.
    pub(super) greedy: String,
    /// Of the other.
    pub(super) modest: String,
}

/// Makes a key for each, and the file that the gateway knows them by.
pub(super) fn hand_out(file: &Path) -> io::Result<Keys> {
    let mut text = String::from("keys:\n");
    let mut key = |consumer: &str| -> io::Result<String> {
        let key = key::make("demo").map_err(io::Error::other)?;
        let hash = Digest::of(&key).show();
        text += &format!("  - {{ id: {consumer}, consumer: {consumer}, hash: \"{hash}\" }}\n");
        Ok(key)
    };
    let keys = Keys { greedy: key("greedy")?, modest: key("modest")? };
    std::fs::write(file, text)?;
    Ok(keys)
}

/// What became of a visit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Visit {
    /// Of the greedy consumer's requests so many were answered and so many refused with 429; of the other's so many
    /// answered.
    Greedy {
        /// Answered.
        answered: u32,
        /// Refused.
        limited: u32,
        /// Answered of the other's.
        modest: u32,
        /// Of so many.
        modest_of: u32,
    },
    /// The attack got this status.
    Attack(u16),
}

/// Visits to a gateway.
pub(super) struct Visitors {
    gateway: SocketAddr,
    keys: Keys,
    under_way: Option<Receiver<io::Result<Visit>>>,
}

impl Visitors {
    pub(super) fn new(gateway: SocketAddr, keys: Keys) -> Visitors {
        Visitors { gateway, keys, under_way: None }
    }

    /// A consumer asks for too much.
    pub(super) fn greedy(&mut self) -> io::Result<()> {
        let (gateway, keys) = (self.gateway, self.keys.clone());
        self.begin(async move { greedy(gateway, &keys).await })
    }

    /// Somebody tries an injection.
    pub(super) fn attack(&mut self) -> io::Result<()> {
        let gateway = self.gateway;
        self.begin(async move {
            let answer = Connection::to(gateway).await?.get(ATTACK, "").await?;
            Ok(Visit::Attack(answer.status))
        })
    }

    fn begin(&mut self, visit: impl Future<Output = io::Result<Visit>> + Send + 'static) -> io::Result<()> {
        let (ends, ended) = sync_channel(1);
        std::thread::Builder::new().name("tidegate-visitor".into()).spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            // Nobody listens any more once the demo is over.
            let _ = ends.send(runtime.and_then(|runtime| runtime.block_on(visit)));
        })?;
        self.under_way = Some(ended);
        Ok(())
    }

    /// What came of the visit, once, when it is over. One that failed says nothing.
    pub(super) fn told(&mut self) -> Option<Visit> {
        let result = match self.under_way.as_ref()?.try_recv() {
            Err(TryRecvError::Empty) => return None,
            ended => ended.ok(),
        };
        self.under_way = None;
        result?.ok()
    }
}

/// The greedy one asks as fast as it is answered; the modest one in between.
async fn greedy(gateway: SocketAddr, keys: &Keys) -> io::Result<Visit> {
    let field = |key: &str| format!("x-api-key: {key}\r\n");
    let (mut answered, mut limited, mut modest) = (0, 0, 0);
    let mut greedy = Connection::to(gateway).await?;
    let mut other = Connection::to(gateway).await?;
    for number in 0..GREEDY_REQUESTS {
        match greedy.get(PARTNERS, &field(&keys.greedy)).await? {
            Answer { status: 200, .. } => answered += 1,
            Answer { status: 429, .. } => limited += 1,
            _ => {}
        }
        if number % (GREEDY_REQUESTS / MODEST_REQUESTS) == 0
            && other.get(PARTNERS, &field(&keys.modest)).await?.status == 200
        {
            modest += 1;
        }
    }
    Ok(Visit::Greedy { answered, limited, modest, modest_of: MODEST_REQUESTS })
}
