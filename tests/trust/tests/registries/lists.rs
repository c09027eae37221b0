//! What is attached to a bundle: followed to the end, asked for again, or missed by name.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::time::Duration;

use semper_distribution::Options;
use semper_trust::Layout;
use semper_trust::bundle::CERTIFICATE;
use semper_trust::layout::{INDEX, canonical};
use semper_trust_tests::misbehaving::{Manners, Misbehaving, NAME, Told, lock};
use semper_trust_tests::server::{Asked, reply};
use semper_trust_tests::{World, service_of};
use serde_json::json;

use crate::says;

fn certificates(layout: &Layout) -> usize {
    layout.referrers(&service_of(layout).digest, CERTIFICATE).unwrap().len()
}

/// The terms alone under one tag, and three certificates attached later under another.
fn certified(registry: &Misbehaving, world: &World) {
    let mut layout = world.uncertified(|_| {});
    registry.push(&layout, "current").unwrap();
    (0..3).for_each(|it| world.certify(&mut layout, it, |_| {}));
    registry.push(&layout, "certified").unwrap();
}

fn is_list(asked: &Asked) -> bool {
    asked.path.contains("/referrers/")
}

fn is_fallback(asked: &Asked) -> bool {
    asked.method == "GET" && asked.path.contains("/manifests/sha256-")
}

/// A registry that answers some requests with whatever status the test wants just now; 0 for none.
fn failing(
    manners: Manners,
    which: fn(&Asked) -> bool,
    headers: &'static [(&'static str, &'static str)],
) -> (Misbehaving, Arc<AtomicU16>) {
    let status = Arc::new(AtomicU16::new(0));
    let now = Arc::clone(&status);
    let registry = Misbehaving::new(manners, move |_, it| match now.load(Ordering::SeqCst) {
        0 => None,
        status => which(it).then(|| reply(status, headers, "overloaded")),
    });
    (registry, status)
}

#[test]
fn a_list_that_cannot_be_had_is_an_error_and_never_an_empty_one() {
    let world = World::new();
    for (api, which) in [(true, is_list as fn(&Asked) -> bool), (false, is_fallback)] {
        let manners = Manners { api, ..Manners::default() };
        let (registry, now) = failing(manners, which, &[("retry-after", "0")]);
        certified(&registry, &world);
        for status in [0, 401, 403, 410, 418, 429, 500, 502, 503, 504, 0] {
            now.store(status, Ordering::SeqCst);
            let pulled = registry.pull("current");
            match status {
                0 => assert_eq!(certificates(&pulled.unwrap()), 3),
                401 => says(&pulled.unwrap_err(), "wants a name and a password", "docker login"),
                429 | 502.. => says(&pulled.unwrap_err(), "after 7 tries", "try again later"),
                _ => says(&pulled.unwrap_err(), &format!("answers with status {status}"), ""),
            }
        }
    }
}

#[test]
fn registries_without_the_api_say_so_in_their_own_words() {
    let world = World::new();
    let (registry, now) = failing(Manners::default(), is_list, &[]);
    certified(&registry, &world);
    for status in [400, 404, 405, 406, 501] {
        now.store(status, Ordering::SeqCst);
        assert_eq!(certificates(&registry.pull("current").unwrap()), 3, "{status}");
    }
    // A page for people, whatever is asked for.
    let registry = Misbehaving::new(Manners::default(), |_, it| {
        let page = "<!doctype html><html>an app</html>";
        is_list(it).then(|| reply(200, &[("content-type", "text/html")], page))
    });
    certified(&registry, &world);
    assert_eq!(certificates(&registry.pull("current").unwrap()), 3);
    // One that has the API, and nothing to list.
    let registry = Misbehaving::new(Manners { api: true, ..Manners::default() }, |_, it| {
        let none = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": null });
        is_list(it).then(|| reply(200, &[("content-type", INDEX)], canonical(&none)))
    });
    registry.push(&world.uncertified(|_| {}), "current").unwrap();
    assert_eq!(certificates(&registry.pull("current").unwrap()), 0);
    // One that takes the tag for the digest, and answers with the subject itself.
    let registry = Misbehaving::new(Manners::default(), |store, it| {
        let named = it.path.strip_prefix(NAME)?.strip_prefix("manifests/sha256-")?;
        let bytes = lock(store).manifests.get(&format!("sha256:{named}"))?.1.clone();
        Some(reply(200, &[], bytes))
    });
    let full = Misbehaving::good(Manners { api: true, ..Manners::default() });
    full.push(&world.bundle(), "current").unwrap();
    copy(&full, &registry);
    assert_eq!(certificates(&registry.pull("current").unwrap()), 3);
}

/// Gives a registry what another one has.
fn copy(from: &Misbehaving, to: &Misbehaving) {
    let from = from.store();
    let mut to = to.store();
    to.blobs.clone_from(&from.blobs);
    to.manifests.clone_from(&from.manifests);
    to.tags.clone_from(&from.tags);
}

#[test]
fn a_busy_registry_is_asked_again_when_it_says_so() {
    let world = World::new();
    let asked = AtomicUsize::new(0);
    let registry = Misbehaving::new(Manners { api: true, ..Manners::default() }, move |_, _| {
        let status = [429, 502, 503][asked.load(Ordering::SeqCst) % 3];
        // Every other request.
        let busy = asked.fetch_add(1, Ordering::SeqCst).is_multiple_of(2);
        busy.then(|| reply(status, &[("retry-after", "0")], "too many"))
    });
    certified(&registry, &world);
    let told = Told::default();
    let pulled = registry.pull_with("current", Options::default(), &told).unwrap();
    assert_eq!(certificates(&pulled), 3);
    assert!(told.all().contains("is busy (429); asked again in 0 s"), "{}", told.all());

    // Nobody waits for an hour.
    let registry = Misbehaving::new(Manners::default(), |_, _| {
        Some(reply(
            429,
            &[("retry-after", "3600")],
            "{\"errors\":[{\"code\":\"TOOMANYREQUESTS\"}]}",
        ))
    });
    let error = registry.pull("current").unwrap_err();
    says(&error, "status 429 after 1 tries, and wants to be asked again in 3600 s", "later");
    says(&error, "TOOMANYREQUESTS", "");
    assert_eq!(registry.count(""), 1);
}

#[test]
fn lists_in_pages_are_read_to_their_end() {
    let world = World::new();
    let registry = Misbehaving::good(Manners { api: true, page: 7, ..Manners::default() });
    let mut layout = world.uncertified(|_| {});
    registry.push(&layout, "current").unwrap();
    for level in 0..30 {
        world.certify(&mut layout, 0, |it| it.level = level);
    }
    registry.push(&layout, "certified").unwrap();
    assert_eq!(certificates(&registry.pull("current").unwrap()), 30);
    assert!(registry.count("?after=28") > 0);

    // More than a bundle has: refused by name, not cut off.
    for level in 30..70 {
        let mut other = world.uncertified(|_| {});
        world.certify(&mut other, 0, |it| it.level = level);
        registry.push(&other, &format!("by-{level}")).unwrap();
    }
    says(&registry.pull("current").unwrap_err(), "more than 64 manifests belong to it", "");

    // A next page at somebody else's, and one that never ends.
    for (link, what) in [
        ("<https://evil.example/more>; rel=\"next\"", "redirects to evil.example"),
        ("<http://evil.example/more>; rel=\"next\"", "no https address"),
        ("<?again>; rel=\"next\"", "more than 64 pages"),
    ] {
        let registry =
            Misbehaving::new(Manners { api: true, ..Manners::default() }, move |_, it| {
                let none = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [] });
                let headers = [("content-type", INDEX), ("link", link)];
                is_list(it).then(|| reply(200, &headers, canonical(&none)))
            });
        registry.push(&world.uncertified(|_| {}), "current").unwrap();
        says(&registry.pull("current").unwrap_err(), what, "");
    }
}

#[test]
fn eight_organisations_that_push_at_once_leave_eight() {
    let world = World::new();
    let slow_tag = Duration::from_millis(100);
    let registry = Misbehaving::good(Manners { slow_tag, ..Manners::default() });
    let bare = world.uncertified(|_| {});
    registry.push(&bare, "current").unwrap();
    std::thread::scope(|scope| {
        for level in 1..=8 {
            let (world, registry, mut layout) = (&world, &registry, bare.clone());
            scope.spawn(move || {
                world.certify(&mut layout, 0, |it| it.level = level);
                registry.push(&layout, &format!("by-{level}")).unwrap();
            });
        }
    });
    assert_eq!(certificates(&registry.pull("current").unwrap()), 8);
}

#[test]
fn a_push_does_not_take_a_failing_list_for_an_empty_one() {
    let world = World::new();
    let (registry, now) = failing(Manners::default(), is_fallback, &[("retry-after", "0")]);
    certified(&registry, &world);
    let service = service_of(&registry.pull("current").unwrap()).digest;
    let before = registry.store().noted(&service);
    for status in [403, 429, 500, 502, 503] {
        now.store(status, Ordering::SeqCst);
        let mut layout = world.uncertified(|_| {});
        world.certify(&mut layout, 1, |it| it.level = 7);
        let error = registry.push(&layout, "mine").unwrap_err();
        says(&error, &format!("status {status}"), "");
        assert_eq!(registry.store().noted(&service), before);
    }
}

#[test]
fn entries_of_others_stay_as_they_were_written() {
    let world = World::new();
    let registry = Misbehaving::good(Manners::default());
    let mut layout = world.uncertified(|_| {});
    let service = service_of(&layout).digest;
    let theirs = json!({
        "mediaType": "application/vnd.example.thing",
        "digest": format!("sha512:{}", "ab".repeat(64)),
        "size": 3, "platform": { "os": "plan9" }, "data": "YWJj",
    });
    let list = json!({
        "schemaVersion": 2, "mediaType": INDEX, "manifests": [theirs],
        "annotations": { "by": "somebody" },
    });
    registry.store().keep_list(&service, &canonical(&list));
    world.certify(&mut layout, 0, |_| {});
    registry.push(&layout, "current").unwrap();
    let noted = registry.store().noted(&service);
    assert_eq!(noted[0], theirs);
    // The certificate and the author's signature beside it.
    assert_eq!(noted.len(), 3);
    assert_eq!(certificates(&registry.pull("current").unwrap()), 1);
}

#[test]
fn a_mirror_with_manifests_and_no_blobs_is_helped_out() {
    let world = World::new();
    let own = Misbehaving::good(Manners { api: true, ..Manners::default() });
    certified(&own, &world);
    let mirror = Misbehaving::new(Manners::default(), |_, it| {
        it.path.contains("/blobs/").then(|| reply(404, &[], ""))
    });
    copy(&own, &mirror);
    let roots = [&own, &mirror].iter().flat_map(|it| it.roots().certificates().to_vec()).collect();
    let mirrors = [(own.host().to_owned(), mirror.host().to_owned())].into();
    let options = Options { mirrors, ..Options::default() };
    let fetcher = semper_distribution::Fetcher::new(&semper_base::cert::Roots::new(roots), options);
    let told = Told::default();
    let pulled = semper_distribution::pull(&own.place("current"), &fetcher, &told).unwrap();
    // The mirror knows of no certificates, either; the registry does.
    assert_eq!(certificates(&pulled), 3);
    assert!(mirror.count("manifests/") > 3);
    assert!(told.all().contains("is asked"), "{}", told.all());
}

#[test]
fn a_tag_beside_a_digest_is_a_note_and_the_digest_counts() {
    let world = World::new();
    let registry = Misbehaving::good(Manners { api: true, ..Manners::default() });
    certified(&registry, &world);
    let digest = registry.store().tags["current"].clone();
    // The tag has moved on.
    registry.push(&world.uncertified(|it| it.serial = 8), "current").unwrap();
    let pinned = registry.pull(&format!("current@{digest}")).unwrap();
    assert_eq!(certificates(&pinned), 3);
    assert_eq!(registry.store().asked.iter().filter(|it| it.ends_with("/current")).count(), 2);
    let text = format!("registry://reg.example/otto/terms:current@{digest}");
    assert_eq!(text.parse::<semper_distribution::Place>().unwrap().to_string(), text);
    let error = registry.push(&pinned, &format!("current@{digest}")).unwrap_err();
    says(&error, "push to a tag", "");
}
