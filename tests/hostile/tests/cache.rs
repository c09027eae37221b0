//! The cache of compiled code: what is not this host's own, whole and of this version is
//! compiled again, never loaded.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::path::PathBuf;

use common::probe;
use hmac::{Hmac, KeyInit as _, Mac as _};
use semper_archive::DealState;
use semper_keeper::Keeper;
use semper_workbench::{Offered, Options, Workbench};
use sha2::Sha256;

/// The one file of the cache that belongs to this service, after a deal.
fn file_of(bench: &Workbench, offered: &Offered, before: &[PathBuf]) -> PathBuf {
    let (_, row) = bench.run(offered);
    assert_eq!(row.state, DealState::Withdrawn, "{}", row.note);
    let new: Vec<PathBuf> =
        files(bench).into_iter().filter(|file| !before.contains(file)).collect();
    let [file] = new.as_slice() else { panic!("{new:?}") };
    file.clone()
}

fn files(bench: &Workbench) -> Vec<PathBuf> {
    let folder = bench.home.join("cache");
    let Ok(entries) = folder.read_dir() else { return Vec::new() };
    entries
        .map(|it| it.unwrap().path())
        .filter(|it| it.extension() == Some("code".as_ref()))
        .collect()
}

/// A file of the cache with a MAC under this key.
fn sealed(key: &str, name: &str, code: &[u8]) -> Vec<u8> {
    let key = semper_base::Digest::from_hex(key).unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap();
    mac.update(&(name.len() as u64).to_be_bytes());
    mac.update(name.as_bytes());
    mac.update(code);
    [b"semper-code-v1\n", mac.finalize().into_bytes().as_slice(), code].concat()
}

/// Machine code that says it was made by another version of wasmtime.
fn versioned(code: &[u8]) -> Vec<u8> {
    // As it stands in the code: two letters, the major version.
    let version = [2, b'4', b'8'];
    let at = code.windows(version.len()).position(|it| it == version).unwrap();
    let mut other = code.to_vec();
    other[at + 2] = b'7';
    other
}

/// A service whose component differs from the probe's by a custom section alone.
fn other(offered: &Offered) -> Offered {
    let mut other = offered.clone();
    other.component.extend([0, 3, 1, b'x', 7]);
    other
}

#[test]
fn files_that_were_changed_in_any_way_are_compiled_again() {
    let offered = probe("note hello\nwithdraw");
    let mut bench = Workbench::new(Options::default());
    let file = file_of(&bench, &offered, &[]);
    let second = file_of(&bench, &other(&offered), std::slice::from_ref(&file));
    let (good, swapped) = (std::fs::read(&file).unwrap(), std::fs::read(&second).unwrap());
    assert_ne!(good, swapped);

    let flipped = |at: usize| {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        bytes
    };
    let middle = good.len() / 2;
    // What another version of wasmtime wrote under this very key: its MAC is right.
    let key = std::fs::read_to_string(bench.home.join("cache.key")).unwrap();
    let name = format!("cache/{}", file.file_name().unwrap().to_str().unwrap());
    let foreign = sealed(key.trim(), &name, &versioned(&good[47..]));
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("swapped with another component's", swapped),
        ("empty", Vec::new()),
        ("cut off", good[..middle].to_vec()),
        ("cut off in the MAC", good[..20].to_vec()),
        ("longer", [good.as_slice(), &[0]].concat()),
        ("one bit in the head", flipped(3)),
        ("one bit in the MAC", flipped(20)),
        ("one bit in the code", flipped(middle)),
        ("one bit at the end", flipped(good.len() - 1)),
        ("machine code without a MAC", good[47..].to_vec()),
        ("noise", vec![7; 100_000]),
        ("of another version", foreign),
    ];
    for (name, bytes) in cases {
        std::fs::write(&file, &bytes).unwrap();
        bench = bench.restart();
        let (_, row) = bench.run(&offered);
        assert_eq!(row.state, DealState::Withdrawn, "{name}: {}", row.note);
        // Compiled again, and written again as it was.
        assert!(std::fs::read(&file).unwrap() == good, "{name}: the file was not made anew");
    }
    // Left alone, it is not written again.
    let made = file.metadata().unwrap().modified().unwrap();
    bench = bench.restart();
    bench.run(&offered);
    assert_eq!(file.metadata().unwrap().modified().unwrap(), made);

    // Another key, another cache: nothing that was there counts any more.
    std::fs::write(bench.home.join("cache.key"), "ab".repeat(32)).unwrap();
    bench = bench.restart();
    let (_, row) = bench.run(&offered);
    assert_eq!(row.state, DealState::Withdrawn, "{}", row.note);
    assert_ne!(std::fs::read(&file).unwrap(), good);
}

#[test]
fn a_cache_that_cannot_be_written_costs_time_and_nothing_else() {
    let bench = Workbench::new(Options::default());
    // A file where the folder should be.
    std::fs::write(bench.home.join("cache"), "in the way").unwrap();
    let (_, row) = bench.run(&probe("note hello\nwithdraw"));
    assert_eq!(row.state, DealState::Withdrawn, "{}", row.note);
}

#[test]
fn terms_are_compiled_before_the_first_deal() {
    let bench = Workbench::new(Options::default());
    let terms = bench.terms(&probe("note hello\nwithdraw"));
    assert_eq!(files(&bench).len(), 0);
    let preparing = bench.host.prepare(&terms, semper_items::Side::Buyer, &Keeper::new("test"));
    preparing.join().unwrap().unwrap();
    assert_eq!(files(&bench).len(), 1);
}
