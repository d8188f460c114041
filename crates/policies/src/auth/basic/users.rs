//! The file of users: lines of a name and a hash. Hashes that can be tried by the billion are refused: whoever reads the
//! file would have the passwords.

use std::collections::HashMap;
use std::sync::Arc;
use tidegate_core::identity::Consumer;

/// Most users of a file.
const USERS_MAX: usize = 10_000;

/// Least cost of bcrypt, as OWASP has it: some 50 ms. `htpasswd -B` takes 5 unless told, which is 2 ms.
const BCRYPT_COST_MIN: u32 = 10;
/// Most: some 2 s, for which a thread is taken.
const BCRYPT_COST_MAX: u32 = 15;
/// Least work of argon2id, in KiB times passes: the least of OWASP's choices (`m=7168,t=5`).
const ARGON_COST_MIN: u64 = 35_840;
/// Most: some seconds.
const ARGON_COST_MAX: u64 = 4 << 20;
/// Most memory that verifying a password takes, in KiB.
const ARGON_MEMORY_MAX: u64 = 256 << 10;

/// How a password is kept: by bcrypt (`$2b$…`, `$2y$…`, `$2a$…`), or by argon2id in the PHC form (`$argon2id$…`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hash {
    text: String,
    cost: u64,
    is_argon: bool,
}

/// The work of a hash of argon2id, in KiB times passes; more than there may be where it takes too much memory.
fn argon_cost(text: &str) -> Option<u64> {
    let hash = argon2::PasswordHash::new(text).ok()?;
    let number = |name: &str| -> Option<u64> { hash.params.get_decimal(name).map(u64::from) };
    let (memory, passes) = (number("m")?, number("t")?);
    let is_whole = hash.salt.is_some() && hash.hash.is_some();
    is_whole.then(|| if memory > ARGON_MEMORY_MAX { u64::MAX } else { memory * passes })
}

impl Hash {
    /// Reads a hash.
    ///
    /// Errors: why it is none, as a phrase.
    fn read(text: &str) -> Result<Hash, &'static str> {
        if ["$2b$", "$2y$", "$2a$"].iter().any(|begin| text.starts_with(begin)) {
            let parts = text.parse::<bcrypt::HashParts>().map_err(|_| "is not a bcrypt hash")?;
            return match parts.get_cost() {
                0..BCRYPT_COST_MIN => {
                    Err("has a bcrypt cost below 10, and could be guessed: `htpasswd -B -C 12`")
                }
                BCRYPT_COST_MIN..=BCRYPT_COST_MAX => {
                    Ok(Hash { text: text.to_owned(), cost: 1 << parts.get_cost(), is_argon: false })
                }
                _ => Err("has a bcrypt cost above 15: each try would take seconds"),
            };
        }
        if text.starts_with("$argon2id$") {
            let cost = argon_cost(text).ok_or("is not an argon2 hash")?;
            return match cost {
                0..ARGON_COST_MIN => {
                    Err("has a cost of argon2 that is too small, and could be guessed: `m=19456,t=2`")
                }
                ARGON_COST_MIN..=ARGON_COST_MAX => {
                    // A pass over 1 KiB takes about as long as a quarter of a round of bcrypt.
                    Ok(Hash { text: text.to_owned(), cost: cost / 4, is_argon: true })
                }
                _ => Err(
                    "has a cost of argon2 that is too large: each try would take seconds, and much memory",
                ),
            };
        }
        Err(
            "is not kept by bcrypt or argon2id, and could be guessed by who reads the file: `htpasswd -B -C 12`",
        )
    }

    /// How much work it is to try a password, in rounds of bcrypt.
    pub(super) fn cost(&self) -> u64 {
        self.cost
    }

    /// Whether it is of this password. Slow by design: 50 ms and more.
    pub(super) fn is_of(&self, password: &[u8]) -> bool {
        use argon2::PasswordVerifier;
        match self.is_argon {
            false => bcrypt::verify(password, &self.text).unwrap_or(false),
            true => argon2::PasswordHash::new(&self.text)
                .is_ok_and(|hash| argon2::Argon2::default().verify_password(password, &hash).is_ok()),
        }
    }
}

/// Somebody with a password.
#[derive(Debug)]
pub(super) struct User {
    pub(super) consumer: Consumer,
    pub(super) hash: Arc<Hash>,
}

/// Reads a file of users.
///
/// Errors: everything that is wrong, each a phrase after the file's name. Hashes are not in them.
pub(super) fn read(text: &str) -> Result<HashMap<String, User>, Vec<String>> {
    let mut users = HashMap::new();
    let mut wrong = Vec::new();
    for (number, line) in text.lines().enumerate().map(|(index, line)| (index + 1, line.trim())) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let Some((name, hash)) = line.split_once(':') else {
            wrong.push(format!("line {number} is not `name:hash`"));
            continue;
        };
        let Some(consumer) = Consumer::new(name) else {
            wrong.push(format!("line {number} has a name that a consumer cannot have"));
            continue;
        };
        match Hash::read(hash) {
            Err(why) => wrong.push(format!("line {number}: the password of `{name}` {why}")),
            Ok(hash) => {
                let user = User { consumer, hash: Arc::new(hash) };
                if users.insert(name.to_owned(), user).is_some() {
                    wrong.push(format!("line {number}: `{name}` is there twice"));
                }
            }
        }
    }
    if wrong.is_empty() && users.is_empty() {
        wrong.push(String::from("has no users"));
    }
    if users.len() > USERS_MAX {
        wrong.push(format!("has more than {USERS_MAX} users"));
    }
    if wrong.is_empty() { Ok(users) } else { Err(wrong) }
}
