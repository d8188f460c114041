//! Listeners as sslyze finds them: an opinion of what TLS should look like that is not ours, and not rustls's.

use super::{BIN, said};
use serde_json::value::RawValue;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::process::Command;
use tidegate_testkit::Setup;
use tidegate_testkit::authority::{Authority, Kind};
use tidegate_testkit::peers::venv;

/// What is told of a test's certificates and can be no better: nobody trusts their authority, and they last for
/// longer than public ones may.
const OF_A_TEST: [&str; 2] = ["certificate_path_validation", "maximum_certificate_lifespan"];

/// What sslyze looks for: the scan, what it says, and the one thing that may be.
const FINDINGS: [(&str, &str, &str); 7] = [
    ("openssl_ccs_injection", "is_vulnerable_to_ccs_injection", "false"),
    ("heartbleed", "is_vulnerable_to_heartbleed", "false"),
    ("robot", "robot_result", "\"NOT_VULNERABLE_RSA_NOT_SUPPORTED\""),
    ("tls_compression", "supports_compression", "false"),
    ("session_renegotiation", "is_vulnerable_to_client_renegotiation_dos", "false"),
    ("tls_1_1_cipher_suites", "is_tls_version_supported", "false"),
    ("tls_1_3_early_data", "supports_early_data", "false"),
];

/// An object of which only what is looked at is read: keys stand there as numbers that no type holds.
type Object<'a> = BTreeMap<&'a str, &'a RawValue>;

fn object(text: &RawValue) -> Object<'_> {
    serde_json::from_str(text.get()).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Holds a listener against one of Mozilla's configurations: what does not comply, beside `OF_A_TEST`.
fn complaints(
    address: SocketAddr,
    name: &str,
    configuration: &str,
    authority: &Authority,
) -> BTreeSet<String> {
    let program = venv().join("bin/sslyze");
    assert!(program.is_file(), "no {}: `scripts/test-needs` installs it", program.display());
    let found = authority.folder().join(format!("{name}.json"));
    let mut sslyze = Command::new(program);
    sslyze.args(["--sni", name, "--early_data", "--mozilla_config", configuration, "--json_out"]);
    let text = said(sslyze.arg(&found).arg(address.to_string()));
    let json = std::fs::read_to_string(&found).unwrap_or_else(|error| panic!("{error}: {text}"));
    let json: Object<'_> = serde_json::from_str(&json).expect("JSON");
    let servers: Vec<Object<'_>> = serde_json::from_str(json["server_scan_results"].get()).expect("a list");
    assert_eq!(servers[0]["scan_status"].get(), "\"COMPLETED\"", "{text}");
    let scans = object(servers[0]["scan_result"]);
    for (kind, scan) in &scans {
        assert_eq!(object(scan)["error_reason"].get(), "null", "{name}: {kind}: {scan}");
    }
    for (kind, finding, expected) in FINDINGS {
        let found = object(object(scans[kind])["result"])[finding].get();
        assert_eq!(found, expected, "{name}: {kind}: {finding}");
    }
    // Behind this line stands `OK - Compliant.`, or `FAILED - Not compliant.` and a line for each reason.
    let (_, verdict) = text.split_once("COMPLIANCE AGAINST TLS CONFIGURATION").expect("a verdict");
    assert!(verdict.contains("ompliant."), "{verdict}");
    let reasons = verdict.lines().filter_map(|line| line.trim().strip_prefix("* "));
    let reasons = reasons.filter(|reason| !OF_A_TEST.iter().any(|known| reason.starts_with(known)));
    reasons.map(str::to_owned).collect()
}

#[test]
fn a_listener_is_as_mozilla_has_it() {
    let authority = Authority::new();
    let ecdsa = authority.pair("ecdsa.example", &["ecdsa.example"]).entry();
    let rsa = authority.pair_of("rsa.example", &["rsa.example"], Kind::Rsa, 2126).entry();
    let gateway = Setup::new(BIN)
        .listener_with("https", &format!("tls: {{ certificates: [{ecdsa}, {rsa}] }}"))
        .listener_with("strict", &format!("tls: {{ certificates: [{ecdsa}], min_version: \"1.3\" }}"))
        .start("services: {}\nroutes: [{ match: /**, to: { respond: { body: here } } }]");
    let (https, strict) = (gateway.listener("https"), gateway.listener("strict"));
    let none = BTreeSet::new();
    assert_eq!(complaints(https, "ecdsa.example", "intermediate", &authority), none);
    assert_eq!(complaints(https, "rsa.example", "intermediate", &authority), none);
    assert_eq!(complaints(strict, "ecdsa.example", "modern", &authority), none);
    // That a scan can fail: the same listener speaks more than the stricter configuration has.
    assert!(
        complaints(https, "ecdsa.example", "modern", &authority)
            .iter()
            .any(|it| it.starts_with("tls_versions"))
    );
    gateway.stop();
}
