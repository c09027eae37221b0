//! The cache: what is there is not fetched again, what is spoilt is thrown away, and one that
//! cannot be used costs nothing but time.

use std::path::Path;
use std::sync::{Arc, Mutex};

use semper_base::Digest;
use semper_distribution::Options;
use semper_trust::Layout;
use semper_trust_tests::misbehaving::{Manners, Misbehaving, Told, lock};
use semper_trust_tests::server::{broken, reply};
use semper_trust_tests::{World, service_of};

fn component(layout: &Layout) -> Digest {
    layout.manifest(&service_of(layout)).unwrap().layers[1].digest
}

fn cached(folder: &Path) -> Options {
    Options { cache: Some(folder.to_owned()), ..Options::default() }
}

#[test]
fn a_spoilt_part_is_thrown_away_and_fetched_anew() {
    let world = World::new();
    let layout = world.bundle();
    let (digest, ranges) = (component(&layout), Arc::new(Mutex::new(Vec::new())));
    let bytes = layout.blob(&digest).unwrap().to_vec();
    let (seen, sent) = (Arc::clone(&ranges), bytes.clone());
    let registry = Misbehaving::new(Manners { api: true, ..Manners::default() }, move |_, it| {
        if !it.path.ends_with(&digest.to_string()) || it.method != "GET" {
            return None;
        }
        let range = it.headers.get("range").map(|it| it.to_str().unwrap().to_owned());
        lock(&seen).push(range.clone());
        let from = range?.trim_start_matches("bytes=").trim_end_matches('-').parse().ok()?;
        let rest = sent.get(from..).filter(|it: &&[u8]| !it.is_empty());
        Some(rest.map_or_else(|| reply(416, &[], ""), |it| reply(206, &[], it.to_vec())))
    });
    registry.push(&layout, "current").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(digest.hex());
    let half = format!("bytes={}-", bytes.len() / 2);
    let ends = [&b"xxxx"[..], &bytes[4..]].concat();
    for (there, asked) in [
        // Its beginning, as a break has left it.
        (bytes[..bytes.len() / 2].to_vec(), vec![Some(half.clone())]),
        // Something else of that length.
        (vec![b'x'; bytes.len() / 2], vec![Some(half), None]),
        // The right length, and other bytes.
        (ends, vec![None]),
        // More than there is.
        ([bytes.as_slice(), b"more"].concat(), vec![]),
        // All of it.
        (bytes.clone(), vec![]),
    ] {
        std::fs::write(&file, &there).unwrap();
        lock(&ranges).clear();
        let pulled = registry.pull_with("current", cached(folder.path()), &()).unwrap();
        assert_eq!(pulled.blob(&digest).unwrap(), bytes);
        assert_eq!(*lock(&ranges), asked);
    }
    assert_eq!(std::fs::read(&file).unwrap(), bytes);
}

#[test]
fn a_cache_that_cannot_be_used_is_done_without() {
    let world = World::new();
    let layout = world.bundle();
    let registry = Misbehaving::good(Manners { api: true, ..Manners::default() });
    registry.push(&layout, "current").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a-file");
    std::fs::write(&file, "no folder").unwrap();
    let told = Told::default();
    let pulled = registry.pull_with("current", cached(&file.join("cache")), &told).unwrap();
    assert_eq!(pulled.manifests().len(), layout.manifests().len());
    assert!(told.all().contains("the cache cannot be used"), "{}", told.all());
}

#[test]
fn a_cache_that_can_only_be_read_is_read() {
    let world = World::new();
    let layout = world.bundle();
    let registry = Misbehaving::good(Manners { api: true, ..Manners::default() });
    registry.push(&layout, "current").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (there, bytes) = (component(&layout), layout.blob(&component(&layout)).unwrap());
    let cache = folder.path().join("cache");
    std::fs::create_dir(&cache).unwrap();
    std::fs::write(cache.join(there.hex()), bytes).unwrap();
    crate::write(folder.path(), "ca.pem", registry.roots().certificates()[0].to_pem());
    // Whoever runs the tests may write everywhere; nobody else may.
    for (path, mode) in [(folder.path(), 0o755), (cache.as_path(), 0o555)] {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    let binaries = semper_testkit::Binaries::beside().unwrap();
    let sign = folder.path().join("semper-sign");
    std::fs::copy(&binaries.sign, &sign).unwrap();
    let place = registry.place("current").to_string();
    let out = std::env::temp_dir().join(format!("semper-pulled-{}.tar", std::process::id()));
    let out = out.display().to_string();
    let arguments =
        ["--reuid=65534", "--clear-groups", "--", &sign.display().to_string(), "pull", &place];
    let own = ["--out", &out, "--cache", "cache", "--root", "ca.pem"];
    let as_nobody = [&arguments[..], &own[..]].concat();
    // Without the right to become somebody else, the mode alone keeps us from writing.
    let is_root = crate::run(folder.path(), "id", &["-u"]).1.trim() == "0";
    let (fine, said) = match is_root {
        true => crate::run(folder.path(), "setpriv", &as_nobody),
        false => crate::run(folder.path(), as_nobody[3], &as_nobody[4..]),
    };
    let _ = std::fs::remove_file(&out);
    assert!(fine && said.contains("the cache cannot be used"), "{said}");
    assert_eq!(registry.count(&format!("GET /v2/otto/terms/blobs/{there}")), 0);
}

#[test]
fn a_stream_that_breaks_again_and_again_goes_on_as_long_as_something_comes() {
    let world = World::new();
    let layout = world.bundle();
    let digest = component(&layout);
    let bytes = layout.blob(&digest).unwrap().to_vec();
    let registry = Misbehaving::new(Manners { api: true, ..Manners::default() }, move |_, it| {
        if !it.path.ends_with(&digest.to_string()) || it.method != "GET" {
            return None;
        }
        let range = it.headers.get("range").map_or("bytes=0-", |it| it.to_str().unwrap());
        let from: usize = range.trim_start_matches("bytes=").trim_end_matches('-').parse().unwrap();
        // One byte at a time.
        let (length, one) = ((bytes.len() - from).to_string(), bytes[from..=from].to_vec());
        let status = if from == 0 { 200 } else { 206 };
        Some(reply(status, &[("content-length", &length)], broken(one)))
    });
    registry.push(&layout, "current").unwrap();
    let pulled = registry.pull("current").unwrap();
    assert_eq!(pulled.manifests().len(), layout.manifests().len());
}
