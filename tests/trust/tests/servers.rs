//! Servers and files that do what they should not: whoever carries a bundle is believed in
//! nothing, and nobody is held up, flooded, or sent elsewhere.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::response::Response;
use semper_distribution::{Fetcher, Login, Logins, MoveError, Options, Place};
use semper_trust::Layout;
use semper_trust::layout::{Descriptor, INDEX, Index, MANIFEST, canonical};
use semper_trust_tests::server::{Asked, Server, broken, endless, reply, serve};
use semper_trust_tests::{World, service_of, terms_of};

fn fetcher(server: &Server, options: Options) -> Fetcher {
    Fetcher::new(&server.roots, options)
}

fn pull(server: &Server, place: &str, options: Options) -> Result<Layout, MoveError> {
    let place: Place = place.replace("HOST", &server.host).parse().unwrap();
    semper_distribution::pull(&place, &fetcher(server, options), &())
}

/// A layout as files over HTTPS.
fn files(layout: &Layout, path: &str) -> Response {
    match layout.file(path.trim_start_matches("/terms/")) {
        Some(bytes) => reply(200, &[], bytes),
        None => reply(404, &[], ""),
    }
}

/// A repository of a registry, for reading.
fn registry(layout: &Layout, path: &str) -> Response {
    let rest = path.trim_start_matches("/v2/otto/terms/");
    if rest == "manifests/current" {
        let index = canonical(&Index::of(layout.manifests().to_vec()));
        return reply(200, &[("content-type", INDEX)], index);
    }
    let digest = rest.strip_prefix("manifests/").or_else(|| rest.strip_prefix("blobs/"));
    match digest.and_then(|it| it.parse().ok()).and_then(|it| layout.blob(&it).ok()) {
        Some(bytes) => reply(200, &[("content-type", MANIFEST)], bytes.to_vec()),
        None => reply(404, &[], ""),
    }
}

const REGISTRY: &str = "registry://HOST/otto/terms:current";
const HTTPS: &str = "https://HOST/terms";

/// A server that behaves, except where the test says otherwise.
fn spoiled(
    good: fn(&Layout, &str) -> Response,
    spoil: impl Fn(&str, &Asked) -> Option<Response> + Send + Sync + 'static,
) -> Server {
    let layout = World::new().bundle();
    serve(move |host, asked| {
        spoil(host, &asked).unwrap_or_else(|| good(&layout, asked.path.as_str()))
    })
}

fn refused(server: &Server, place: &str, says: &str) {
    let error = pull(server, place, Options::default()).unwrap_err().to_string();
    assert!(error.contains(says), "“{error}” does not say “{says}”");
}

#[test]
fn a_server_that_behaves_is_read_from_both_ways() {
    let layout = World::new().bundle();
    let copy = layout.clone();
    let server = serve(move |_, asked| match asked.path.starts_with("/v2/") {
        true => registry(&copy, &asked.path),
        false => files(&copy, &asked.path),
    });
    assert_eq!(pull(&server, HTTPS, Options::default()).unwrap(), layout);
    let pulled = pull(&server, REGISTRY, Options::default()).unwrap();
    assert_eq!(terms_of(&pulled).digest, terms_of(&layout).digest);
    // By the digest of the terms alone: the service follows, what refers to them cannot be had.
    let by_digest = format!("registry://HOST/otto/terms@{}", terms_of(&layout).digest);
    let some = pull(&server, &by_digest, Options::default()).unwrap();
    assert_eq!(service_of(&some).digest, service_of(&layout).digest);
}

#[test]
fn streams_without_end_are_cut_off() {
    let server =
        spoiled(files, |_, asked| asked.path.contains("blobs").then(|| reply(200, &[], endless())));
    refused(&server, HTTPS, "more than");
    let server = spoiled(files, |_, asked| {
        asked.path.ends_with("index.json").then(|| reply(200, &[], endless()))
    });
    refused(&server, HTTPS, "more than");
    let server = spoiled(registry, |_, asked| {
        asked.path.contains("manifests/sha256").then(|| reply(200, &[], endless()))
    });
    refused(&server, REGISTRY, "more than");
    let server = spoiled(registry, |_, asked| {
        asked.path.contains("referrers").then(|| reply(200, &[], endless()))
    });
    refused(&server, REGISTRY, "more than");
}

#[test]
fn bytes_of_another_digest_are_refused() {
    let server = spoiled(files, |_, asked| {
        asked.path.contains("blobs").then(|| reply(200, &[], "x".repeat(100)))
    });
    refused(&server, HTTPS, "");
    let server = spoiled(registry, |_, asked| {
        asked.path.contains("manifests/sha256").then(|| reply(200, &[], "{}"))
    });
    refused(&server, REGISTRY, "has been changed");
    // The right length, another byte.
    let world = World::new();
    let layout = world.bundle();
    let server = serve(move |_, asked| {
        let answer = registry(&layout, &asked.path);
        if !asked.path.contains("/blobs/") {
            return answer;
        }
        let digest = asked.path.rsplit('/').next().unwrap().parse().unwrap();
        let mut bytes = layout.blob(&digest).unwrap().to_vec();
        bytes[0] ^= 1;
        reply(200, &[], bytes)
    });
    refused(&server, REGISTRY, "has been changed");
}

#[test]
fn nobody_is_sent_elsewhere_without_having_agreed() {
    for (to, says) in [
        ("https://evil.example/blob", "redirects to evil.example"),
        ("http://evil.example/blob", "redirects to http://evil.example"),
        ("file:///etc/passwd", "redirects to file:///etc/passwd"),
        ("//evil.example/blob", "redirects to //evil.example"),
        ("https://user@evil.example/x", "redirects to evil.example"),
    ] {
        let server = spoiled(registry, move |_, asked| {
            asked.path.contains("/blobs/").then(|| reply(307, &[("location", to)], ""))
        });
        refused(&server, REGISTRY, says);
        let server = spoiled(files, move |_, asked| {
            asked.path.contains("index.json").then(|| reply(302, &[("location", to)], ""))
        });
        refused(&server, HTTPS, says);
    }
    // Round and round at the same host.
    let server = spoiled(files, |host, asked| {
        let to = format!("https://{host}{}", asked.path);
        asked.path.contains("index.json").then(|| reply(302, &[("location", &to)], ""))
    });
    refused(&server, HTTPS, "ever more places");
}

#[test]
fn an_agreed_redirect_is_followed_without_the_password() {
    let layout = World::new().bundle();
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let (copy, log) = (layout.clone(), Arc::clone(&seen));
    let store = serve(move |_, asked| {
        if let Some(value) = asked.headers.get("authorization") {
            log.lock().unwrap().push(value.to_str().unwrap().to_owned());
        }
        registry(&copy, &asked.path)
    });
    let (elsewhere, copy) = (store.host.clone(), layout.clone());
    let front = serve(move |_, asked| {
        if asked.headers.get("authorization").is_none() {
            return reply(401, &[("www-authenticate", "Basic realm=\"x\"")], "");
        }
        if asked.path.contains("/blobs/") {
            let to = format!("https://{elsewhere}{}", asked.path);
            return reply(307, &[("location", &to)], "moved ".repeat(500));
        }
        registry(&copy, &asked.path)
    });
    let both: Vec<_> =
        front.roots.certificates().iter().chain(store.roots.certificates()).cloned().collect();
    let options = Options {
        logins: Logins::default().with(&front.host, Login::password("otto", "secret")),
        redirects: vec![store.host.clone()],
        ..Options::default()
    };
    let fetcher = Fetcher::new(&semper_base::cert::Roots::new(both), options);
    let place: Place = REGISTRY.replace("HOST", &front.host).parse().unwrap();
    semper_distribution::pull(&place, &fetcher, &()).unwrap();
    assert!(seen.lock().unwrap().is_empty(), "the store was shown the password");
}

#[test]
fn who_asks_for_a_password_gets_it_only_where_it_belongs() {
    let server = spoiled(registry, |_, _| {
        Some(reply(401, &[("www-authenticate", "Basic realm=\"x\"")], ""))
    });
    refused(&server, REGISTRY, "wants a name and a password");
    // A token realm in clear, and one that is somebody else's.
    let server = spoiled(registry, |_, _| {
        let challenge = "Bearer realm=\"http://evil.example/token\",service=\"x\"";
        Some(reply(401, &[("www-authenticate", challenge)], ""))
    });
    refused(&server, REGISTRY, "redirects to http://evil.example");

    // The registry's own token server gets the password and gives a token, which is then used.
    let layout = World::new().bundle();
    let server = serve(move |host, asked| {
        let given = asked.headers.get("authorization").and_then(|it| it.to_str().ok());
        if asked.path.starts_with("/token") {
            assert!(
                asked.path.contains("scope=repository%3Aotto%2Fterms%3Apull"),
                "{}",
                asked.path
            );
            return match given {
                Some("Basic b3R0bzpzZWNyZXQ=") => reply(200, &[], "{\"token\":\"t0\"}"),
                _ => reply(401, &[], ""),
            };
        }
        if given == Some("Bearer t0") {
            return registry(&layout, &asked.path);
        }
        let challenge = format!(
            "Bearer realm=\"https://{host}/token\",service=\"reg\",scope=\"repository:otto/terms:pull\""
        );
        reply(401, &[("www-authenticate", &challenge)], "")
    });
    let logins = Logins::default().with(&server.host, Login::password("otto", "secret"));
    pull(&server, REGISTRY, Options { logins, ..Options::default() }).unwrap();
}

#[test]
fn a_flood_of_referrers_does_not_drown_the_bundle() {
    let world = World::new();
    let layout = world.bundle();
    let terms = terms_of(&layout).digest;
    let asked_for = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked_for);
    let server = serve(move |_, asked| {
        counter.fetch_add(1, Ordering::SeqCst);
        if asked.path.contains(&format!("referrers/{terms}")) {
            let many: Vec<Descriptor> = (0..60)
                .map(|it| Descriptor {
                    media_type: MANIFEST.into(),
                    digest: semper_base::Digest::of(format!("{it}").as_bytes()),
                    size: 10,
                    artifact_type: Some("application/vnd.example.spam".into()),
                    annotations: BTreeMap::new(),
                })
                .collect();
            return reply(200, &[], canonical(&Index::of(many)));
        }
        registry(&layout, &asked.path)
    });
    let pulled = pull(&server, REGISTRY, Options::default()).unwrap();
    assert!(world.verify(&pulled).unwrap().grants().certified);
    assert!(asked_for.load(Ordering::SeqCst) < 80, "{asked_for:?} requests");
}

#[test]
fn what_breaks_off_is_resumed_where_it_stopped() {
    let world = World::new();
    let bundle = world.bundle();
    let component = bundle.manifest(&service_of(&bundle)).unwrap().layers[0].digest;
    let ranges: Arc<Mutex<Vec<String>>> = Arc::default();
    let (copy, seen) = (bundle.clone(), Arc::clone(&ranges));
    let server = serve(move |_, asked| {
        if !asked.path.ends_with(&component.hex()) {
            return files(&copy, &asked.path);
        }
        let bytes = copy.blob(&component).unwrap().to_vec();
        match asked.headers.get("range").and_then(|it| it.to_str().ok()) {
            // The first time, half of it, and then nothing.
            None => {
                let half = bytes[..4].to_vec();
                reply(200, &[("content-length", &bytes.len().to_string())], broken(half))
            }
            Some(range) => {
                seen.lock().unwrap().push(range.to_owned());
                let from: usize =
                    range.trim_start_matches("bytes=").trim_end_matches('-').parse().unwrap();
                let content = format!("bytes {from}-{}/{}", bytes.len() - 1, bytes.len());
                reply(206, &[("content-range", &content)], bytes[from..].to_vec())
            }
        }
    });
    let cache = tempfile::tempdir().unwrap();
    let options = Options { cache: Some(cache.path().to_owned()), ..Options::default() };
    let pulled = pull(&server, HTTPS, options).unwrap();
    assert_eq!(pulled, bundle);
    assert_eq!(*ranges.lock().unwrap(), ["bytes=4-"]);
}

#[test]
fn a_mirror_is_asked_first_and_passed_over_when_it_lacks_it() {
    let layout = World::new().bundle();
    let copy = layout.clone();
    let own = serve(move |_, asked| registry(&copy, &asked.path));
    let asked_mirror = Arc::new(AtomicUsize::new(0));
    let (copy, counter) = (layout.clone(), Arc::clone(&asked_mirror));
    let full = serve(move |_, asked| {
        counter.fetch_add(1, Ordering::SeqCst);
        registry(&copy, &asked.path)
    });
    let empty = serve(|_, _| reply(404, &[], ""));
    for mirror in [&full, &empty] {
        let roots = [&own, mirror].iter().flat_map(|it| it.roots.certificates().to_vec()).collect();
        let options = Options {
            mirrors: [(own.host.clone(), mirror.host.clone())].into(),
            ..Options::default()
        };
        let fetcher = Fetcher::new(&semper_base::cert::Roots::new(roots), options);
        let place: Place = REGISTRY.replace("HOST", &own.host).parse().unwrap();
        let pulled = semper_distribution::pull(&place, &fetcher, &()).unwrap();
        assert_eq!(terms_of(&pulled).digest, terms_of(&layout).digest);
    }
    assert!(asked_mirror.load(Ordering::SeqCst) > 5);
}

#[test]
fn nothing_is_uploaded_to_where_a_registry_points() {
    let server = serve(|_, asked| match asked.method.as_str() {
        "HEAD" => reply(404, &[], ""),
        _ => reply(202, &[("location", "https://evil.example/upload")], ""),
    });
    let place: Place = REGISTRY.replace("HOST", &server.host).parse().unwrap();
    let fetcher = fetcher(&server, Options::default());
    let error = semper_distribution::push(&World::new().bundle(), &place, &fetcher, &());
    let words = error.unwrap_err().to_string();
    assert!(words.contains("redirects to https://evil.example/upload"), "{words}");
}

#[test]
fn archives_hold_a_layout_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let nobody = Fetcher::new(semper_net::Believed::nobody(), Options::default());
    let layout = World::new().bundle();
    let file = folder.path().join("bundle.tar");
    let place = Place::Archive(file.clone());
    semper_distribution::push(&layout, &place, &nobody, &()).unwrap();
    assert_eq!(semper_distribution::pull(&place, &nobody, &()).unwrap(), layout);
    // The same bundle is the same archive.
    let first = std::fs::read(&file).unwrap();
    semper_distribution::push(&layout, &place, &nobody, &()).unwrap();
    assert_eq!(std::fs::read(&file).unwrap(), first);

    let spoil = |change: &dyn Fn(&mut tar::Builder<std::fs::File>)| -> String {
        let mut builder = tar::Builder::new(std::fs::File::create(&file).unwrap());
        for (name, bytes) in layout.files() {
            entry(&mut builder, &name, &bytes, tar::EntryType::Regular);
        }
        change(&mut builder);
        builder.finish().unwrap();
        semper_distribution::pull(&place, &nobody, &()).unwrap_err().to_string()
    };
    for (name, kind, says) in [
        ("blobs/sha256/../../../etc/passwd", tar::EntryType::Regular, "does not belong"),
        ("blobs/sha256/aa", tar::EntryType::Symlink, "does not belong"),
        ("blobs/sha256/bb", tar::EntryType::Link, "does not belong"),
        ("dev/null", tar::EntryType::Char, "does not belong"),
        ("README", tar::EntryType::Regular, "does not belong"),
        ("index.json", tar::EntryType::Regular, "is there twice"),
    ] {
        let words = spoil(&|builder| entry(builder, name, b"x", kind));
        assert!(words.contains(says), "{name}: {words}");
    }
    std::fs::write(&file, b"no archive at all, but text").unwrap();
    assert!(semper_distribution::pull(&place, &nobody, &()).is_err());
    // A header that promises more than there is, and more than is allowed.
    let mut header = tar::Header::new_ustar();
    header.set_path("index.json").unwrap();
    header.set_size(1 << 40);
    header.set_mode(0o644);
    header.set_cksum();
    std::fs::write(&file, header.as_bytes()).unwrap();
    assert!(semper_distribution::pull(&place, &nobody, &()).is_err());
}

fn entry(
    builder: &mut tar::Builder<std::fs::File>,
    name: &str,
    bytes: &[u8],
    kind: tar::EntryType,
) {
    let mut header = tar::Header::new_ustar();
    // As bytes: the library's own way refuses what a thief would write.
    header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
    let plain = kind == tar::EntryType::Regular;
    header.set_size(if plain { bytes.len() as u64 } else { 0 });
    header.set_mode(0o644);
    header.set_entry_type(kind);
    if !plain {
        header.set_link_name("/etc/passwd").unwrap();
    }
    header.set_cksum();
    builder.append(&header, if plain { bytes } else { &[][..] }).unwrap();
}

#[test]
fn places_are_named_plainly_or_refused() {
    for (text, says) in [
        ("http://localhost/terms", "without TLS"),
        ("ftp://localhost/terms", "only https:// and registry://"),
        ("bundle.tar.gz", "not compressed"),
        ("registry://localhost", "it has no name"),
        ("registry://local host/x", "its host is not one"),
        ("registry://h/UPPER:tag", "must be lower-case"),
        ("registry://h/a/../b", "must be lower-case"),
        ("registry://h/name:bad tag", "its tag is not one"),
        ("registry://h/name@sha512:abc", "no SHA-256 digest"),
        ("registry://h/nаme", "must be lower-case"),
        ("", "it is empty"),
    ] {
        let error = text.parse::<Place>().unwrap_err().to_string();
        assert!(error.contains(says), "{text}: {error}");
    }
    for text in ["registry://localhost:5000/otto/terms:1.0", "https://a.example/terms", "bundle"] {
        assert_eq!(text.parse::<Place>().unwrap().to_string(), text);
    }
}
