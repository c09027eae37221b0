//! A consumer organisation's key is renewed by its root: buyers go on by the root that they have, what was
//! certified before still counts, and a crash leaves the old key or the new one. Without servers.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use common::desk::{Desk, signed};
use semper_base::{Certificate, SigningKey};
use semper_testkit::process::run;
use serde_json::{Value, json};

const RENEW: [&str; 4] = ["organisation", "--renew", "--out", "v"];
const DAY: i64 = 86_400_000;

fn read(desk: &Desk, name: &str) -> String {
    std::fs::read_to_string(desk.0.path().join(name)).unwrap()
}

/// A buyer's trust file, with the organisation's root as it was first given to her.
fn believe(desk: &Desk) {
    let folder = desk.0.path();
    std::fs::copy(folder.join("ca/root.pem"), folder.join("root.pem")).unwrap();
    std::fs::copy(folder.join("v/root.pem"), folder.join("verbraucherbund.pem")).unwrap();
    let criteria = "https://semper.example/criteria/consumer/1";
    let trust = format!(
        "authorities = [\"root.pem\"]\n\
         [evaluator.verbraucherbund]\nroot = \"verbraucherbund.pem\"\ncriteria = [\"{criteria}\"]\n\
         [[require]]\nthreshold = 1\nof = [\"verbraucherbund\"]\ncriteria = \"{criteria}\"\nlevel = 2\n"
    );
    std::fs::write(folder.join("trust.toml"), trust).unwrap();
}

/// Whether a buyer believes what is certified in a bundle.
fn counts(desk: &Desk, bundle: &str) -> bool {
    let verify = ["verify", "--bundle", bundle, "--trust", "trust.toml", "--json"];
    desk.run(&verify).json()["certified"] == json!(true)
}

/// What certifies a bundle with the files that lie in the organisation's folder.
fn certify(bundle: &str) -> Vec<String> {
    let description = Desk::text("certificate.toml");
    signed(&["certify", "--bundle", bundle, "--description", &description], "v/evaluator")
}

/// A new bundle that the organisation certifies with the files that lie there now.
fn certified(desk: &Desk, bundle: &str) {
    desk.done(&desk.service("author", bundle));
    desk.done(&certify(bundle));
    let description = Desk::text("terms.toml");
    desk.done(&signed(&["terms", "--bundle", bundle, "--description", &description], "otto"));
}

#[test]
fn a_renewed_key_certifies_under_the_same_root_and_what_the_old_one_certified_still_counts() {
    let desk = Desk::new();
    believe(&desk);
    let (root, key, pem) =
        (read(&desk, "v/root.pem"), read(&desk, "v/evaluator.key"), read(&desk, "v/evaluator.pem"));
    assert!(counts(&desk, "bundle"));

    let said = desk.done(&[&RENEW[..], &["--json"]].concat()).json();

    let new = Certificate::from_pem(&read(&desk, "v/evaluator.pem")).unwrap();
    let old = Certificate::from_pem(&pem).unwrap();
    assert_eq!((new.subject(), new.roles()), (old.subject(), old.roles()));
    let holds = SigningKey::from_pem(&read(&desk, "v/evaluator.key")).unwrap().public();
    assert_eq!(new.key().unwrap(), holds);
    assert_ne!(new.key().unwrap(), old.key().unwrap());
    assert_eq!(said["organisation"], "Verbraucherbund");
    assert_eq!(said["until"], json!(new.validity().1));
    // Root and old key are what they were.
    assert_eq!(read(&desk, "v/root.pem"), root);
    let kept: Vec<&str> =
        said["old"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    let date = new.validity().0.date();
    assert_eq!(kept, [format!("v/evaluator-{date}.key"), format!("v/evaluator-{date}.pem")]);
    assert_eq!([read(&desk, kept[0]), read(&desk, kept[1])], [key, pem]);
    let mode = |file: &str| {
        std::fs::metadata(desk.0.path().join(file)).unwrap().permissions().mode() & 0o777
    };
    assert_eq!([mode("v/evaluator.key"), mode(kept[0])], [0o600; 2]);
    assert_eq!(mode("v/evaluator.pem"), mode("v/root.pem"));
    // The buyer has the root of before, and nothing else.
    certified(&desk, "after");
    assert!(counts(&desk, "bundle") && counts(&desk, "after"));
    let verify = ["verify", "-CAfile", "verbraucherbund.pem", "v/evaluator.pem", kept[1]];
    let openssl = run(desk.0.path(), "openssl".as_ref(), &verify).unwrap();
    assert_eq!(openssl.code, 0, "{}", openssl.err);

    // Twice on a day: nothing that was kept is replaced.
    let before = read(&desk, kept[0]);
    let again = desk.done(&RENEW);
    assert!(again.out.contains(&format!("evaluator-{date}-2.key")), "{}", again.out);
    assert!(again.out.contains("certify it again before"), "{}", again.out);
    assert_eq!(read(&desk, kept[0]), before);
    assert!(counts(&desk, "after"));
}

/// The public keys in the folder whose files are named like this.
fn keys(folder: &Path, named: impl Fn(&str) -> bool) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder).unwrap().map(|it| it.unwrap().path());
    let keys = entries.filter(|it| named(&it.file_name().unwrap().to_string_lossy()));
    let public = |file| SigningKey::from_pem(&std::fs::read_to_string(file).unwrap()).unwrap();
    keys.map(|file| public(file).public().id().to_string()).collect()
}

#[test]
fn a_renewal_that_is_killed_at_any_moment_leaves_the_old_key_or_the_new_one() {
    let desk = Desk::new();
    believe(&desk);
    let folder = desk.0.path().join("v");
    let present = || keys(&folder, |name| name == "evaluator.key");
    let mut had = present();
    let mut step = 1;
    loop {
        let renewed = desk.run_with(("SEMPER_CRASH", &step.to_string()), &RENEW);
        had.extend(present());
        // The organisation certifies with what lies there, and is believed.
        let bundle = format!("bundle-{step}");
        certified(&desk, &bundle);
        assert!(counts(&desk, &bundle), "killed at step {step}");
        if renewed.code == 0 {
            break;
        }
        assert_eq!(renewed.code, -1, "{}", renewed.err);
        // The same command again goes on.
        let again = desk.done(&RENEW);
        assert!(again.out.contains("certifies by a new key until"), "{}", again.out);
        had.extend(present());
        assert!(keys(&folder, |name| name.ends_with(".next")).is_empty(), "killed at step {step}");
        step += 1;
    }
    assert!(step > 6, "killed {} times", step - 1);
    // Every key that has ever been in use is still there.
    let kept = keys(&folder, |name| name.starts_with("evaluator") && name.ends_with(".key"));
    assert_eq!(kept, had);
    assert!(kept.len() > 6, "{} keys", kept.len());
}

/// Milliseconds that a clock is behind so that what holds for so many years ends in ten days.
fn behind(years: i64) -> String {
    (-(years * 365 - 10) * DAY).to_string()
}

#[test]
fn what_cannot_renew_a_key_says_why_and_changes_nothing() {
    let desk = Desk::new();
    let folder = desk.0.path();
    desk.done(&["organisation", "--name", "Konsument", "--out", "k"]);
    let make = ["organisation", "--name", "Altbund", "--out", "a"];
    let made = desk.run_with(("SEMPER_CLOCK", &behind(20)), &make);
    assert_eq!(made.code, 0, "{}", made.err);
    let renew = |out: &'static str| ["organisation", "--renew", "--out", out];

    desk.fails(&renew("a"), &["the root of “Altbund” ends on", "make a new root", "former"]);
    desk.fails(&renew("nowhere"), &["there is no root.pem in nowhere"]);
    desk.fails(&renew("otto.pem"), &["there is no root.pem in otto.pem"]);
    desk.fails(&["organisation", "--out", "v"], &["--renew"]);
    desk.fails(&[&RENEW[..], &["--name", "Verbraucherbund"]].concat(), &["cannot be used with"]);

    // The root is off line, as it should be.
    std::fs::rename(folder.join("v/root.key"), folder.join("root.key")).unwrap();
    desk.fails(&RENEW, &["v/root.key is not there", "keeps it off line", "put root.key there"]);
    // Somebody else's lies there.
    std::fs::copy(folder.join("k/root.key"), folder.join("v/root.key")).unwrap();
    desk.fails(&RENEW, &["v/root.key is not the key of v/root.pem", "made with this root.pem"]);
    std::fs::rename(folder.join("root.key"), folder.join("v/root.key")).unwrap();
    // And somebody else's certificate.
    std::fs::rename(folder.join("v/evaluator.pem"), folder.join("evaluator.pem")).unwrap();
    std::fs::copy(folder.join("k/evaluator.pem"), folder.join("v/evaluator.pem")).unwrap();
    desk.fails(&RENEW, &["v/evaluator.pem is not certified by the root of “Verbraucherbund”"]);

    // A key that is lost is no hindrance.
    std::fs::rename(folder.join("evaluator.pem"), folder.join("v/evaluator.pem")).unwrap();
    std::fs::remove_file(folder.join("v/evaluator.key")).unwrap();
    desk.done(&RENEW);
    desk.done(&desk.certify("v/evaluator"));
}

#[test]
fn an_organisation_hears_weeks_before_that_its_certificate_ends() {
    let desk = Desk::new();
    assert!(!desk.done(&desk.certify("v/evaluator")).out.contains("CAUTION"));
    std::fs::remove_dir_all(desk.0.path().join("v")).unwrap();
    let make = ["organisation", "--name", "Verbraucherbund", "--out", "v"];
    let made = desk.run_with(("SEMPER_CLOCK", &behind(3)), &make);
    assert_eq!(made.code, 0, "{}", made.err);
    let until = Certificate::from_pem(&read(&desk, "v/evaluator.pem")).unwrap().validity().1.date();

    let warned = desk.done(&desk.certify("v/evaluator"));

    let words = format!("the certificate of “Verbraucherbund” ends on {until}");
    let mend = "semper-sign organisation --renew --out v";
    assert!(warned.out.contains(&format!("CAUTION: {words}")), "{}", warned.out);
    assert!(warned.out.contains(mend), "{}", warned.out);
    let listed = desk.certify("v/evaluator");
    let said = desk.done(&[listed, vec!["--json".into()]].concat()).json();
    let warning = said["warning"].as_str().unwrap();
    assert!(warning.starts_with(&words) && warning.ends_with(mend), "{warning}");
    assert!(said["certificate"].is_string());
    // Its list ends with it, too.
    let revoke = ["revoke", "--list", "list.json", "--root", "v/root.pem"];
    assert!(desk.done(&signed(&revoke, "v/evaluator")).out.contains(mend));
    // What it is told to do mends it.
    desk.done(&mend.split(' ').skip(1).collect::<Vec<_>>());
    assert!(!desk.done(&desk.certify("v/evaluator")).out.contains("CAUTION"));
}
