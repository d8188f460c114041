//! Certificates that change while they are in use.

use super::{BIN, PATIENCE, s_client};
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::time::Duration;
use tidegate_testkit::Setup;
use tidegate_testkit::authority::{Authority, Kind};
use tidegate_testkit::gateway::await_true;
use tidegate_testkit::secure::{Dialer, Secure};

const HERE: &str = "services: {}\nroutes: [{ match: /**, to: { respond: { body: here } } }]";
/// Each takes about half a second to be seen. The benches do fifty.
const SWAPS: usize = 8;

fn ask(secure: &mut Secure) -> std::io::Result<()> {
    secure.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")?;
    let mut answer = Vec::new();
    while !answer.ends_with(b"here") {
        let mut room = [0; 1024];
        match secure.read(&mut room)? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            n => answer.extend_from_slice(&room[..n]),
        }
    }
    Ok(())
}

fn serial(address: SocketAddr) -> String {
    let text = s_client(address, &["-servername", "site.example", "-showcerts"]);
    text.split("-----END").next().unwrap_or_default().to_owned()
}

#[test]
fn renewed_certificates_are_shown_and_no_request_is_lost() {
    let authority = Arc::new(Authority::new());
    let entry = authority.pair("site", &["site.example"]).entry();
    let gateway = Setup::new(BIN)
        .listener_with(
            "https",
            &format!("limits: {{ requests: 1000000 }}, tls: {{ certificates: [{entry}] }}"),
        )
        .start(HERE);
    let address = gateway.listener("https");
    let (is_over, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let askers: Vec<_> = [true, true, false, false]
        .map(|is_kept| {
            let (authority, is_over, asked) = (authority.clone(), is_over.clone(), asked.clone());
            std::thread::spawn(move || {
                let dialer = Dialer::trusting(&authority);
                let mut kept = dialer.connect(address, "site.example", PATIENCE);
                while !is_over.load(Relaxed) {
                    if !is_kept {
                        kept = dialer.connect(address, "site.example", PATIENCE);
                    }
                    ask(&mut kept).expect("no request is lost");
                    asked.fetch_add(1, Relaxed);
                }
            })
        })
        .into_iter()
        .collect();
    for swap in 0..SWAPS {
        let (before, (taken, refused)) = (serial(address), gateway.reloads());
        authority.pair("site", &["site.example"]);
        await_true("it is taken", PATIENCE, || gateway.reloads().0 > taken);
        assert_ne!(serial(address), before, "swap {swap}");
        assert_eq!(gateway.reloads().1, refused, "a key without its certificate was seen");
    }
    is_over.store(true, Relaxed);
    for asker in askers {
        asker.join().expect("no request is lost");
    }
    assert!(asked.load(Relaxed) > 100);
    gateway.stop();
}

#[test]
fn a_pair_that_does_not_fit_changes_nothing_and_is_told() {
    let authority = Authority::new();
    let pair = authority.pair("site", &["site.example"]);
    let mut gateway = Setup::new(BIN)
        .listener_with("https", &format!("tls: {{ certificates: [{}] }}", pair.entry()))
        .start(HERE);
    gateway.announce("the configuration is not taken");
    gateway.announce("is not the key of the certificate");
    let address = gateway.listener("https");
    let before = serial(address);
    let other = authority.pair("other", &["site.example"]);
    std::fs::rename(&other.key, &pair.key).unwrap();
    await_true("it is refused", PATIENCE, || gateway.reloads().1 > 0);
    assert_eq!(serial(address), before);
    std::fs::rename(&other.cert, &pair.cert).unwrap();
    await_true("the pair is whole again", PATIENCE, || gateway.reloads().0 > 0);
    assert_ne!(serial(address), before);
    gateway.stop();
}

#[test]
fn a_folder_behind_a_link_is_swapped_as_kubernetes_does_it() {
    let authority = Authority::new();
    let folder = authority.folder();
    let put = |version: &str| {
        let pair = authority.pair("next", &["site.example"]);
        let place = folder.join(version);
        std::fs::create_dir(&place).unwrap();
        std::fs::rename(pair.cert, place.join("tls.crt")).unwrap();
        std::fs::rename(pair.key, place.join("tls.key")).unwrap();
        std::os::unix::fs::symlink(version, folder.join("..data_tmp")).unwrap();
        std::fs::rename(folder.join("..data_tmp"), folder.join("..data")).unwrap();
    };
    put("..1");
    let at = folder.join("..data");
    let entry = format!(
        "{{ cert: \"{}\", key: \"{}\" }}",
        at.join("tls.crt").display(),
        at.join("tls.key").display()
    );
    let gateway =
        Setup::new(BIN).listener_with("https", &format!("tls: {{ certificates: [{entry}] }}")).start(HERE);
    let address = gateway.listener("https");
    let before = serial(address);
    put("..2");
    await_true("it is seen", PATIENCE, || gateway.reloads().0 > 0);
    assert_ne!(serial(address), before);
    gateway.stop();
}

#[test]
fn an_expired_certificate_is_refused_where_it_can_be_mended_and_served_at_a_start() {
    let authority = Authority::new();
    let old = authority.pair_of("old", &["old.example"], Kind::P256, 2020);
    let mut gateway = Setup::new(BIN)
        .listener_with("https", &format!("tls: {{ certificates: [{}] }}", old.entry()))
        .start(HERE);
    gateway.announce("a certificate has expired");
    assert!(s_client(gateway.listener("https"), &[]).contains("CN = old\n"), "it is served");
    let validate = super::said(
        std::process::Command::new(BIN).arg("validate").arg(gateway.folder().join("tidegate.yaml")),
    );
    assert!(validate.contains("has expired: it was for `old.example`, until Thu, 31 Dec 2020"), "{validate}");
    gateway.reload(&gateway.configuration().replace("body: here", "body: there"));
    gateway.stop();
}

#[test]
fn a_certificate_that_ends_while_it_is_served_is_told_of_when_it_does() {
    let authority = Authority::new();
    let short = authority.pair_ending_in("short", &["short.example"], Duration::from_secs(3));
    let mut gateway = Setup::new(BIN)
        .listener_with("https", &format!("tls: {{ certificates: [{}] }}", short.entry()))
        .start(HERE);
    gateway.announce("a certificate ends soon").announce("a certificate has expired");
    let told = |what: &str| gateway.process().lines().iter().filter(|line| line.contains(what)).count();
    await_true("its end is told of", PATIENCE, || told("a certificate has expired") == 1);
    assert_eq!(told("a certificate ends soon"), 1);
    gateway.stop();
}

#[test]
fn wrong_files_are_told_of_together_each_at_its_place() {
    let authority = Authority::new();
    let folder = authority.folder();
    let (one, other) = (authority.pair("one", &["a.example"]), authority.pair("other", &["b.example"]));
    authority.pair("twin", &["a.example"]);
    authority.pair_of("old", &["old.example"], Kind::P256, 2020);
    std::fs::write(folder.join("empty.pem"), "nothing\n").unwrap();
    std::fs::write(
        folder.join("locked.key"),
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAA==\n-----END ENCRYPTED PRIVATE KEY-----\n",
    )
    .unwrap();
    let text = "version: 1\nlisten:\n  https:\n    bind: 127.0.0.1:0\n    tls:\n      certificates:\n\
                - { cert: one.pem, key: one.key }\n- { cert: one.pem, key: other.key }\n\
                - { cert: empty.pem, key: one.key }\n- { cert: one.pem, key: empty.pem }\n\
                - { cert: one.pem, key: locked.key }\n- { cert: gone.pem, key: one.key }\n\
                - { cert: twin.pem, key: twin.key }\n- { cert: old.pem, key: old.key }\n\
                services: {}\nroutes: []\n";
    let text = text.replace("\n- ", "\n        - ");
    let file = folder.join("tidegate.yaml");
    std::fs::write(&file, text).unwrap();
    let said = super::said(std::process::Command::new(BIN).arg("validate").arg(&file).env("NO_COLOR", "1"));
    for (line, reason) in [
        ("8:33", "`other.key` is not the key of the certificate"),
        ("9:19", "`empty.pem` holds no certificate"),
        ("10:33", "`empty.pem` holds no private key"),
        ("11:33", "`locked.key` holds a key that needs a password"),
        ("12:19", "cannot read `gone.pem`: there is no such file"),
        ("13:19", "`twin.pem` is for `a.example`, which has one already, by line 7"),
        ("14:19", "`old.pem` has expired: it was for `old.example`, until Thu, 31 Dec 2020"),
    ] {
        assert!(said.contains(&format!("tidegate.yaml:{line}: {reason}")), "{line}: {reason}\n{said}");
    }
    assert!(!said.contains("tidegate.yaml:7:"), "{said}");
    assert!(one.cert.exists() && other.cert.exists());
}
