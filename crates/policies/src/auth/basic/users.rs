//! The file of users: lines of a name and a hash. Hashes that can be tried by the billion are refused: whoever reads the
//! file would have the passwords.

use std::collections::HashMap;
use std::sync::Arc;
use tidegate_core::identity::Consumer;

/// Most users of a file.
const USERS_MAX: usize = 10_000;

/// How a password is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Hash {
    /// `$2b$…`, `$2y$…`, `$2a$…`.
    Bcrypt(String),
    /// `$argon2id$…`, in the PHC form.
    Argon2(String),
}

impl Hash {
    /// Reads a hash.
    ///
    /// Errors: why it is none, as a phrase.
    fn read(text: &str) -> Result<Hash, &'static str> {
        if ["$2b$", "$2y$", "$2a$"].iter().any(|begin| text.starts_with(begin)) {
            return match text.parse::<bcrypt::HashParts>() {
                Ok(_) => Ok(Hash::Bcrypt(text.to_owned())),
                Err(_) => Err("is not a bcrypt hash"),
            };
        }
        if text.starts_with("$argon2id$") {
            return match argon2::PasswordHash::new(text) {
                Ok(_) => Ok(Hash::Argon2(text.to_owned())),
                Err(_) => Err("is not an argon2 hash"),
            };
        }
        Err(
            "is not kept by bcrypt or argon2id, and could be guessed by who reads the file; `htpasswd -B` does it",
        )
    }

    /// Whether it is of this password. Slow by design: 50 ms and more.
    pub(super) fn is_of(&self, password: &[u8]) -> bool {
        use argon2::PasswordVerifier;
        match self {
            Hash::Bcrypt(hash) => bcrypt::verify(password, hash).unwrap_or(false),
            Hash::Argon2(hash) => argon2::PasswordHash::new(hash)
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
