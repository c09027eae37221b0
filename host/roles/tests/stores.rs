//! Servers and their stores: a check changes nothing, health names one that is broken, and what a
//! customer orders reaches customers' accounts alone.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use common::{Place, Running};
use semper_archive::Home;
use semper_bank_protocol::{AccountAction, AccountRequest, Request};
use semper_base::cose::{self, Signatory};
use semper_base::{Amount, DealId, Digest, Mend as _, Role, Timestamp, cbor, keys};
use semper_items::SignedStatement;
use semper_items::statement::{Content, PaymentOrder, Statement};
use semper_ledger::{AccountName, Ledger, Own};
use semper_roles::bank::LEDGER;
use semper_roles::ca::Ca;
use semper_roles::config::ServerConfig;
use semper_roles::log::Log;
use semper_roles::third_party::ThirdParty;
use semper_roles::witness::WitnessRole;

/// A server with every role that needs no terms: their homes as they are made.
fn roles() -> Place {
    let sections = "[ca]\nhome = \"ca\"\n[bank]\nhome = \"bank\"\n[tlog]\nhome = \"log\"\n\
                    authorities = [\"root.pem\"]\n[witness]\nhome = \"witness\"\nlogs = []\n\
                    [third-party]\nhome = \"third\"\n[files]\nfolder = \"first\"\n";
    let place = Place::new(sections);
    let root = place.authority.certificate.to_pem();
    std::fs::write(place.file("root.pem"), &root).unwrap();
    Ca::create(&place.file("ca"), "Test CA", &["localhost".to_owned()]).unwrap();
    Log::create(&place.file("log"), "log.example/terms").unwrap();
    WitnessRole::create(&place.file("witness"), "witness.example").unwrap();
    ThirdParty::create(&place.file("third"), "third.example").unwrap();
    let (key, certificate) = place.certified("Test Bank", Role::Bank);
    let bank = Home::create(&place.file("bank")).unwrap();
    bank.write("bank.key", key.to_pem().as_bytes()).unwrap();
    bank.write("bank.pem", certificate.to_pem().as_bytes()).unwrap();
    bank.write("root.pem", root.as_bytes()).unwrap();
    place
}

fn start(place: Place) -> Running {
    let config = ServerConfig::read(&place.file("server.toml")).unwrap();
    Running::of(place, config)
}

fn mistakes(place: &Place) -> Vec<String> {
    let wrong = ServerConfig::mistakes(&place.file("server.toml"));
    wrong.iter().map(ToString::to_string).collect()
}

/// Everything below a folder: paths, and bytes or nothing for folders.
fn everything(folder: &Path, into: &mut BTreeMap<String, Option<Vec<u8>>>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.display().to_string();
        if path.is_dir() {
            into.insert(name, None);
            everything(&path, into);
        } else {
            into.insert(name, Some(std::fs::read(&path).unwrap()));
        }
    }
}

fn on_disk(place: &Place) -> BTreeMap<String, Option<Vec<u8>>> {
    let mut all = BTreeMap::new();
    everything(place.folder.path(), &mut all);
    all
}

#[test]
fn a_check_changes_nothing_on_the_disk_before_a_server_has_run_or_afterwards() {
    let place = roles();
    let before = on_disk(&place);

    assert_eq!(mistakes(&place), Vec::<String>::new());

    assert_eq!(on_disk(&place), before);
    let server = start(place);
    assert_eq!(server.get("/healthz"), (200, "ok\n".into()));
    let place = server.end_of().0;
    let after = on_disk(&place);
    assert!(after.len() > before.len(), "the server has made its stores");
    assert_eq!(mistakes(&place), Vec::<String>::new());
    assert_eq!(on_disk(&place), after);
}

#[test]
fn a_check_finds_what_is_wrong_with_every_role() {
    let place = roles();
    let server = start(place);
    let place = server.end_of().0;
    std::fs::write(place.file("ca/ca.sqlite"), [7; 8_192]).unwrap();
    std::fs::write(place.file("bank/bank.pem"), "no certificate").unwrap();
    std::fs::write(place.file("bank/bank.key"), "no key").unwrap();
    std::fs::write(place.file("bank/ledger.sqlite"), [7; 8_192]).unwrap();
    std::fs::remove_file(place.file("witness/name")).unwrap();
    std::fs::remove_dir_all(place.file("first")).unwrap();
    let before = on_disk(&place);

    let wrong = mistakes(&place);

    for section in ["[ca]: ", "[bank]: ", "[bank]: ", "[bank]: ", "[witness]: ", "[files]: "] {
        assert!(wrong.iter().any(|it| it.starts_with(section)), "{section} in {wrong:?}");
    }
    assert_eq!(wrong.len(), 6, "{wrong:?}");
    assert_eq!(on_disk(&place), before);
}

#[test]
fn health_names_a_store_that_is_broken() {
    let server = start(roles());
    assert_eq!(server.get("/healthz"), (200, "ok\n".into()));

    for (file, name) in [
        ("ca/ca.sqlite", "ca/store"),
        ("bank/ledger.sqlite", "bank/ledger"),
        ("log/log.sqlite", "tlog/store"),
        ("witness/witness.sqlite", "witness/store"),
        ("third/cases.sqlite", "third-party/cases"),
    ] {
        let (file, away) = (server.place.file(file), server.place.file("away"));
        std::fs::rename(&file, &away).unwrap();
        let (status, text) = server.get("/healthz");
        let want = format!("{name}: the store cannot be read; the server's log says why\n");
        assert_eq!((status, text), (503, want));
        std::fs::rename(&away, &file).unwrap();
        assert_eq!(server.get("/healthz"), (200, "ok\n".into()));
    }
    server.end();
}

#[test]
fn no_order_of_a_customer_reaches_an_account_of_the_banks_own() {
    let server = start(roles());
    let (key, certificate) = server.place.certified("Anna Berg", Role::Buyer);
    let chain = vec![certificate];
    let account = |what: AccountAction| {
        let (made, nonce) = (Timestamp::now(), Digest::from_bytes(keys::random()));
        let request = AccountRequest { bank: "Test Bank".into(), made, nonce, what };
        let signatory = Signatory::Chain(chain.clone());
        let domain = semper_bank_protocol::ACCOUNT_DOMAIN;
        let body = cose::sign(&key, &signatory, domain, &cbor::encode(&request));
        server.post(Request::Account.path(), "application/cose", body)
    };
    let (status, opened) = account(AccountAction::Open("EUR".parse().unwrap()));
    assert_eq!(status, 200, "{opened}");
    let opened: serde_json::Value = serde_json::from_str(&opened).unwrap();
    let own = opened["account"].as_str().unwrap().to_owned();
    let euro = |minor| Amount::new(minor, "EUR".parse().unwrap());
    let books = Ledger::open(&server.place.file("bank").join(LEDGER)).unwrap();
    books.fund(&own.parse().unwrap(), euro(10_000), Timestamp::now()).unwrap();

    // Both of the bank's own accounts, as payee and as payer.
    for (from, to) in
        [(own.as_str(), "held:EUR"), (&own, "bank:EUR"), ("bank:EUR", &own), ("held:EUR", &own)]
    {
        let order = PaymentOrder {
            bank: "Test Bank".into(),
            from: from.into(),
            to: to.into(),
            amount: euro(1),
            purpose: Digest::of(b"a purpose"),
            reference: Digest::from_bytes(keys::random()),
        };
        let deal = DealId::new(Digest::of(b"a deal"));
        let content = Content::PaymentOrder(order);
        let statement = Statement { deal, made: Timestamp::now(), content };
        let body = SignedStatement::sign(&statement, &key, chain.clone()).unwrap();
        let (status, text) = server.post(Request::Payment.path(), "application/cose", body);
        assert_eq!(status, 422, "{from} to {to}: {text}");
        let refused: serde_json::Value = serde_json::from_str(&text).unwrap();
        let name = if from == own { to } else { from };
        let words =
            format!("“{name}” is not the number of a customer's account, which begins with acct:");
        assert_eq!((&refused["code"], &refused["words"]), (&"malformed".into(), &words.into()));
    }
    let (status, text) = account(AccountAction::Show("bank:EUR".into()));
    assert_eq!(status, 422, "{text}");

    // Nothing was booked, and the bank opens its books again.
    books.audit(Timestamp::now()).unwrap();
    let entries = books.entries(&own.parse().unwrap(), 10).unwrap();
    let others: Vec<_> = entries.iter().map(|it| it.other.clone()).collect();
    assert_eq!(others, [AccountName::Own(Own::Funds("EUR".parse().unwrap()))]);
    server.end();
}

#[test]
fn a_configuration_that_holds_a_password_is_its_owners_alone() {
    let store = "postgresql://third:secret@db.example/verdicts";
    let place = Place::new(&format!("[third-party]\nhome = \"third\"\nstore = \"{store}\"\n"));
    ThirdParty::create(&place.file("third"), "third.example").unwrap();
    let file = place.file("server.toml");
    let mode = |mode| std::fs::set_permissions(&file, PermissionsExt::from_mode(mode)).unwrap();

    mode(0o644);
    let loose = ServerConfig::mistakes(&file);
    assert!(
        loose[0].to_string().ends_with("server.toml is open to others (mode 644)"),
        "{loose:?}"
    );
    assert_eq!(loose[0].mend(), format!("chmod 600 {}", file.display()));
    assert!(ServerConfig::read(&file).is_err());

    // The server is on another machine: without a root for its TLS nobody goes there.
    mode(0o600);
    let wrong = mistakes(&place);
    assert_eq!(wrong.len(), 1, "{wrong:?}");
    assert!(wrong[0].contains("[third-party] store-root"), "{wrong:?}");
    assert!(!wrong[0].contains("secret"), "{wrong:?}");
}
