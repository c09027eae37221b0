//! Real registries: Debian's docker-registry, which speaks version 1.0 of the protocol (so the
//! fallback for referrers is what finds certificates), with TLS and passwords; bundles that skopeo
//! and oras have carried from one to another.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::Path;
use std::process::Command;

use semper_base::cert::Roots;
use semper_distribution::{Fetcher, Options, Place};
use semper_testkit::{Binaries, process};
use semper_trust::Layout;
use semper_trust_tests::registry::{PASSWORD, USER, Yard};
use semper_trust_tests::{World, terms_of};

fn run(folder: &Path, program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).current_dir(folder).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&said));
}

#[test]
fn a_bundle_survives_registries_and_whoever_copies_it() {
    let yard = Yard::new();
    let (one, two) = (yard.registry("one"), yard.registry("two"));
    let world = World::new();
    let layout = world.bundle();
    let first = format!("registry://{}/otto/terms:current", one.host);
    yard.push(&layout, &first);
    let verified = |layout: &Layout| {
        let terms = world.verify(layout).unwrap();
        assert_eq!(terms.digest(), terms_of(layout).digest);
        terms.certified_by().len()
    };
    assert_eq!(verified(&yard.pull(&first).unwrap()), 3);

    // skopeo copies the whole index.
    let credentials = format!("{USER}:{PASSWORD}");
    run(
        yard.path(),
        "skopeo",
        &[
            "copy",
            "--all",
            "--insecure-policy",
            "--src-creds",
            &credentials,
            "--dest-creds",
            &credentials,
            "--src-cert-dir",
            "certs",
            "--dest-cert-dir",
            "certs",
            &format!("docker://{}/otto/terms:current", one.host),
            &format!("docker://{}/skopeo/terms:current", two.host),
        ],
    );
    let copied = yard.pull(&format!("registry://{}/skopeo/terms:current", two.host)).unwrap();
    assert_eq!(terms_of(&copied).digest, terms_of(&layout).digest);
    assert_eq!(verified(&copied), 3);

    // So does a client that is built on oras.
    let binaries = Binaries::beside().unwrap();
    let python = binaries.languages.parent().unwrap().join("strangers/bin/python");
    let script = binaries.repository.join("tests/trust/strangers/oras_copy.py");
    run(
        yard.path(),
        &python.display().to_string(),
        &[
            &script.display().to_string(),
            "certs/ca.crt",
            USER,
            PASSWORD,
            &format!("{}/otto/terms:current", one.host),
            &format!("{}/oras/terms:current", two.host),
        ],
    );
    let copied = yard.pull(&format!("registry://{}/oras/terms:current", two.host)).unwrap();
    assert_eq!(verified(&copied), 3);
}

#[test]
fn a_certificate_that_is_added_later_is_found_by_the_fallback_tag() {
    let yard = Yard::new();
    let registry = yard.registry("one");
    let world = World::new();
    let mut layout = world.uncertified(|_| {});
    let place = format!("registry://{}/otto/terms:current", registry.host);
    yard.push(&layout, &place);
    assert!(!world.verify(&yard.pull(&place).unwrap()).unwrap().grants().certified);

    // Two organisations add theirs, under tags of their own; the merchant does nothing.
    for it in 0..2 {
        world.certify(&mut layout, it, |_| {});
        yard.push(&layout, &format!("registry://{}/otto/terms:by-{it}", registry.host));
    }
    let pulled = yard.pull(&place).unwrap();
    assert!(world.verify(&pulled).unwrap().grants().certified);
    // By the digest of the terms alone, too.
    let digest = terms_of(&layout).digest;
    let pulled = yard.pull(&format!("registry://{}/otto/terms@{digest}", registry.host)).unwrap();
    assert!(world.verify(&pulled).unwrap().grants().certified);
}

#[test]
fn whoever_has_no_password_or_another_root_is_told_so() {
    let yard = Yard::new();
    let registry = yard.registry("one");
    let place: Place = format!("registry://{}/otto/terms:current", registry.host).parse().unwrap();
    let error = semper_distribution::pull(&place, &yard.fetcher(None), &()).unwrap_err();
    assert!(error.to_string().contains("wants a name and a password"), "{error}");
    let nobody = Fetcher::new(&Roots::default(), Options::default());
    let error = semper_distribution::pull(&place, &nobody, &()).unwrap_err();
    assert!(error.to_string().contains("cannot show a certificate"), "{error}");
    let error = yard.pull(&place.to_string()).unwrap_err();
    assert!(error.to_string().contains("there is no bundle at"), "{error}");
}

#[test]
fn the_commands_push_pull_and_copy() {
    let yard = Yard::new();
    let registry = yard.registry("one");
    let world = World::new();
    let layout = world.bundle();
    let nobody = Fetcher::new(&Roots::default(), Options::default());
    let local: Place = yard.path().join("bundle").display().to_string().parse().unwrap();
    semper_distribution::push(&layout, &local, &nobody, &()).unwrap();
    let binaries = Binaries::beside().unwrap();
    let sign = |arguments: &[&str]| {
        let net = ["--root", "certs/ca.crt", "--user", USER, "--password-file", "password"];
        let output =
            process::run(yard.path(), &binaries.sign, &[arguments, &net].concat()).unwrap();
        assert_eq!(output.code, 0, "{}: {}", arguments.join(" "), output.err);
        output
    };
    let place = format!("registry://{}/otto/terms:1", registry.host);
    sign(&["push", "--bundle", "bundle", &place]);
    sign(&["pull", &place, "--out", "pulled", "--cache", "cache"]);
    sign(&["copy", &place, "copied.tar", "--cache", "cache", "--json"]);
    for copy in ["pulled", "copied.tar"] {
        let digests =
            process::run(yard.path(), &binaries.sign, &["digest", "--bundle", copy, "--json"]);
        let digests = digests.unwrap().json();
        assert_eq!(digests["terms"], terms_of(&layout).digest.to_string());
    }
}
