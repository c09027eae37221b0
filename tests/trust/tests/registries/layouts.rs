//! Layouts and archives, ours and skopeo's own, by the real skopeo.

use semper_distribution::{Fetcher, Options, Place};
use semper_testkit::Binaries;
use semper_testkit::process;
use semper_trust::{Layout, LayoutError};
use semper_trust_tests::registry::{PASSWORD, USER, Yard};
use semper_trust_tests::{Files, World, terms_of};

use crate::run;

fn nobody() -> Fetcher {
    Fetcher::new(semper_net::Believed::nobody(), Options::default())
}

fn at(yard: &Yard, place: &str) -> Place {
    let (scheme, path) = place.split_once(':').map_or(("", place), |(a, b)| (a, b));
    let path = yard.path().join(path).display().to_string();
    let whole = if scheme.is_empty() { path } else { format!("{scheme}:{path}") };
    whole.parse().unwrap()
}

fn read(yard: &Yard, place: &str) -> Result<Layout, semper_distribution::MoveError> {
    semper_distribution::pull(&at(yard, place), &nobody(), &())
}

#[test]
fn skopeo_reads_our_layouts_and_we_read_skopeos() {
    let yard = Yard::new();
    let registry = yard.registry("one");
    let world = World::new();
    let layout = world.bundle();
    let want = terms_of(&layout).digest;
    let certified = |read: &Layout| {
        let terms = world.verify(read).unwrap();
        assert_eq!(terms.digest(), want);
        terms.certified_by().len()
    };
    for place in ["ours", "ours.tar"] {
        semper_distribution::push(&layout, &at(&yard, place), &nobody(), &()).unwrap();
        assert_eq!(read(&yard, place).unwrap(), layout);
    }
    let credentials = format!("{USER}:{PASSWORD}");
    let skopeo = |from: &str, to: &str| {
        let common = ["copy", "--all", "--insecure-policy"];
        let source = ["--src-creds", &credentials, "--src-cert-dir", "certs"];
        let target = ["--dest-creds", &credentials, "--dest-cert-dir", "certs"];
        let mut all = common.to_vec();
        if from.starts_with("docker") {
            all.extend(source);
        }
        if to.starts_with("docker") {
            all.extend(target);
        }
        let (fine, said) = run(yard.path(), "skopeo", &[&all[..], &[from, to]].concat());
        assert!(fine, "{from} to {to}: {said}");
    };
    // Ours into a registry, from a folder and from an archive, with a name and without.
    let place = |tag: &str| format!("registry://{}/otto/terms:{tag}", registry.host);
    let docker = |tag: &str| format!("docker://{}/otto/terms:{tag}", registry.host);
    for (from, tag) in [
        ("oci:ours", "one"),
        ("oci:ours:bundle", "two"),
        ("oci-archive:ours.tar", "three"),
        ("oci-archive:ours.tar:bundle", "four"),
    ] {
        skopeo(from, &docker(tag));
        assert_eq!(certified(&yard.pull(&place(tag)).unwrap()), 3, "{from}");
    }
    yard.push(&layout, &place("pushed"));

    // Skopeo's own: from a registry and from ours, one in a place and two.
    for (from, to) in [
        (docker("pushed"), "oci:theirs:current"),
        ("oci:ours".to_owned(), "oci:theirs:copy"),
        (docker("pushed"), "oci-archive:theirs.tar:current"),
        ("oci-archive:ours.tar".to_owned(), "oci-archive:plain"),
        ("oci:ours".to_owned(), "oci:single"),
    ] {
        skopeo(&from, to);
    }
    for from in [
        "oci:theirs:current",
        "oci:theirs:copy",
        "oci-archive:theirs.tar:current",
        "oci-archive:theirs.tar",
        "theirs.tar",
        "oci-archive:plain",
        "oci:single",
        "single",
    ] {
        assert_eq!(certified(&read(&yard, from).unwrap()), 3, "{from}");
    }
    let unknown = read(&yard, "oci:theirs:other").unwrap_err().to_string();
    assert!(unknown.contains("no bundle “other” in it, but current, copy"), "{unknown}");

    // By the commands, too.
    let binaries = Binaries::beside().unwrap();
    let digests = ["digest", "--bundle", "oci-archive:theirs.tar:current", "--json"];
    let digests = process::run(yard.path(), &binaries.sign, &digests).unwrap();
    assert_eq!(digests.json()["terms"], terms_of(&layout).digest.to_string(), "{}", digests.err);
    let copied = ["copy", "oci:theirs:current", "copied"];
    let copied = process::run(yard.path(), &binaries.sign, &copied).unwrap();
    assert_eq!(copied.code, 0, "{}", copied.err);
    skopeo("oci:copied", "oci-archive:again");
    let named = ["copy", "ours", "oci:elsewhere:name"];
    let named = process::run(yard.path(), &binaries.sign, &named).unwrap();
    assert!(named.code == 2 && named.err.contains("of its own"), "{}", named.err);
}

#[test]
fn of_several_bundles_in_a_place_one_must_be_named() {
    let world = World::new();
    let image = |serial: u64| {
        let layout = world.uncertified(|it| it.serial = serial);
        Files(layout.image_files().into_iter().collect())
    };
    let (one, two) = (image(1), image(2));
    let mut both = one.clone();
    both.0.extend(two.0.clone());
    let index = |files: &Files| -> serde_json::Value {
        serde_json::from_slice(&files.0["index.json"]).unwrap()
    };
    let mut list = index(&one);
    let mut second = index(&two)["manifests"][0].clone();
    second["annotations"]["org.opencontainers.image.ref.name"] = "second".into();
    list["manifests"].as_array_mut().unwrap().push(second);
    both.0.insert("index.json".into(), serde_json::to_vec(&list).unwrap());
    let several = Layout::read(both.clone()).unwrap_err();
    assert!(matches!(several, LayoutError::Form { .. }), "{several}");
    assert!(several.to_string().contains("name one of bundle, second"), "{several}");
    let read = Layout::read_named(both.clone(), Some("second")).unwrap();
    assert_eq!(read, world.uncertified(|it| it.serial = 2));
    assert!(Layout::read_named(both, Some("third")).is_err());
    // The flat form, as it was written before, is read as ever.
    let layout = world.bundle();
    assert_eq!(Files::of(&layout).read().unwrap(), layout);
}
