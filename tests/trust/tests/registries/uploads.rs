//! Uploads: where registries want them, in what pieces, and what a break costs.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::response::Response;
use semper_base::Digest;
use semper_distribution::{Fetcher, Login, Logins, MoveError, Options};
use semper_net::Client;
use semper_trust::Layout;
use semper_trust::describe::ServiceDescription;
use semper_trust_tests::misbehaving::{Manners, Misbehaving, Told, lock};
use semper_trust_tests::server::{Asked, broken, reply};
use semper_trust_tests::{HOUR, World, ago, other_component};

use crate::says;

/// Bytes of the large component.
const LARGE: usize = 20 << 20;

/// A bundle with a component of so many bytes, and their digest.
fn large(world: &World, size: usize) -> (Layout, String) {
    let bytes: Vec<u8> = (0..size).map(|at| (at / 7) as u8).collect();
    let service = ServiceDescription { buyer: Digest::of(&bytes), ..world.service() };
    let digest = service.buyer.to_string();
    let before = ago(world.now, HOUR);
    let (buyer, seller) = (bytes, other_component());
    let signer = world.author.signer();
    (semper_trust::bundle::service(&service, buyer, seller, &signer, before).0, digest)
}

/// How a registry names the place of an upload.
type Style = fn(&str, &str) -> String;
/// What it answers instead to the n-th request of a method.
type Fault = fn(&Asked, usize) -> Option<Response>;

fn api() -> Manners {
    Manners { api: true, ..Manners::default() }
}

#[test]
fn an_upload_goes_to_where_the_registry_says_on_its_own_host() {
    let world = World::new();
    let styles: [Style; 5] = [
        |_, path| path.to_owned(),
        |host, path| format!("https://{host}{path}"),
        |host, path| format!("//{}{path}", host.to_uppercase()),
        |_, path| path.rsplit('/').next().unwrap().to_owned(),
        |host, path| format!("https://{host}{}", path.split('?').next().unwrap()),
    ];
    for location in styles {
        let registry = Misbehaving::good(Manners { location, ..api() });
        registry.push(&world.bundle(), "current").unwrap();
        assert_eq!(registry.pull("current").unwrap().manifests().len(), 7);
    }
    let refused: [(Style, &str, &str); 3] = [
        (|host, path| format!("http://{host}{path}"), "no https address", "X-Forwarded-Proto"),
        (
            |_, path| format!("https://localhost{path}"),
            "https://localhost/v2",
            "--redirect localhost",
        ),
        (
            |_, _| "https://evil.example:8443/x".into(),
            "evil.example",
            "--redirect evil.example:8443",
        ),
    ];
    for (location, what, mend) in refused {
        let registry = Misbehaving::good(Manners { location, ..api() });
        says(&registry.push(&world.bundle(), "current").unwrap_err(), what, mend);
        assert_eq!(registry.count("PUT"), 0);
    }
}

#[test]
fn another_host_gets_an_upload_only_if_that_was_agreed_and_never_the_password() {
    let world = World::new();
    // The same registry under another name: another host.
    let location = |host: &str, path: &str| format!("https://{}{path}", elsewhere(host));
    let registry = Misbehaving::new(Manners { location, ..api() }, |_, it| {
        let shown = it.headers.contains_key("authorization");
        let elsewhere =
            it.headers.get("host").is_some_and(|it| it.to_str().unwrap().starts_with("127"));
        let by_name = it.authority.starts_with("127");
        match (elsewhere || by_name, shown) {
            (true, true) => Some(reply(400, &[], "Only one auth mechanism allowed")),
            (false, false) => Some(reply(401, &[("www-authenticate", "Basic realm=\"r\"")], "")),
            _ => None,
        }
    });
    let logins = Logins::default().with(registry.host(), Login::password("otto", "secret"));
    let redirects = vec![elsewhere(registry.host())];
    let push = |options: Options| {
        let fetcher = registry.fetcher(options);
        semper_distribution::push(&world.bundle(), &registry.place("current"), &fetcher, &())
    };
    let error = push(Options { logins: logins.clone(), ..Options::default() }).unwrap_err();
    says(&error, "redirects to https://127.0.0.1", &format!("--redirect {}", redirects[0]));
    push(Options { logins, redirects, ..Options::default() }).unwrap();
}

fn elsewhere(host: &str) -> String {
    host.replace("localhost", "127.0.0.1")
}

#[test]
fn an_upload_that_is_cut_goes_on_where_the_registry_stopped() {
    let world = World::new();
    let (layout, digest) = large(&world, LARGE);
    let cuts = AtomicUsize::new(0);
    let registry = Misbehaving::new(api(), move |store, it| {
        // Half of the second piece gets through, and then nothing.
        if it.method != "PATCH" || cuts.fetch_add(1, Ordering::SeqCst) != 1 {
            return None;
        }
        let mut store = lock(store);
        let half = &it.body[..it.body.len() / 2];
        store.uploads.values_mut().last().unwrap().extend_from_slice(half);
        store.came += half.len();
        Some(cut())
    });
    let told = Told::default();
    let fetcher = registry.fetcher(Options::default());
    semper_distribution::push(&layout, &registry.place("current"), &fetcher, &told).unwrap();
    let store = registry.store();
    assert_eq!(store.blobs[&digest].len(), LARGE);
    // Nothing was sent twice.
    assert_eq!(store.came, LARGE);
    assert!(told.all().contains("is taken up again"), "{}", told.all());
}

/// An answer that breaks off before it says anything.
fn cut() -> Response {
    reply(202, &[("content-length", "10")], broken(Vec::new()))
}

#[test]
fn a_registry_that_forgets_or_takes_no_pieces_gets_the_blob_all_the_same() {
    let world = World::new();
    let (layout, digest) = large(&world, LARGE);
    let faults: [(&str, Fault); 5] = [
        ("forgets the upload", |it, nth| {
            (it.method == "PATCH" && nth == 1).then(|| reply(404, &[], "BLOB_UPLOAD_UNKNOWN"))
        }),
        ("takes no pieces", |it, _| {
            (it.method == "PATCH").then(|| reply(405, &[], "method not allowed"))
        }),
        ("lies behind a proxy that lets a megabyte through", |it, _| {
            (it.body.len() > 1 << 20).then(|| reply(413, &[], "<h1>413 Too Large</h1>"))
        }),
        ("is cut off while it is asked", |it, nth| {
            let cut_off = it.method == "PATCH" && nth == 0
                || it.method == "GET" && it.path.contains("uploads") && nth < 2;
            cut_off.then(cut)
        }),
        ("says that another piece is due", |it, nth| {
            (it.method == "PATCH" && nth == 2).then(|| reply(416, &[], ""))
        }),
    ];
    for (what, fault) in faults {
        let counts = std::sync::Mutex::new(BTreeMap::new());
        let registry = Misbehaving::new(api(), move |_, it| {
            let mut counts = lock(&counts);
            let nth: &mut usize = counts.entry(it.method.to_string()).or_default();
            let answer = fault(it, *nth);
            *nth += 1;
            answer
        });
        let pushed = registry.push(&layout, "current");
        assert!(pushed.is_ok(), "{what}: {}", pushed.unwrap_err());
        assert_eq!(registry.store().blobs[&digest].len(), LARGE, "{what}");
    }
}

#[test]
fn an_answer_that_is_lost_after_the_blob_was_kept_is_not_missed() {
    let world = World::new();
    let registry = Misbehaving::new(api(), |store, it| {
        let ends = it.method == "PUT" && it.path.contains("uploads");
        if !ends {
            return None;
        }
        let mut store = lock(store);
        store.blobs.insert(Digest::of(&it.body).to_string(), it.body.to_vec());
        Some(cut())
    });
    registry.push(&world.bundle(), "current").unwrap();
    assert_eq!(registry.pull("current").unwrap().manifests().len(), 7);
}

#[test]
fn a_registry_that_never_takes_it_is_named() {
    let world = World::new();
    let registry = Misbehaving::new(api(), |_, it| {
        (it.method == "PUT" && it.path.contains("uploads")).then(|| reply(403, &[], "read only"))
    });
    let error = registry.push(&world.bundle(), "current").unwrap_err();
    says(&error, "status 403: read only", "you may not do that");
    let registry = Misbehaving::new(api(), |_, it| {
        (it.method == "PUT" && it.path.contains("uploads")).then(cut)
    });
    let error = registry.push(&world.bundle(), "current").unwrap_err();
    assert!(matches!(error, MoveError::Net(_)), "{error}");
}

#[test]
fn what_shows_the_way_to_a_blob_has_it_and_what_cannot_say_is_sent_it() {
    let world = World::new();
    for (status, sent) in [(307, false), (405, true), (404, true)] {
        let registry = Misbehaving::new(api(), move |_, it| {
            let headers = [("location", "https://store.example/blob")];
            (it.method == "HEAD").then(|| reply(status, &headers, ""))
        });
        registry.push(&world.bundle(), "current").unwrap();
        assert_eq!(registry.count("POST") > 0, sent, "{status}");
    }
}

#[test]
fn silence_ends_a_transfer_and_length_does_not() {
    let world = World::new();
    let (layout, _) = large(&world, LARGE);
    // Each piece takes longer than a small request may.
    let registry = Misbehaving::new(api(), |_, it| {
        if it.method == "PATCH" {
            std::thread::sleep(Duration::from_millis(700));
        }
        None
    });
    let impatient = Client::new(registry.roots()).within(Duration::from_millis(500));
    let fetcher = Fetcher::with(impatient.clone(), Options::default());
    semper_distribution::push(&layout, &registry.place("current"), &fetcher, &()).unwrap();

    let silent = Misbehaving::new(api(), |_, _| {
        std::thread::sleep(Duration::from_secs(60));
        None
    });
    let impatient = Client::new(silent.roots()).within(Duration::from_millis(500));
    let fetcher = Fetcher::with(impatient, Options::default());
    let begun = Instant::now();
    let error = semper_distribution::pull(&silent.place("current"), &fetcher, &()).unwrap_err();
    says(&error, "does not answer in time", "");
    assert!(begun.elapsed() < Duration::from_secs(40));
}
