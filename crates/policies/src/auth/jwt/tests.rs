//! Tokens of a real issuer, each wrong in one way, and key sets as they should not be.

use super::issuer::Published;
use super::keys::Keys;
use super::seen::Seen;
use super::token::{Fault, Good, Rules, judge};
use std::sync::{Arc, LazyLock};
use tidegate_core::clock::{self, Nanos};
use tidegate_core::document::Reader;
use tidegate_testkit::Issuer;
use tidegate_testkit::issuer::text;

/// The moment at which all tokens are judged.
const NOW: u64 = 1_800_000_000;

static ED: LazyLock<Issuer> = LazyLock::new(|| Issuer::new("ed", "EdDSA"));
static RSA: LazyLock<Issuer> = LazyLock::new(|| Issuer::new("rsa", "RS256"));

fn rules() -> Rules {
    Rules {
        entry: "idp".into(),
        issuer: Some("https://idp".into()),
        audience: vec!["api".into(), "web".into()],
        consumer: "sub".into(),
        require: Vec::new(),
        leeway_s: 60,
    }
}

fn set(keys: &[String]) -> Keys {
    parsed(keys).unwrap_or_else(|why| panic!("{why}"))
}

fn parsed(keys: &[String]) -> Result<Keys, String> {
    Keys::parse(format!(r#"{{"keys":[{}]}}"#, keys.join(",")).as_bytes(), None)
}

fn both() -> Keys {
    set(&[ED.jwk(), RSA.jwk()])
}

/// What comes of a token: the consumer, or the code of the reason.
fn check(token: &str, keys: &Keys, rules: &Rules) -> Result<String, &'static str> {
    match judge(token, keys, rules, NOW) {
        Ok(good) => Ok(good.identity.consumer.as_str().to_owned()),
        Err(Fault::Refused(reason) | Fault::Forbidden(reason)) => Err(reason.code),
    }
}

/// Good claims, one of which is given anew or, with `null`, taken away.
fn claims(changed: &str, value: &str) -> String {
    let usual = [("sub", "\"web\""), ("iss", "\"https://idp\""), ("aud", "\"api\""), ("exp", "1800000100")];
    let mut all: Vec<(&str, &str)> = usual.into_iter().filter(|(name, _)| *name != changed).collect();
    if value != "null" {
        all.push((changed, value));
    }
    let all: Vec<String> = all.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    format!("{{{}}}", all.join(","))
}

#[test]
fn claims_count_as_they_are_meant_and_no_other_way() {
    let good = [
        ("exp", "1799999941"),
        ("exp", "1799999941.5"),
        ("nbf", "1800000060"),
        ("iat", "1799999999.25"),
        ("aud", "[\"other\",\"web\"]"),
        ("x", "{\"a\":[1,null]}"),
    ];
    for (name, value) in good {
        assert_eq!(
            check(&ED.token(&claims(name, value)), &both(), &rules()),
            Ok("web".into()),
            "{name} {value}"
        );
    }
    let bad = [
        ("exp", "null", "no_expiry"),
        ("exp", "1799999940", "expired"),
        ("exp", "\"1900000000\"", "claim"),
        ("exp", "-1", "claim"),
        ("exp", "1e300", "claim"),
        ("exp", "1900000000000", "claim"),
        ("exp", "[1900000000]", "claim"),
        ("exp", "true", "claim"),
        ("nbf", "1800000061", "early"),
        ("nbf", "\"99999999999\"", "claim"),
        ("iat", "1800000061", "early"),
        ("iat", "\"now\"", "claim"),
        ("iss", "null", "issuer"),
        ("iss", "\"https://idp/\"", "issuer"),
        ("iss", "[\"https://idp\"]", "claim"),
        ("aud", "null", "audience"),
        ("aud", "\"api2\"", "audience"),
        ("aud", "\"API\"", "audience"),
        ("aud", "[]", "audience"),
        ("aud", "[\"api\",1]", "claim"),
        ("aud", "{\"api\":1}", "claim"),
        ("sub", "null", "consumer"),
        ("sub", "1", "consumer"),
        ("sub", "\"a\\r\\nx: y\"", "consumer"),
        ("sub", "\"\"", "consumer"),
        ("scope", "1", "claim"),
        ("scp", "[1]", "claim"),
    ];
    for (name, value, code) in bad {
        assert_eq!(check(&ED.token(&claims(name, value)), &both(), &rules()), Err(code), "{name} {value}");
    }
    for twice in [r#""exp":1800000100,"exp":1"#, r#""sub":"a","su\u0062":"b""#] {
        let claims = format!(r#"{{"iss":"https://idp","aud":"api","exp":1800000100,{twice}}}"#);
        assert_eq!(check(&ED.token(&claims), &both(), &rules()), Err("malformed"), "{twice}");
    }
}

#[test]
fn who_names_no_audience_takes_no_token_that_is_for_somebody() {
    let rules = Rules { audience: Vec::new(), issuer: None, ..rules() };
    assert_eq!(check(&ED.token(&claims("aud", "null")), &both(), &rules), Ok("web".into()));
    assert_eq!(check(&ED.token(&claims("aud", "\"api\"")), &both(), &rules), Err("audience"));
}

#[test]
fn the_key_says_how_a_token_is_signed_and_the_header_cannot() {
    let claims = claims("", "null");
    let header = |alg: &str, more: &str| format!(r#"{{"alg":"{alg}"{more}}}"#);
    for alg in ["none", "None", "", "HS256", "HS384", "HS512", "rs256", "ES512", "RS1", "EdDSA "] {
        let token = RSA.token_with(&header(alg, r#","kid":"rsa""#), &claims);
        assert_eq!(check(&token, &both(), &rules()), Err("algorithm"), "{alg}");
    }
    for alg in ["RS384", "PS256", "ES256", "EdDSA"] {
        let token = RSA.token_with(&header(alg, r#","kid":"rsa""#), &claims);
        assert_eq!(check(&token, &both(), &rules()), Err("unknown_key"), "{alg}");
    }
    for more in [
        r#","crit":["exp"]"#,
        r#","crit":[]"#,
        r#","b64":false"#,
        r#","jku":"https://evil""#,
        r#","x5u":"https://evil""#,
        r#","x5c":[]"#,
        r#","jwk":{}"#,
        r#","zip":"DEF""#,
        r#","kid":1"#,
        r#","kid":null"#,
    ] {
        let token = RSA.token_with(&header("RS256", more), &claims);
        assert_eq!(check(&token, &both(), &rules()), Err("header"), "{more}");
    }
    for header in ["{}", r#"{"alg":1}"#, r#"{"alg":["RS256"]}"#] {
        assert_eq!(check(&RSA.token_with(header, &claims), &both(), &rules()), Err("header"), "{header}");
    }
    let spaced = RSA.token_with("{ \"alg\" :\n\t\"RS256\" , \"kid\":\"rsa\" }", &claims);
    assert_eq!(check(&spaced, &both(), &rules()), Ok("web".into()), "blanks in JSON are no one's fault");
    for header in ["", "[]", "1", r#"{"alg":"RS256","alg":"none"}"#, r#"{"alg":"RS256"} x"#, "\u{feff}{}"] {
        assert_eq!(check(&RSA.token_with(header, &claims), &both(), &rules()), Err("malformed"), "{header}");
    }
}

#[test]
fn a_key_is_found_by_its_id_and_without_one_among_all() {
    let claims = claims("", "null");
    let with = |id: &str| RSA.token_with(&format!(r#"{{"alg":"RS256"{id}}}"#), &claims);
    assert_eq!(check(&with(""), &both(), &rules()), Ok("web".into()));
    assert_eq!(check(&with(r#","kid":"rsa""#), &both(), &rules()), Ok("web".into()));
    assert_eq!(check(&with(r#","kid":"RSA""#), &both(), &rules()), Err("unknown_key"));
    assert_eq!(check(&with(r#","kid":"../../dev/null""#), &both(), &rules()), Err("unknown_key"));
    let nameless = set(&[format!("{{{}}}", RSA.numbers())]);
    assert_eq!(check(&with(r#","kid":"any""#), &nameless, &rules()), Ok("web".into()));
    let other = Issuer::new("rsa", "RS256");
    assert_eq!(check(&with(r#","kid":"rsa""#), &set(&[other.jwk()]), &rules()), Err("signature"));
}

#[test]
fn every_algorithm_verifies_its_own_signatures() {
    for alg in ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"] {
        let issuer = Issuer::new("k", alg);
        let token = issuer.token(&claims("", "null"));
        let keys = set(&[issuer.jwk()]);
        assert_eq!(check(&token, &keys, &rules()), Ok("web".into()), "{alg}");
        let (signed, _) = token.rsplit_once('.').unwrap();
        let signature = issuer.sign(signed.as_bytes());
        let zeros = vec![0; signature.len()];
        let longer = [&signature[..], b"\0"].concat();
        for bad in [&zeros[..], &longer, &signature[1..], &signature[..signature.len() - 1], b""] {
            let token = format!("{signed}.{}", text(bad));
            assert_eq!(check(&token, &keys, &rules()), Err("signature"), "{alg} {bad:?}");
        }
        for bit in 0..signature.len() {
            let mut other = signature.clone();
            other[bit] ^= 1 << (bit % 8);
            let token = format!("{signed}.{}", text(&other));
            assert_eq!(check(&token, &keys, &rules()), Err("signature"), "{alg} byte {bit}");
        }
    }
}

#[test]
fn a_token_is_three_parts_of_canonical_base64url() {
    let token = ED.token(&claims("", "null"));
    let parts: Vec<&str> = token.split('.').collect();
    let (head, body, signature) = (parts[0], parts[1], parts[2]);
    // 64 bytes leave two bits unused in the last character: another that differs in those alone.
    let stray = format!("{}{}", &signature[..85], if signature.ends_with('Q') { 'R' } else { 'B' });
    for bad in [
        format!("{head}.{body}"),
        format!("{head}.{body}.{signature}."),
        format!(".{head}.{body}.{signature}"),
        format!("{head}.{body}.{signature}.{signature}"),
        format!("{head}.{body}.{signature}=="),
        format!("{head}=.{body}.{signature}"),
        format!("{head}.{body}.{stray}"),
        format!("{head}.{body}. {signature}"),
        format!("{head}.{body}.{}", signature.replacen(char::is_alphanumeric, "+", 1)),
        String::new(),
        "..".into(),
    ] {
        assert_eq!(check(&bad, &both(), &rules()), Err("malformed"), "{bad}");
    }
    assert_eq!(check(&format!("{token}{}", "A".repeat(8192)), &both(), &rules()), Err("too_long"));
    assert_eq!(check(&format!("{head}.{body}."), &both(), &rules()), Err("signature"));
}

#[test]
fn required_claims_have_one_of_the_values() {
    let requiring = |claim: &str, values: &[&str]| Rules {
        require: vec![(claim.into(), values.iter().map(|value| value.to_string()).collect())],
        ..rules()
    };
    let cases = [
        ("scope", "\"a b\"", "scope", &["b"][..], Ok("web".to_owned())),
        ("scope", "\"a b\"", "scope", &["c", "a"], Ok("web".into())),
        ("scp", "[\"a\"]", "scope", &["a"], Ok("web".into())),
        ("scope", "\"ab\"", "scope", &["a"], Err("scope")),
        ("scope", "null", "scope", &["a"], Err("scope")),
        ("roles", "[\"x\",\"y\"]", "roles", &["y"], Ok("web".into())),
        ("tier", "3", "tier", &["3"], Ok("web".into())),
        ("tier", "9007199254740993", "tier", &["9007199254740992"], Err("claim")),
        ("tier", "9007199254740993", "tier", &["9007199254740993"], Ok("web".into())),
        ("mail", "true", "mail", &["true"], Ok("web".into())),
        ("mail", "false", "mail", &["true"], Err("claim")),
        ("roles", "{\"y\":1}", "roles", &["y"], Err("claim")),
        ("roles", "null", "roles", &["y"], Err("claim")),
    ];
    for (name, value, claim, values, expected) in cases {
        let token = ED.token(&claims(name, value));
        assert_eq!(check(&token, &both(), &requiring(claim, values)), expected, "{name} {value} {values:?}");
    }
}

#[test]
fn sets_of_keys_are_taken_whole_or_not() {
    let key = |members: &str| format!("{{{members}}}");
    let ed = ED.numbers();
    let short = r#""kty":"RSA","e":"AQAB","n":"sXchDaQebHnPiGvyDOAT4saGEUetSyo9MKLOoWFsueri23bOdgWp4Dy1WlUzewbgBHod5pcM9H95GQRV3JDXboIRROSBigeC5yjU1hGzHHyXss8UDprecbAYxknTcQkhslANGRUZmdTOQ5qTRsLAt6BTYuyvVRdhS8exSZEy_c4""#;
    let one = text(&[&[0; 31][..], &[1]].concat());
    let bad = [
        (vec![ED.jwk(), ED.jwk()], "has the `kid` of an earlier one"),
        (vec![key(r#""kty":"oct","k":"AAAA""#)], "shared secret"),
        (vec![key(&format!(r#"{ed},"d":"AAAA""#))], "private key"),
        (vec![key(short)], "1024"),
        (vec![key(&format!(r#"{ed},"use":"enc""#))], "no key that could be used"),
        (vec![key(&format!(r#"{ed},"key_ops":["sign"]"#))], "no key that could be used"),
        (vec![key(&format!(r#"{ed},"alg":"RS256""#))], "cannot serve RS256"),
        (vec![key(&format!(r#"{ed},"alg":"HS256""#))], "no key that could be used"),
        (vec![key(&format!(r#"{ed},"kty":"OKP""#))], "member twice"),
        (vec![key(r#""kty":"EC","crv":"P-256","x":"AA","y":"AA""#)], "not of 32 bytes"),
        (vec![key(&format!(r#""kty":"EC","crv":"P-256","x":"{one}","y":"{one}""#))], "is not a key"),
        (vec![key(&format!(r#""kty":"EC","crv":"P-384","x":"{one}","y":"{one}""#))], "not of 48 bytes"),
        (vec![key(&format!(r#""kty":"RSA","crv":"P-256","x":"{one}","y":"{one}""#))], "has no `n`"),
        (vec![ED.jwk(), key(r#""kty":"oct","k":"AAAA""#)], "key 2: is a shared secret"),
        (vec![key(r#""kty":"OKP","crv":"Ed25519","x":"AA==""#)], "not base64url"),
        (vec![key(r#""kty":"OKP","crv":"Ed25519","x":"AA""#)], "is not a key"),
        (vec![key(r#""crv":"Ed25519""#)], "has no `kty`"),
        (vec![key(r#""kty":"new""#)], "no key that could be used"),
        (vec!["1".into()], "not a JSON object"),
        (vec![], "no key that could be used"),
        ((0..101).map(|_| key(&ed)).collect(), "more than 100"),
    ];
    for (keys, why) in bad {
        let told = parsed(&keys).err().unwrap_or_default();
        assert!(told.contains(why), "{keys:?}: {told}");
    }
    for (text, why) in
        [("", "is not JSON"), ("[]", "is not a JSON object"), (r#"{"keys":{}}"#, "no list `keys`")]
    {
        assert!(Keys::parse(text.as_bytes(), None).err().unwrap_or_default().contains(why), "{text}");
    }
    assert!(Keys::parse(&vec![b' '; (1 << 20) + 1], None).err().unwrap_or_default().contains("1 MiB"));
    // A key for something else, and one of a kind to come, do not spoil the rest.
    let others = [key(r#""kty":"new""#), key(&format!(r#"{ed},"use":"enc""#)), ED.jwk()];
    assert!(parsed(&others).is_ok());
}

/// How many keys can verify what `ED` signs, `None` if there are no keys; and what is told of the set.
fn published(publisher: &Published, set: &str, now: Nanos) -> (Option<bool>, Result<(), String>) {
    let said = publisher.read(&Arc::from(set.as_bytes()));
    let token = ED.token(&claims("", "null"));
    (publisher.trusted(now).map(|trusted| check(&token, &trusted.keys, &rules()).is_ok()), said)
}

#[test]
fn what_an_issuer_publishes_is_taken_key_by_key_and_what_it_takes_back_is_gone() {
    let publisher = Published::new(None);
    let day = |days: u64| Nanos(clock::exact().0 + days * 86_400_000_000_000 + 1_000_000_000);
    let list = |keys: &[String]| format!(r#"{{"keys":[{}]}}"#, keys.join(","));
    let told = |said: Result<(), String>, part: &str| {
        assert!(said.as_ref().is_err_and(|why| why.contains(part)), "{said:?}")
    };
    assert!(publisher.trusted(day(0)).is_none(), "nothing was read yet");
    assert_eq!(published(&publisher, &list(&[ED.jwk()]), day(0)), (Some(true), Ok(())));
    // A key that is wrong is left out, and told; the others count.
    let (found, said) =
        published(&publisher, &list(&[r#"{"kty":"oct","k":"AAAA"}"#.into(), ED.jwk()]), day(0));
    assert_eq!(found, Some(true));
    told(said, "key 1: is a shared secret");
    // Of two with one id neither counts.
    let other = Issuer::new("ed", "ES256").jwk();
    let (found, said) = published(&publisher, &list(&[other, ED.jwk(), RSA.jwk()]), day(0));
    assert_eq!(found, Some(false));
    told(said, "key 2: has the `kid` of an earlier one");
    // What cannot be read changes nothing, for a day.
    published(&publisher, &list(&[ED.jwk()]), day(0)).1.unwrap();
    for broken in ["<html>", "{}", r#"{"keys":1}"#] {
        let (found, said) = published(&publisher, broken, day(0));
        assert_eq!((found, said.is_err()), (Some(true), true), "{broken}");
    }
    assert!(publisher.trusted(day(1)).is_none(), "nobody knows what was taken back since");
    // An empty set takes all back.
    let (found, said) = published(&publisher, &list(&[]), day(0));
    assert_eq!(found, None);
    told(said, "no key");
}

#[test]
fn tokens_are_remembered_for_as_long_as_the_set_stays_the_same() {
    let publisher = Published::new(None);
    let set: Arc<[u8]> = format!(r#"{{"keys":[{}]}}"#, ED.jwk()).into_bytes().into();
    let trusted = || publisher.trusted(clock::exact()).unwrap();
    publisher.read(&set).unwrap();
    let first = trusted();
    publisher.read(&set).unwrap();
    assert!(Arc::ptr_eq(&first, &trusted()));
    publisher.read(&Arc::from(&*format!("{} ", std::str::from_utf8(&set).unwrap()).into_bytes())).unwrap();
    assert!(!Arc::ptr_eq(&first, &trusted()));
}

#[test]
fn objects_are_bounded_before_any_signature_is_verified() {
    let many = |count: usize| {
        let members: Vec<String> = (0..count).map(|number| format!(r#""{number}":1"#)).collect();
        format!(r#"{{"alg":"EdDSA","kid":"ed",{}}}"#, members.join(","))
    };
    let token = |count| ED.token_with(&many(count), &claims("", "null"));
    assert_eq!(check(&token(126), &both(), &rules()), Ok("web".into()));
    assert_eq!(check(&token(127), &both(), &rules()), Err("malformed"));
}

#[test]
fn tokens_seen_are_bounded_and_end_with_their_time() {
    let good = || match judge(&ED.token(&claims("", "null")), &both(), &rules(), NOW) {
        Ok(Good { identity, until }) => Good { identity, until },
        Err(fault) => panic!("{fault:?}"),
    };
    let seen = Seen::new();
    seen.keep("a", good());
    assert!(seen.find("a", NOW).is_some() && seen.find("b", NOW).is_none());
    assert!(seen.find("a", 1_800_000_159).is_some(), "until the leeway is over");
    assert!(seen.find("a", 1_800_000_160).is_none());
    (0..20_000).for_each(|number| seen.keep(&number.to_string(), good()));
    assert_eq!(seen.count(), 4096);
    assert!(seen.find("19999", NOW).is_some() && seen.find("0", NOW).is_none(), "the first goes first");
    let long = |number: u32| format!("{number}{}", "x".repeat(8000));
    (0..2_000).for_each(|number| seen.keep(&long(number), good()));
    let kept = (0..2_000).filter(|&number| seen.find(&long(number), NOW).is_some()).count();
    // 4 MiB of them at 8 KiB each: 512 at most, and nearly that.
    assert!(seen.count() < 4096 && (400..=512).contains(&kept), "{} of which {kept} are long", seen.count());
}
