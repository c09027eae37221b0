//! What operators mistype: an authority's, a bank's, a buyer's who says whom she believes. Nothing wrong is
//! done, nothing is half done, and the mend mends it. Without servers.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use common::binaries;
use semper_base::Role;
use semper_roles::ca::{Ca, Registration};
use semper_testkit::process::{self, Output};
use serde_json::Value;
use tempfile::TempDir;

/// A folder in which commands are typed.
struct Desk(TempDir);

impl Desk {
    /// With an authority, a consumer organisation, and Anna's home.
    fn new() -> Self {
        let desk = Self(tempfile::tempdir().unwrap());
        desk.done(&["ca", "init", "--home", "ca", "--name", "Market CA", "--server", "localhost"]);
        desk.signed(&["organisation", "--name", "Konsument", "--out", "konsument"]);
        std::fs::write(desk.path("pass"), "seven green bottles").unwrap();
        std::fs::set_permissions(desk.path("pass"), PermissionsExt::from_mode(0o600)).unwrap();
        desk.done(&desk.init("anna", "ca/root.pem"));
        desk
    }

    fn init<'a>(&self, home: &'a str, authority: &'a str) -> Vec<&'a str> {
        let mut all = vec!["init", "--home", home, "--user", "Anna", "--phrase", "two owls"];
        all.extend(["--authority", authority, "--pass-phrase-file", "pass"]);
        all
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        process::run(self.0.path(), &binaries().semper, arguments).unwrap()
    }

    fn done(&self, arguments: &[&str]) -> Output {
        let output = self.run(arguments);
        assert_eq!(output.code, 0, "{}: {}{}", arguments.join(" "), output.out, output.err);
        output
    }

    fn signed(&self, arguments: &[&str]) {
        let output = process::run(self.0.path(), &binaries().sign, arguments).unwrap();
        assert_eq!(output.code, 0, "{}: {}", arguments.join(" "), output.err);
    }

    /// One error with these words, and this exit code; the same for a program.
    fn fails(&self, arguments: &[&str], code: i32, words: &[&str]) {
        let typed = arguments.join(" ");
        let output = self.run(arguments);
        assert_eq!(output.code, code, "{typed}: {}{}", output.out, output.err);
        let errors = output.err.lines().filter(|line| line.starts_with("error:")).count();
        assert_eq!(errors, 1, "{typed}: {}", output.err);
        let machine = self.run(&[arguments, &["--json"]].concat());
        assert_eq!((machine.code, machine.out.as_str()), (code, ""), "{typed}: {}", machine.err);
        let said: Value = serde_json::from_str(&machine.err).unwrap();
        let both =
            format!("{} {}", said["error"].as_str().unwrap(), said["mend"].as_str().unwrap());
        for word in words {
            assert!(output.err.contains(word), "{typed}: {word} in {}", output.err);
            assert!(both.contains(word), "{typed}: {word} in {said}");
        }
    }

    /// A party with a key in a file, and its certificate: by the authority's store, without its server.
    fn certified(&self, file: &str, name: &str, role: Role) {
        let (key, csr) = (format!("{file}.key"), format!("{file}.csr"));
        self.signed(&["key", "--out", &key]);
        self.signed(&["csr", "--key", &key, "--name", name, "--out", &csr]);
        let ca = Ca::open(&self.path("ca")).unwrap();
        let key = ca.invite(name, role, &[]).unwrap();
        let request = std::fs::read_to_string(self.path(&csr)).unwrap();
        let chain = ca.register(&Registration { key, request }).unwrap().chain;
        let pem = semper_base::Certificate::chain_to_pem(&chain);
        std::fs::write(self.path(&format!("{file}.pem")), pem).unwrap();
    }

    fn bank(&self) {
        self.certified("bank", "Test Bank", Role::Bank);
        let mut init = vec!["bank", "init", "--home", "bank", "--key", "bank.key"];
        init.extend(["--certificate", "bank.pem", "--authority", "ca/root.pem"]);
        self.done(&init);
    }
}

fn files(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut all: Vec<String> =
        entries.map(|it| it.unwrap().file_name().to_string_lossy().into_owned()).collect();
    all.sort();
    all
}

#[test]
fn a_certificate_that_was_never_issued_is_not_revoked_and_a_party_becomes_no_authority() {
    let desk = Desk::new();
    desk.bank();
    desk.done(&["ca", "init", "--home", "root", "--name", "Market Root"]);

    let revoke = ["ca", "revoke", "--home", "ca"];
    let with = |more: &[&'static str]| [&revoke[..], more].concat();
    desk.fails(&with(&["--serial", "00"]), 2, &["issued by this authority", "semper ca list"]);
    desk.fails(&with(&["--serial", "zz"]), 2, &["no serial number", "semper ca list"]);
    desk.fails(&with(&["--certificate", "konsument/evaluator.pem"]), 2, &["by “Konsument”"]);
    desk.fails(&revoke[..], 2, &["--serial <SERIAL>|--certificate <CERTIFICATE>"]);
    let out = ["--request", "bank.csr", "--out", "x.pem"];
    let certify = [&["ca", "certify", "--home", "root"][..], &out].concat();
    desk.fails(&certify, 2, &["“Test Bank” asks for a party's certificate", "--below"]);
    assert!(!desk.path("x.pem").exists());

    let listed = desk.done(&["ca", "list", "--home", "ca", "--json"]).json();
    let serial = listed[0]["serial"].as_str().unwrap().to_owned();
    let upper = serial.to_uppercase();
    let revoked = desk.done(
        &with(&["--json"])[..].iter().copied().chain(["--serial", &upper]).collect::<Vec<_>>(),
    );
    assert_eq!(revoked.json()["serial"], serial);
}

#[test]
fn an_authority_below_a_root_is_told_that_it_lacks_the_roots_list_and_takes_both_or_neither() {
    let desk = Desk::new();
    desk.done(&["ca", "init", "--home", "root", "--name", "Market Root"]);
    let below = ["--server", "localhost", "--below", "root/root.pem", "--json"];
    let begin = [&["ca", "init", "--home", "below", "--name", "Below"][..], &below].concat();
    assert_eq!(desk.done(&begin).json()["request"], "below/ca.csr");
    let certify = ["ca", "certify", "--home", "root", "--request", "below/ca.csr"];
    desk.done(&[&certify[..], &["--out", "below.pem"]].concat());
    let install = ["ca", "install", "--home", "below"];
    let with = |more: &[&'static str]| [&install[..], more].concat();
    let before = files(&desk.path("below"));

    let missing = ["--certificate", "below.pem", "--list", "missing.crl"];
    desk.fails(&with(&missing), 2, &["missing.crl"]);
    assert_eq!(files(&desk.path("below")), before);
    desk.done(&["ca", "crl", "--home", "ca", "--out", "foreign.crl"]);
    let foreign = ["--certificate", "below.pem", "--list", "foreign.crl"];
    desk.fails(&with(&foreign), 2, &["the list is not by “Market Root”"]);
    assert_eq!(files(&desk.path("below")), before);

    let alone = desk.done(&with(&["--certificate", "below.pem"]));
    assert!(alone.out.contains("CAUTION: the root's list"), "{}", alone.out);
    let server = "listen = \"127.0.0.1:1\"\n[tls]\ncertificate = \"below/tls.pem\"\nkey = \"below/tls.key\"\n\
                  [ca]\nhome = \"below\"\n";
    std::fs::write(desk.path("below.toml"), server).unwrap();
    let check = ["serve", "--check", "below.toml"];
    desk.fails(&check, 1, &["everything below the root is refused", "semper ca install"]);

    desk.done(&["ca", "crl", "--home", "root", "--out", "root.crl"]);
    let whole = desk.done(&with(&["--list", "root.crl", "--json"])).json();
    assert_eq!((&whole["caution"], &whole["list"]["number"]), (&Value::Null, &1.into()));
    assert_eq!(desk.done(&[&check[..], &["--json"]].concat()).json()["right"], true);
}

#[test]
fn a_home_of_somebody_else_is_named_and_books_that_are_not_there_balance_nothing() {
    let desk = Desk::new();
    desk.bank();

    for home in ["anna", "ca"] {
        let before = files(&desk.path(home));
        let audit = ["bank", "audit", "--home", home];
        let whose = if home == "anna" {
            "is a buyer's or merchant's home"
        } else {
            "is an authority's home"
        };
        desk.fails(&audit, 2, &[whose, "not a bank's", "semper bank init"]);
        let mut fund = vec!["bank", "fund", "--home", home, "--account", "acct:0123456789abcdef"];
        fund.extend(["--amount", "1.00 EUR"]);
        desk.fails(&fund, 2, &[whose]);
        assert_eq!(files(&desk.path(home)), before);
    }
    desk.fails(&["bank", "audit", "--home", "bank"], 2, &["ledger.sqlite is missing", "backup"]);
    assert!(!desk.path("bank/ledger.sqlite").exists());
    desk.fails(&["bank", "audit", "--home", "nowhere"], 2, &["semper bank init --home nowhere"]);
    desk.fails(&["ca", "list", "--home", "anna"], 2, &["not an authority's"]);
    desk.fails(&["deals", "--home", "bank"], 2, &["is a bank's home, not a buyer's or merchant's"]);
    desk.fails(&["deals", "--home", "nowhere"], 2, &["semper init --home nowhere"]);
}

#[test]
fn only_roots_are_believed_each_once_and_whoever_is_believed_can_be_taken_out() {
    let desk = Desk::new();
    let criteria = ["--criteria", "https://semper.example/criteria/consumer/1"];
    let evaluator = |root: &'static str| {
        let add =
            ["trust", "add", "--home", "anna", "evaluator", "--name", "konsument", "--root", root];
        [&add[..], &criteria].concat()
    };
    let authority =
        |root: &'static str| ["trust", "add", "--home", "anna", "authority", "--root", root];
    let before = std::fs::read(desk.path("anna/trust.toml")).unwrap();

    let leaf = ["is no root", "“Konsument”", "root.pem"];
    desk.fails(&evaluator("konsument/evaluator.pem"), 2, &leaf);
    desk.fails(&authority("ca/tls.pem"), 2, &["is no root", "“Market CA”"]);
    desk.fails(&authority("ca/root.pem"), 2, &["“Market CA” is believed as an authority already"]);
    desk.fails(&desk.init("bea", "ca/tls.pem"), 2, &["is no root"]);
    assert!(!desk.path("bea").exists());
    let remove = |name: &'static str| ["trust", "remove", "--home", "anna", name];
    desk.fails(&remove("Market CA"), 2, &["the only authority"]);
    desk.fails(&remove("nobody"), 2, &["no authority and no third party", "semper trust list"]);
    assert_eq!(std::fs::read(desk.path("anna/trust.toml")).unwrap(), before);

    desk.done(&evaluator("konsument/root.pem"));
    desk.done(&["ca", "init", "--home", "other", "--name", "Other CA"]);
    desk.done(&authority("other/root.pem"));
    let listed = || desk.done(&["trust", "list", "--home", "anna", "--json"]).json();
    let names = |of: &Value| -> Vec<String> {
        let all = of["authorities"].as_array().unwrap();
        all.iter().map(|it| it["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&listed()), ["Market CA", "Other CA"]);
    assert_eq!(listed()["policy_files"], serde_json::json!(["ordinary.cedar"]));
    let entry = ["third-party-init", "--home", "third", "--origin", "third.example"];
    let entry = desk.done(&[&entry[..], &["--address", "https://third.example"]].concat()).out;
    let text = std::fs::read_to_string(desk.path("anna/trust.toml")).unwrap();
    std::fs::write(desk.path("anna/trust.toml"), format!("{text}\n{entry}")).unwrap();
    assert_eq!(listed()["third_parties"][0]["origin"], "third.example");
    let text = desk.done(&["trust", "list", "--home", "anna"]).out;
    assert!(text.contains("third party third.example at https://third.example"), "{text}");

    for name in ["Other CA", "konsument", "third.example"] {
        let removed = desk.done(&[&remove(name)[..], &["--json"]].concat()).json();
        assert_eq!(removed["removed"], name);
    }
    assert_eq!(names(&listed()), ["Market CA"]);
    assert_eq!(listed()["third_parties"], serde_json::json!([]));
    assert_eq!(listed()["evaluators"], serde_json::json!([]));
}

#[test]
fn a_program_reads_answers_and_errors_of_every_kind_as_json() {
    let desk = Desk::new();
    let whole = |arguments: &[&str]| {
        let output = desk.done(&[arguments, &["--json"]].concat());
        let value = output.json();
        assert!(value.is_object(), "{}: {}", arguments.join(" "), output.out);
        value
    };
    let made = whole(&["ca", "init", "--home", "ca-2", "--name", "Second CA"]);
    assert_eq!(made["root"], "ca-2/root.pem");
    assert_eq!(whole(&["ca", "crl", "--home", "ca", "--out", "x.crl"])["withdrawn"], 0);
    let log = ["log-init", "--home", "log", "--origin", "log.example/terms"];
    assert!(whole(&log)["key"].as_str().unwrap().starts_with("log.example/terms+"));
    let witness = ["witness-init", "--home", "witness", "--name", "witness.example/one"];
    assert!(whole(&witness)["key"].as_str().unwrap().starts_with("witness.example/one+"));
    let third = ["third-party-init", "--home", "third", "--origin", "third.example"];
    let third = whole(&[&third[..], &["--address", "https://third.example"]].concat());
    assert!(third["entry"].as_str().unwrap().contains("[[third-party]]"), "{third}");
    assert_eq!(whole(&desk.init("bea", "ca/root.pem"))["home"], "bea");
    desk.certified("bank", "Test Bank", Role::Bank);
    let mut init = vec!["bank", "init", "--home", "bank", "--key", "bank.key"];
    init.extend(["--certificate", "bank.pem", "--authority", "ca/root.pem"]);
    assert_eq!(whole(&init)["bank"], "Test Bank");

    // Words that no command knows, and arguments that are not there.
    for wrong in [&["purchase"][..], &["buy"], &["replay", "--home", "anna"]] {
        let refused = desk.run(&[wrong, &["--json"]].concat());
        let said: Value = serde_json::from_str(&refused.err).unwrap();
        assert_eq!((refused.code, &said["code"]), (2, &2.into()), "{said}");
        assert!(said["mend"].as_str().unwrap().starts_with("semper"), "{said}");
    }
    let replay = desk.run(&["replay", "--home", "anna"]);
    assert!(replay.err.contains("<DEAL|--verify <FILE>>"), "{}", replay.err);
}
