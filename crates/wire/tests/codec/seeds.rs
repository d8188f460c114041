//! The seeds of the fuzz targets are the cases of the tables, a file each. This keeps them so.
//! `TIDEGATE_WRITE_SEEDS=1 cargo test -p tidegate-wire --test codec seeds` writes what is missing.

use std::fs;
use std::path::Path;

use crate::{chunks, requests, requests_refused, responses};

/// Every case has its file in the corpus of its target.
fn check(target: &str, cases: Vec<(String, Vec<u8>)>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let is_writing = std::env::var_os("TIDEGATE_WRITE_SEEDS").is_some();
    if is_writing {
        fs::create_dir_all(&folder).unwrap();
    }
    let count = cases.len();
    let mut ids: Vec<_> = cases.iter().map(|(id, _)| id.clone()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), count, "every id of {target} is used once");
    for (id, bytes) in cases {
        let file = folder.join(&id);
        if is_writing {
            fs::write(&file, &bytes).unwrap();
        }
        let seed = fs::read(&file).unwrap_or_else(|error| panic!("seed {target}/{id}: {error}"));
        assert_eq!(seed, bytes, "seed {target}/{id} is not its case");
    }
}

#[test]
fn request_cases_are_seeds() {
    let taken = requests::TAKEN.iter().map(|&(id, bytes, ..)| (id.to_owned(), bytes.to_vec()));
    let refused = requests_refused::cases().into_iter().map(|(id, bytes, _)| (id, bytes));
    check("request_head", taken.chain(refused).collect());
}

#[test]
fn response_cases_are_seeds() {
    let taken = responses::TAKEN.iter().map(|&(id, _, bytes, ..)| (id.to_owned(), bytes.to_vec()));
    check("response_head", taken.chain(responses::refused()).collect());
}

#[test]
fn chunk_cases_are_seeds() {
    let taken = chunks::TAKEN.iter().map(|&(id, bytes, ..)| (id, bytes));
    let others = chunks::REFUSED.iter().chain(chunks::OPEN).copied();
    check("chunks", taken.chain(others).map(|(id, bytes)| (id.to_owned(), bytes.to_vec())).collect());
}
