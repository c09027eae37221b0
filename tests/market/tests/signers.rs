//! What signers mistype: in a role that is not theirs, onto a bundle that others have signed, to a place that
//! was meant to be another. It is said at once, and nothing is lost. Without servers.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use common::binaries;
use common::desk::{Desk, signed};
use semper_roles::ca::Ca;
use serde_json::Value;

#[test]
fn whoever_signs_in_another_role_hears_it_at_once() {
    let desk = Desk::new();
    let wrong =
        |role: &str, want: &str| format!("certifies as {role}, and this is signed as {want}");

    desk.fails(&desk.terms("author"), &[&wrong("author", "merchant"), "ca invite --role merchant"]);
    desk.fails(&desk.certify("author"), &[&wrong("author", "evaluator"), "organisation"]);
    desk.fails(&desk.service("bank", "other"), &[&wrong("bank", "author")]);
    let delegate = ["delegate", "--bundle", "bundle", "--to", "v/root.pem", "--criteria", "c"];
    let delegate = [&delegate[..], &["--level", "2"]].concat();
    desk.fails(&signed(&delegate, "otto"), &[&wrong("merchant", "evaluator")]);
    let leaf = ["delegate", "--bundle", "bundle", "--to", "v/evaluator.pem", "--criteria", "c"];
    let leaf = [&leaf[..], &["--level", "2"]].concat();
    desk.fails(&signed(&leaf, "v/evaluator"), &["is no root"]);
}

#[test]
fn what_others_have_signed_in_a_bundle_is_not_overwritten() {
    let desk = Desk::new();
    let lost = ["would be lost", "terms signed by “Otto Versand”", "“Verbraucherbund”"];

    desk.fails(&desk.service("author", "bundle"), &lost);
    let guest = |name: &str| binaries().guests.join(name).display().to_string();
    let (buyer, seller) = (guest("mail_order_buyer.wasm"), guest("mail_order_seller.wasm"));
    let description = Desk::text("service.toml");
    let pack = ["pack", "--buyer", &buyer, "--seller", &seller, "--description", &description];
    desk.fails(&[&pack[..], &["--author", "Ada Author", "--out", "bundle"]].concat(), &lost);
    // The author's own comes and goes as she likes, and so do copies of the same.
    desk.done(&desk.service("author", "plain"));
    desk.done(&desk.service("author", "plain"));
    desk.fails(&["copy", "plain", "bundle"], &lost);
    desk.done(&["copy", "bundle", "copy.tar"]);
    desk.done(&["copy", "bundle", "copy.tar"]);
    desk.fails(&["copy", "plain", "copy.tar"], &lost);
    std::fs::write(desk.0.path().join("notes.tar"), "mine").unwrap();
    desk.fails(&["copy", "bundle", "notes.tar"], &["notes.tar is there", "cannot be read"]);
    // Terms take the place of the merchant's own.
    desk.done(&desk.terms("otto"));
}

#[test]
fn a_registry_without_its_scheme_is_no_folder() {
    let desk = Desk::new();
    for place in [
        "localhost:5055/otto/terms",
        "reg.example/otto/terms:1",
        "reg.example/otto/terms",
        "otto/terms:1",
    ] {
        let scheme = format!("registry://{place}");
        desk.fails(
            &["publish", "--bundle", "bundle", "--to", place],
            &[&scheme, &format!("./{place}")],
        );
        desk.fails(&["push", "--bundle", "bundle", place], &[&scheme]);
    }
    desk.done(&["push", "--bundle", "bundle", "./reg.example/otto"]);
    desk.done(&["publish", "--bundle", "bundle", "--to", "public"]);
}

#[test]
fn what_cannot_be_read_or_is_not_known_is_said_in_plain_words() {
    let desk = Desk::new();
    std::fs::write(desk.0.path().join("ca.toml"), "listen = 1\n").unwrap();
    let mut no_component = desk.service("author", "x");
    let at = no_component.iter().position(|it| it == "--buyer").unwrap();
    no_component[at + 1] = "ca.toml".into();
    desk.fails(&no_component, &["ca.toml is no WebAssembly component", "semper-sign build"]);

    // A verifier that asks nobody says where lists come from.
    std::fs::copy(desk.0.path().join("v/root.pem"), desk.0.path().join("v.pem")).unwrap();
    std::fs::copy(desk.0.path().join("ca/root.pem"), desk.0.path().join("root.pem")).unwrap();
    let trust = "authorities = [\"root.pem\"]\ncrls = [\"https://ca.example/semper/v1/crl\"]\n\
                 [evaluator.v]\nroot = \"v.pem\"\n\
                 criteria = [\"https://semper.example/criteria/consumer/1\"]\n";
    std::fs::write(desk.0.path().join("trust.toml"), trust).unwrap();
    let verify = ["verify", "--bundle", "bundle", "--trust", "trust.toml"];
    let refused = desk.run(&[&verify[..], &["--json"]].concat());
    let said: Value = serde_json::from_str(&refused.err).unwrap();
    assert_eq!((refused.code, &said["code"]), (1, &1.into()), "{said}");
    let mend = said["mend"].as_str().unwrap();
    assert!(mend.contains("https://ca.example/semper/v1/crl") && mend.contains("--crl"), "{mend}");
    // As the operator carries it over (PEM), and as a home keeps it beside its trust file (DER).
    let ca = Ca::open(&desk.0.path().join("ca")).unwrap();
    let list = semper_base::cert::Crl::from_der(&ca.list().unwrap()).unwrap();
    std::fs::write(desk.0.path().join("list.pem"), list.to_pem()).unwrap();
    desk.done(&[&verify[..], &["--crl", "list.pem"]].concat());
    std::fs::create_dir(desk.0.path().join("lists")).unwrap();
    std::fs::write(desk.0.path().join("lists/ca.crl"), list.der()).unwrap();
    desk.done(&verify);
}
