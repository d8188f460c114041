//! Files of users and credentials as they come. Who is let in is tested through the gateway.

use super::decoded;
use super::users::read;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// `secret`, by the least cost there is.
fn bcrypted() -> String {
    bcrypt::hash("secret", 4).unwrap()
}

#[test]
fn users_with_safe_hashes_are_read_and_all_that_is_wrong_is_told() {
    let hash = bcrypted();
    let users = read(&format!("# people\n\nana:{hash}\nbob:{}\n", hash.replacen("$2b$", "$2y$", 1))).unwrap();
    assert_eq!(users.len(), 2);
    assert!(users["ana"].hash.is_of(b"secret") && users["bob"].hash.is_of(b"secret"));
    assert!(!users["ana"].hash.is_of(b"Secret") && !users["ana"].hash.is_of(b""));
    let argon = "$argon2id$v=19$m=32,t=2,p=1$c29tZXNhbHQ$7cAXlVZM5Cgb9AoDQlaTPrKCN8oGbN0jPfIDZBGyWZk";
    assert_eq!(read(&format!("eve:{argon}")).map(|users| users.len()), Ok(1));
    let text = format!(
        "ana:{hash}\nana:{hash}\nbob\neve:$apr1$x$y\nmal:plain\nhal:$2b$x\n a b:{hash}\n\u{fc}:{hash}"
    );
    let wrong = read(&text).unwrap_err();
    let begins = ["line 2: `ana`", "line 3 is", "line 4: the", "line 5: the", "line 6: the", "line 8 has"];
    assert_eq!(wrong.len(), begins.len(), "{wrong:#?}");
    for (said, begin) in wrong.iter().zip(begins) {
        assert!(said.starts_with(begin) && !said.contains("plain"), "{said}");
    }
    assert_eq!(read("# nobody\n").unwrap_err(), ["has no users"]);
}

#[test]
fn a_credential_is_a_name_without_a_colon_and_a_password_with_any() {
    let read = |text: &str| decoded(&STANDARD.encode(text));
    assert_eq!(read("ana:se:cret"), Some(("ana".into(), b"se:cret".to_vec())));
    assert_eq!(read("ana:"), Some(("ana".into(), Vec::new())));
    for text in ["", "ana", ":secret", "ana:se\0cret"] {
        assert_eq!(read(text), None, "{text:?}");
    }
    assert_eq!(decoded("not base64!"), None);
}
