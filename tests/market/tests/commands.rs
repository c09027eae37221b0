//! Commands as a new user would mistype them: one clear message, the mend, the right exit code.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use common::{binaries, market};
use semper_testkit::process::{self, Output};
use semper_testkit::{Market, MarketOptions};

fn run(folder: &Path, arguments: &[&str]) -> Output {
    process::run(folder, &binaries().semper, arguments).unwrap()
}

/// One error message, with this in it, and this exit code.
fn fails(output: &Output, code: i32, with: &str) {
    assert_eq!(output.code, code, "{}{}", output.out, output.err);
    assert!(output.err.contains(with), "{with} in {}", output.err);
    // For people, or under --json.
    let is_error = |line: &&str| line.starts_with("error:") || line.starts_with("{\"error\":");
    let errors = output.err.lines().filter(is_error).count();
    assert_eq!(errors, 1, "{}", output.err);
    assert!(!output.err.contains("panicked"), "{}", output.err);
}

/// The commands below one, by its help.
fn below(text: &str) -> Vec<String> {
    let Some((_, after)) = text.split_once("Commands:\n") else { return Vec::new() };
    let lines = after.lines().take_while(|line| !line.is_empty());
    let named = lines.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names = named.filter_map(|line| line.split_whitespace().next());
    names.filter(|name| *name != "help").map(str::to_owned).collect()
}

/// What every command of a program says about itself, by its words; those that do something are
/// at least `least`, and have an example.
fn helps(program: &Path, least: usize) -> BTreeMap<String, String> {
    let folder = tempfile::tempdir().unwrap();
    let (mut open, mut texts, mut seen) = (vec![String::new()], BTreeMap::new(), 0);
    while let Some(words) = open.pop() {
        let arguments: Vec<_> = words.split_whitespace().chain(["--help"]).collect();
        let output = process::run(folder.path(), program, &arguments).unwrap();
        assert_eq!(output.code, 0, "{arguments:?}: {}", output.err);
        let below = below(&output.out);
        if below.is_empty() {
            seen += 1;
            assert!(output.out.contains("Example"), "{arguments:?}\n{}", output.out);
        }
        open.extend(below.into_iter().map(|name| format!("{words} {name}").trim().to_owned()));
        texts.insert(words, output.out);
    }
    assert!(seen >= least, "only {seen} commands");
    texts
}

#[test]
fn every_command_has_help_with_an_example() {
    let commands = [
        "init",
        "register",
        "preference",
        "account open",
        "account show",
        "tinguin",
        "buy",
        "deals",
        "archive list",
        "archive show",
        "archive verify",
        "archive export",
        "serve",
        "ca init",
        "ca invite",
        "ca list",
        "bank init",
        "bank fund",
        "catalogue import",
    ];
    let texts = helps(&binaries().semper, 20);
    for command in commands {
        assert!(texts[command].contains("Example"), "{command}\n{}", texts[command]);
    }
    helps(&binaries().sign, 20);
    let folder = tempfile::tempdir().unwrap();
    // With a name that a command had before.
    for command in
        ["key", "request", "organisation", "service", "terms", "certify", "inspect", "verify"]
    {
        let output = process::run(folder.path(), &binaries().sign, &[command, "--help"]).unwrap();
        assert!(output.out.contains("Example"), "{command}");
    }
}

#[test]
fn a_wrong_word_is_refused_with_what_there_is() {
    let folder = tempfile::tempdir().unwrap();
    for program in [&binaries().semper, &binaries().sign] {
        let output = process::run(folder.path(), program, &["purchase"]).unwrap();
        assert_eq!(output.code, 2);
        assert!(output.err.contains("purchase") && output.err.contains("--help"), "{}", output.err);
    }
}

#[test]
fn wrong_input_is_said_before_anything_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();

    assert_eq!(run(path, &["sell"]).code, 2);
    assert_eq!(run(path, &["buy"]).code, 2);
    fails(&run(path, &["deals", "--home", "nobody"]), 2, "there is no home at nobody");
    fails(&run(path, &["archive", "list", "--home", "nobody"]), 2, "semper init --home nobody");
    fails(&run(path, &["serve", "missing.toml"]), 2, "missing.toml");
    let init =
        ["init", "--home", "anna", "--user", "Anna", "--phrase", "x", "--authority", "root.pem"];
    fails(&run(path, &init), 2, "root.pem");
    assert!(!path.join("anna").exists());

    std::fs::write(path.join("bad.toml"), "listen = \"127.0.0.1:1\"\n[tls]\ncertificate = 3\n")
        .unwrap();
    fails(&run(path, &["serve", "--check", "bad.toml"]), 2, "line 3");
    std::fs::write(path.join("bad.toml"), "listen = \"x\"\n").unwrap();
    fails(&run(path, &["serve", "--check", "bad.toml"]), 2, "line 1");
    let none = "listen = \"127.0.0.1:1\"\n[tls]\ncertificate = \"a\"\nkey = \"b\"\n";
    std::fs::write(path.join("bad.toml"), none).unwrap();
    fails(&run(path, &["serve", "bad.toml"]), 2, "names no role");
    // A check says everything: no role, no certificate, no key.
    let checked = run(path, &["serve", "--check", "bad.toml"]);
    let errors = checked.err.lines().filter(|line| line.starts_with("error: ")).count();
    assert_eq!((checked.code, errors), (2, 3), "{}", checked.err);
}

#[test]
fn an_authority_certifies_once_per_registration_key_and_only_whom_it_invited() {
    let options = MarketOptions { articles: 10, scripted_buyer: true, ..MarketOptions::default() };
    let (market, _folder) = market(&options);
    let ca = format!("https://localhost:{}", market.ports[0]);
    let invited = |name: &str, more: &[&str]| {
        let what = ["ca", "invite", "--home", "ca", "--name", name, "--role", "author", "--json"];
        market.semper(&[&what, more].concat()).unwrap()
    };
    let key_of = |invited: Output| invited.json()["key"].as_str().unwrap().to_owned();
    let invite = |name: &str| key_of(invited(name, &[]));
    let register = |request: &str, out: &str, key: &str| {
        market
            .semper(&[
                "register",
                "--ca",
                &ca,
                "--authority",
                "ca/root.pem",
                "--request",
                request,
                "--out",
                out,
                "--key",
                key,
            ])
            .unwrap()
    };
    for (key, name, csr) in [("a.key", "Bea", "a.csr"), ("b.key", "Bea", "b.csr")] {
        market.sign(&["key", "--out", key]).unwrap();
        market.sign(&["request", "--key", key, "--name", name, "--out", csr]).unwrap();
    }
    let key = invite("Bea");

    fails(&register("a.csr", "a.pem", "00000-00000"), 1, "not known");
    assert_eq!(register("a.csr", "a.pem", &key).code, 0);
    // The answer may have been lost: the same request gets the same certificate.
    assert_eq!(register("a.csr", "again.pem", &key).code, 0);
    let read = |name: &str| std::fs::read_to_string(market.folder.join(name)).unwrap();
    assert_eq!(read("a.pem"), read("again.pem"));
    fails(&register("b.csr", "b.pem", &key), 1, "used for another key pair already");
    fails(&register("a.csr", "c.pem", &invite("Cleo")), 1, "given out for “Cleo”");
    // A request without proof of possession.
    let broken = read("a.csr").replacen("MIGYME", "MIGYMF", 1);
    std::fs::write(market.folder.join("broken.csr"), broken.replace('B', "C")).unwrap();
    // A name belongs to one party, and so does one that looks like it.
    fails(&invited("Bea", &[]), 1, "author “Bea” has a certificate already");
    fails(&invited("Bea", &[]), 1, "semper ca invite --again");
    fails(&invited("B-e-a", &[]), 1, "“B-e-a” looks like “Bea”");
    let further = key_of(invited("Bea", &["--again"]));
    assert_eq!(register("broken.csr", "d.pem", &further).code, 1);
    assert_eq!(register("b.csr", "b.pem", &further).code, 0);
    let listed = market.semper(&["ca", "list", "--home", "ca"]).unwrap();
    assert_eq!(listed.out.lines().filter(|it| it.ends_with("  Bea")).count(), 2, "{}", listed.out);
    merchant_side(&market);
    buyer_side(&market);
}

/// What a merchant's operator may get wrong.
fn merchant_side(market: &Market) {
    let path = &market.folder;
    fails(&run(path, &["serve", "merchant.toml"]), 1, "another host of");
    // The bank's port is taken by the bank that runs.
    fails(&run(path, &["serve", "bank.toml"]), 2, "is in use");
    assert_eq!(run(path, &["serve", "--check", "bank.toml"]).code, 0);

    let csv = "number,title,category,size,colour,price,stock,delivery_days\n\
               1,Scarf,knitwear,,,19.99 EUR,1,3\n\
               2,Cap,knitwear,,,19.900 EUR,1,3\n\
               3,Coat,coats,,,10.00 EUR,minus,3\n";
    std::fs::write(path.join("bad.csv"), csv).unwrap();
    let output = run(path, &["catalogue", "import", "--home", "otto", "bad.csv"]);
    fails(&output, 2, "line 3, price “19.900 EUR”");
    assert!(output.err.contains("line 4, stock “minus”: must be a whole number"), "{}", output.err);
    assert!(output.err.contains("nothing was imported"), "{}", output.err);

    std::fs::set_permissions(path.join("bank-tls.key"), std::fs::Permissions::from_mode(0o644))
        .unwrap();
    fails(&run(path, &["serve", "bank.toml"]), 2, "chmod 600 ");
    fails(
        &run(
            path,
            &["bank", "fund", "--home", "bank", "--account", "acct:1", "--amount", "1.00 EUR"],
        ),
        1,
        "no account",
    );
    fails(
        &run(path, &["bank", "fund", "--home", "bank", "--account", "acct:1", "--amount", "1"]),
        2,
        "not an amount",
    );
}

/// What a buyer may get wrong.
fn buyer_side(market: &Market) {
    let path = &market.folder;
    let nobody = format!("https://localhost:{}", process::free_port().unwrap());
    fails(&run(path, &["buy", "--home", "anna", &nobody]), 1, "cannot be reached");
    // Without https:// it is meant all the same.
    let bare = nobody.trim_start_matches("https://");
    fails(&run(path, &["buy", "--home", "anna", bare]), 1, "cannot be reached");
    for (typed, says) in [
        ("http://localhost:1", "semper speaks HTTPS alone"),
        ("ftp://localhost", "is not an address of HTTPS"),
        ("./bundle", "is not an address"),
        ("", "is not an address"),
    ] {
        fails(&run(path, &["buy", "--home", "anna", typed]), 2, says);
        let open = ["account", "open", "--home", "anna", "--name", "Test Bank", "--bank", typed];
        fails(&run(path, &open), 2, says);
    }
    // The bank publishes no terms.
    fails(&run(path, &["buy", "--home", "anna", &market.bank_url()]), 1, "there is no bundle at");
    fails(&run(path, &["archive", "show", "--home", "anna", "ffff"]), 2, "there is no deal");
    fails(
        &run(path, &["preference", "--home", "anna", "--set", "shoe=42"]),
        2,
        "is not a preference",
    );
    let country = |value: &str| {
        let set = format!("country={value}");
        run(path, &["preference", "--home", "anna", "--set", &set, "--json"])
    };
    // For a program: one line of JSON.
    let refused = country("Deutschland");
    let said: serde_json::Value = serde_json::from_str(&refused.err).unwrap();
    assert_eq!((refused.code, &said["code"]), (2, &serde_json::json!(2)));
    assert!(said["mend"].as_str().unwrap().contains("DE for Germany"), "{said}");
    assert_eq!(country("de").json()["country"], "DE");

    std::fs::write(path.join("wrong"), "not the pass-phrase").unwrap();
    std::fs::set_permissions(path.join("wrong"), std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::write(path.join("rules"), "").unwrap();
    let tinguin = ["tinguin", "--home", "anna", "--rules", "rules", "--pass-phrase-file", "wrong"];
    fails(&run(path, &tinguin), 2, "the pass-phrase is wrong");
    let tinguin =
        ["tinguin", "--home", "anna", "--rules", "rules", "--pass-phrase-file", "pass-phrase"];
    fails(&run(path, &tinguin), 2, "another TINGUIN of this home is running");

    std::fs::set_permissions(path.join("anna"), std::fs::Permissions::from_mode(0o755)).unwrap();
    fails(&run(path, &["deals", "--home", "anna"]), 2, "chmod 700 ");
    std::fs::set_permissions(path.join("anna"), std::fs::Permissions::from_mode(0o700)).unwrap();
    std::fs::write(path.join("anna/archive.sqlite"), vec![7; 20_000]).unwrap();
    fails(&run(path, &["deals", "--home", "anna"]), 1, "is damaged");
}
