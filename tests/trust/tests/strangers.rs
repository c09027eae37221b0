//! Tools of others agree: openssl on chains, lists and signatures; securesystemslib and in-toto
//! on envelopes; a script on log proofs; jsonschema on every statement.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::{Path, PathBuf};
use std::process::Command;

use semper_base::Digest;
use semper_testkit::Binaries;
use semper_trust::Layout;
use semper_trust::bundle;
use semper_trust::envelope::pre_authentication;
use semper_trust::trustfile::About;
use semper_trust_tests::{DAY, World, envelope_of, service_of, terms_of};
use serde_json::Value;

fn run(folder: &Path, program: &str, arguments: &[&str]) -> (bool, String) {
    let output = Command::new(program).args(arguments).current_dir(folder).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

/// The Python of the environment that xtask has made, and the scripts.
fn python() -> (String, PathBuf) {
    let binaries = Binaries::beside().unwrap();
    let environment = binaries.languages.parent().unwrap().join("strangers");
    let program = environment.join("bin/python").display().to_string();
    (program, binaries.repository.join("tests/trust/strangers"))
}

/// Every kind of statement that there is, as files.
fn statements(world: &World, folder: &Path) -> Vec<String> {
    let mut layout: Layout = world.bundle();
    let mut certificate = world.certificate(0);
    certificate.scope.countries = ["DE".to_owned(), "AT".to_owned()].into();
    certificate.scope.credentials = Some(["name".to_owned()].into());
    certificate.scope.parameters =
        [("days".to_owned(), semper_trust::describe::Bounds::Number { least: 1, most: 14 })].into();
    certificate.report_digest = Some(Digest::of(b"report"));
    certificate.predecessor = Some(Digest::of(b"older"));
    let signer = world.organisations[0].2.signer();
    bundle::certify(&mut layout, About::Terms, certificate, &signer).unwrap();
    world.delegate(&mut layout, 0, 1, |_| {});
    let mut files = Vec::new();
    let mut keep = |bytes: &[u8]| {
        let name = format!("{}.json", files.len());
        std::fs::write(folder.join(&name), bytes).unwrap();
        files.push(name);
    };
    for (_, bytes) in bundle::statements(&layout).unwrap() {
        keep(&bytes);
    }
    let (_, own, evaluator) = &world.organisations[0];
    let what = [service_of(&layout).digest];
    keep(&world.list_by(evaluator, &own.certificate, &what, world.now.after(DAY)));
    files
}

#[test]
fn securesystemslib_in_toto_and_jsonschema_take_every_statement() {
    let world = World::new();
    let folder = tempfile::tempdir().unwrap();
    let files = statements(&world, folder.path());
    let (python, scripts) = python();
    let script = scripts.join("envelopes.py").display().to_string();
    let schemas = scripts.ancestors().nth(3).unwrap().join("policies/schemas");
    let schemas = schemas.display().to_string();
    let mut arguments = vec![script.as_str(), &schemas];
    arguments.extend(files.iter().map(String::as_str));
    let (fine, said) = run(folder.path(), &python, &arguments);
    assert!(fine, "{said}");
    for kind in ["authored", "offered", "certified", "delegated", "revoked"] {
        assert!(said.contains(&format!("predicate/{kind}/v1")), "no {kind} in {said}");
    }
    assert_eq!(said.lines().count(), files.len());

    // What is spoiled is not taken by them either.
    let bytes = std::fs::read_to_string(folder.path().join(&files[0])).unwrap();
    let mut value: Value = serde_json::from_str(&bytes).unwrap();
    let sig = value["signatures"][0]["sig"].as_str().unwrap().to_owned();
    let first = if sig.starts_with('A') { "B" } else { "A" };
    value["signatures"][0]["sig"] = format!("{first}{}", &sig[1..]).into();
    std::fs::write(folder.path().join("spoiled.json"), value.to_string()).unwrap();
    let (fine, _) = run(folder.path(), &python, &[&script, &schemas, "spoiled.json"]);
    assert!(!fine);
}

#[test]
fn openssl_verifies_chains_lists_and_signatures() {
    let world = World::new();
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
    let openssl = |arguments: &[&str]| run(folder.path(), "openssl", arguments);
    let layout = world.bundle();
    let (_, _, bytes) = envelope_of(&layout, bundle::SIGNATURE, &terms_of(&layout).digest);
    let envelope: Value = serde_json::from_slice(&bytes).unwrap();
    let signature = &envelope["signatures"][0];
    let decode = |value: &Value| {
        use base64::Engine as _;
        base64::prelude::BASE64_STANDARD.decode(value.as_str().unwrap()).unwrap()
    };
    let kind = envelope["payloadType"].as_str().unwrap();
    write("pae", &pre_authentication(kind, &decode(&envelope["payload"])));
    write("sig", &decode(&signature["sig"]));
    write("leaf.pem", signature["chain"][0].as_str().unwrap().as_bytes());
    write("root.pem", world.authority.certificate.to_pem().as_bytes());

    let (fine, said) = openssl(&["verify", "-x509_strict", "-CAfile", "root.pem", "leaf.pem"]);
    assert!(fine, "{said}");
    let (fine, key) = openssl(&["x509", "-in", "leaf.pem", "-noout", "-pubkey"]);
    assert!(fine);
    write("key.pem", key.as_bytes());
    let verify = [
        "pkeyutl", "-verify", "-pubin", "-inkey", "key.pem", "-rawin", "-in", "pae", "-sigfile",
        "sig",
    ];
    let (fine, said) = openssl(&verify);
    assert!(fine && said.contains("Verified Successfully"), "{said}");
    write("pae", b"DSSEv1 something else");
    assert!(!openssl(&verify).0);

    // An authority's list: read, verified, and obeyed.
    for (withdrawn, good) in [(vec![], true), (vec![&world.merchant.chain[0]], false)] {
        let crl = world.crl(&withdrawn, world.now.after(DAY));
        write("list.pem", crl.to_pem().as_bytes());
        let (fine, said) =
            openssl(&["crl", "-in", "list.pem", "-CAfile", "root.pem", "-noout", "-text"]);
        assert!(fine && said.contains("verify OK"), "{said}");
        assert!(said.contains("X509v3 CRL Number"), "{said}");
        let check =
            ["verify", "-crl_check", "-CAfile", "root.pem", "-CRLfile", "list.pem", "leaf.pem"];
        let (fine, said) = openssl(&check);
        assert_eq!(fine, good, "{said}");
        assert!(good || said.contains("certificate revoked"), "{said}");
    }
}

#[test]
fn a_script_that_knows_nothing_of_ours_recomputes_a_log_proof() {
    let world = World::new();
    let folder = tempfile::tempdir().unwrap();
    let layout = world.bundle();
    let (_, _, entry) = envelope_of(&layout, bundle::SIGNATURE, &terms_of(&layout).digest);
    let proof = world.log.prove(&entry);
    std::fs::write(folder.path().join("entry"), &entry).unwrap();
    std::fs::write(folder.path().join("proof"), proof.to_string()).unwrap();
    let (python, scripts) = python();
    let script = scripts.join("proof.py").display().to_string();
    let (log, witness) = (world.log.vkey().to_string(), world.log.witness_key().to_string());
    let arguments = [script.as_str(), "entry", "proof", &log, &witness];
    let (fine, said) = run(folder.path(), &python, &arguments);
    assert!(fine, "{said}");
    assert_eq!(said.trim(), "log.example/terms 2 5 witness.example/one");

    std::fs::write(folder.path().join("entry"), b"something else").unwrap();
    let (fine, said) = run(folder.path(), &python, &arguments);
    assert!(!fine && said.contains("another root"), "{said}");
}
