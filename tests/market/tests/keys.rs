//! Keys and certificates live and end: the old key has the next one certified, a key that is lost is
//! revoked and replaced, and the root of an authority stays off line.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use common::{asked, books, buy_until_crash, client, ended, market, newest, small};
use semper_base::Certificate;
use semper_roles::party::Party;
use semper_testkit::process::{Output, run};
use semper_testkit::{Market, MarketOptions};

const LONG: Duration = Duration::from_secs(60);

fn ca(market: &Market) -> String {
    format!("https://localhost:{}", market.ports[0])
}

fn buy(market: &Market) -> Output {
    market.semper(&["buy", "--home", "anna", &market.merchant_url()]).unwrap()
}

fn renew(market: &Market) -> Output {
    market.semper(&["renew", "--home", "anna", "--ca", &ca(market)]).unwrap()
}

/// The certificates that a home has had, the newest last.
fn certificates(home: PathBuf) -> Vec<Certificate> {
    let archive = Party::open(&home).unwrap().archive;
    let all = archive.evidence(None).unwrap();
    let kept = all.iter().filter(|it| it.kind == "certificate");
    kept.map(|it| Certificate::from_der(&it.bytes).unwrap()).collect()
}

fn account(market: &Market) -> String {
    let shown = market.semper(&["account", "show", "--home", "anna", "--json"]).unwrap();
    assert_eq!(shown.code, 0, "{}", shown.err);
    shown.json()["account"].as_str().unwrap().to_owned()
}

#[test]
fn a_bank_that_renews_its_key_amid_an_exchange_goes_on_signing_about_it_by_the_old_one() {
    let (mut market, _folder) = market(&small());
    // The money is locked; the agreement names the bank's key, and the fact about the lock is lost.
    assert!(buy_until_crash(&market, "exchange.held:1"));
    let read = |name: &str| std::fs::read_to_string(market.folder.join(name)).unwrap();
    let old = read("bank/bank.pem");

    let mut arguments = vec!["renew", "--key", "bank/bank.key", "--certificate", "bank/bank.pem"];
    let ca = ca(&market);
    arguments.extend(["--authority", "ca/root.pem", "--ca", &ca]);
    let renewed = market.semper(&arguments).unwrap();
    assert_eq!(renewed.code, 0, "{}", renewed.err);
    assert_ne!(read("bank/bank.pem"), old);
    market.restart_bank().unwrap();

    let resumed = market.semper(&["deals", "--home", "anna", "--resume"]).unwrap();
    assert_eq!(resumed.code, 0, "{}", resumed.err);
    assert_eq!(newest(&market, "anna").0, "completed");
    assert_eq!(ended(&market, "otto"), "completed");
    assert_eq!((books(&market).payments, books(&market).sum), (1, 0));
    let former = std::fs::read_dir(market.folder.join("bank/former")).unwrap().count();
    assert_eq!(former, 1);
    // What is agreed on now names the new key: a merchant's host learns it within minutes, or when it
    // is started.
    market.restart_merchant().unwrap();
    let bought = buy(&market);
    assert_eq!(bought.code, 0, "{}", bought.err);
    assert_eq!(books(&market).payments, 2);
}

#[test]
fn a_key_is_renewed_amid_a_deal_which_goes_on_by_the_old_one() {
    let (mut market, _folder) = market(&small());
    assert!(buy_until_crash(&market, "archive.after:20"));
    let (state, note) = newest(&market, "anna");
    assert_eq!(state, "running", "{note}");
    let before = account(&market);

    // The bank has to know the new key first: without it, nothing has changed.
    market.bank.kill();
    let away = renew(&market);
    assert_eq!(away.code, 1, "{}", away.out);
    assert_eq!(certificates(market.folder.join("anna")).len(), 1);
    market.restart_bank().unwrap();
    let renewed = renew(&market);
    assert_eq!(renewed.code, 0, "{}", renewed.err);
    assert!(renewed.out.contains("Anna Berg is certified as buyer"), "{}", renewed.out);

    let resumed = market.semper(&["deals", "--home", "anna", "--resume"]).unwrap();
    assert_eq!(resumed.code, 0, "{}", resumed.err);
    assert_eq!(newest(&market, "anna").0, "completed");
    assert_eq!(ended(&market, "otto"), "completed");
    // The next deal is the new key's, with the same account.
    let bought = buy(&market);
    assert_eq!(bought.code, 0, "{}", bought.err);
    assert_eq!(account(&market), before);
    assert_eq!((books(&market).payments, books(&market).sum), (2, 0));
    assert_eq!(asked(&market, "agreement"), 2);
    let [old, new] = certificates(market.folder.join("anna")).try_into().unwrap();
    assert_ne!(old.key().unwrap(), new.key().unwrap());
    assert_eq!(old.subject(), new.subject());
    for home in ["anna", "otto"] {
        let verified = market.semper(&["archive", "verify", "--home", home]).unwrap();
        assert_eq!(verified.code, 0, "{}{}", verified.out, verified.err);
    }
    // The authority lists both.
    let listed = market.semper(&["ca", "list", "--home", "ca", "--json"]).unwrap().json();
    let annas = listed.as_array().unwrap().iter().filter(|it| it["name"] == "Anna Berg");
    assert_eq!(annas.count(), 2);
}

#[test]
fn a_lost_key_is_revoked_and_replaced_and_the_account_is_handed_over() {
    let (mut market, _folder) = market(&small());
    let before = account(&market);
    let [old] = certificates(market.folder.join("anna")).try_into().unwrap();
    let authority = ca(&market);
    let ca_does = |arguments: &[&str]| {
        let done = market.semper(arguments).unwrap();
        assert_eq!(done.code, 0, "{}", done.err);
        done
    };
    ca_does(&["ca", "revoke", "--home", "ca", "--serial", &old.serial()]);
    // Nobody has a key of others certified under a name of his own.
    let name = ["--name", "Mallory"];
    let csr = ["request", "--key", "otto-terms.key", "--out", "mallory.csr"];
    assert_eq!(market.sign(&[&csr[..], &name].concat()).unwrap().code, 0);
    let invite = ["ca", "invite", "--home", "ca", "--role", "buyer", "--json"];
    let invited = ca_does(&[&invite[..], &name].concat()).json();
    let mut register = vec!["register", "--ca", &authority, "--authority", "ca/root.pem"];
    register.extend(["--request", "mallory.csr", "--out", "mallory.pem"]);
    register.extend(["--key", invited["key"].as_str().unwrap()]);
    let others = market.semper(&register).unwrap();
    assert_eq!(others.code, 1, "{}", others.out);
    assert!(others.err.contains("certified under another name"), "{}", others.err);
    // Whoever has the key cannot have another one certified by it.
    let stolen = renew(&market);
    assert_eq!(stolen.code, 1, "{}", stolen.out);
    assert!(stolen.err.contains("has been revoked by its authority"), "{}", stolen.err);

    let invite = ["ca", "invite", "--home", "ca", "--name", "Anna Berg", "--role", "buyer"];
    let invited = ca_does(&[&invite[..], &["--again", "--json"]].concat()).json();
    let key = invited["key"].as_str().unwrap();
    let mut register = vec!["register", "--home", "anna", "--ca", &authority];
    register.extend(["--name", "Anna Berg", "--key", key, "--new-key", "--out", "anna-new.pem"]);
    // It ends every older key, so it is the person's to decide.
    let declined = market.semper(&register).unwrap();
    assert!(declined.err.contains("no standing consent covers “certificate”"), "{}", declined.err);
    let rule = "[[rule]]\ntopic = \"certificate\"\nanswer = \"yes\"\n";
    market.restart_buyer_tinguin(&format!("{rule}{}", small().buyer_rules)).unwrap();
    let ca_does = |arguments: &[&str]| {
        let done = market.semper(arguments).unwrap();
        assert_eq!(done.code, 0, "{}", done.err);
        done
    };
    ca_does(&register);
    let hers = market.semper(&["account", "show", "--home", "anna"]).unwrap();
    assert!(hers.err.contains("is not yours"), "{}", hers.err);

    let hand = ["bank", "hand-over", "--home", "bank", "--account", &before, "--certificate"];
    let others = market.semper(&[&hand[..], &["otto-terms.pem"]].concat()).unwrap();
    assert_eq!(others.code, 1, "{}", others.out);
    assert!(others.err.contains("is held by “Anna Berg”"), "{}", others.err);
    ca_does(&[&hand[..], &["anna-new.pem"]].concat());

    assert_eq!(account(&market), before);
    let bought = buy(&market);
    assert_eq!(bought.code, 0, "{}", bought.err);
    assert_eq!(books(&market).payments, 1);
}

#[test]
fn a_servers_key_is_renewed_in_its_files_and_shown_without_a_restart() {
    let (market, _folder) = market(&small());
    let authority = ca(&market);
    let read = |name: &str| std::fs::read_to_string(market.folder.join(name)).unwrap();
    let (old_key, old) = (read("bank-tls.key"), read("bank-tls.pem"));
    let mut arguments = vec!["renew", "--ca", &authority, "--authority", "ca/root.pem"];
    arguments.extend(["--key", "bank-tls.key", "--certificate", "bank-tls.pem"]);

    let renewed = market.semper(&arguments).unwrap();
    assert_eq!(renewed.code, 0, "{}", renewed.err);

    let new = Certificate::from_pem(&read("bank-tls.pem")).unwrap();
    assert_eq!(new.server_names(), Certificate::from_pem(&old).unwrap().server_names());
    assert_eq!((read("bank-tls.key.old"), read("bank-tls.pem.old")), (old_key, old));
    // What others read of it: openssl finds that key and certificate belong together.
    let openssl = |arguments: &[&str]| {
        let done = run(&market.folder, "openssl".as_ref(), arguments).unwrap();
        assert_eq!(done.code, 0, "{}", done.err);
        done.out
    };
    assert_eq!(
        openssl(&["x509", "-in", "bank-tls.pem", "-noout", "-pubkey"]),
        openssl(&["pkey", "-in", "bank-tls.key", "-pubout"])
    );
    // The server shows it by itself; its metrics say until when.
    let until = new.validity().1.millis() / 1_000;
    let shown = format!("certificate=\"tls\"}} {until}");
    let begun = Instant::now();
    loop {
        let answer = client(&market).get(&format!("{}/metrics", market.bank_url()), 100_000);
        let text = String::from_utf8(answer.unwrap().body).unwrap();
        if text.contains(&shown) {
            break;
        }
        assert!(begun.elapsed() < LONG, "{text}");
        std::thread::sleep(Duration::from_millis(200));
    }

    // The old pair has had its successor: another one is for nobody.
    let places = [("bank-tls.key.old", "old.key"), ("bank-tls.pem.old", "old.pem")];
    for (from, to) in places {
        std::fs::copy(market.folder.join(from), market.folder.join(to)).unwrap();
    }
    let mut again = vec!["renew", "--ca", &authority, "--authority", "ca/root.pem"];
    again.extend(["--key", "old.key", "--certificate", "old.pem"]);
    let refused = market.semper(&again).unwrap();
    assert_eq!(refused.code, 1, "{}", refused.out);
    assert!(refused.err.contains("renewed for another key before"), "{}", refused.err);
    // Whoever revokes the old one hears of what has come of it.
    let revoke = ["ca", "revoke", "--home", "ca", "--certificate", "bank-tls.pem.old"];
    let revoked = market.semper(&revoke).unwrap();
    assert!(
        revoked.out.contains(&format!("it was renewed as {}", new.serial())),
        "{}",
        revoked.out
    );
}

#[test]
fn a_server_whose_certificate_is_revoked_is_left_alone() {
    let (market, _folder) = market(&small());
    let revoke = ["ca", "revoke", "--home", "ca", "--certificate", "otto-tls.pem"];
    assert_eq!(market.semper(&revoke).unwrap().code, 0);

    // The list comes with the next purchase, and counts for the one after it at the latest.
    let refused = [buy(&market), buy(&market)].into_iter().find(|it| it.code != 0).unwrap();

    assert!(refused.err.contains("has revoked"), "{}", refused.err);
}

#[test]
fn an_authority_below_a_root_that_is_off_line_certifies_until_the_root_takes_it_back() {
    let (market, _folder) = market(&MarketOptions { below: true, ..small() });
    // Both lists are asked for.
    let trust = std::fs::read_to_string(market.folder.join("anna/trust.toml")).unwrap();
    assert!(trust.contains("/semper/v1/crl/root"), "{trust}");
    let bought = buy(&market);
    assert_eq!(bought.code, 0, "{}", bought.err);
    let renewed = renew(&market);
    assert_eq!(renewed.code, 0, "{}", renewed.err);
    assert_eq!(buy(&market).code, 0);
    assert_eq!(books(&market).payments, 2);
    let verified = market.semper(&["archive", "verify", "--home", "anna"]).unwrap();
    assert_eq!(verified.code, 0, "{}{}", verified.out, verified.err);

    let root = |arguments: &[&str]| {
        let done = market.semper(&[&["ca"], arguments].concat()).unwrap();
        assert_eq!(done.code, 0, "{}", done.err);
        done.out
    };
    root(&["revoke", "--home", "root", "--certificate", "ca.pem"]);
    assert!(root(&["crl", "--home", "root", "--out", "root.crl"]).contains("1 withdrawn"));
    root(&["install", "--home", "ca", "--list", "root.crl"]);
    let refused = buy(&market);
    assert_ne!(refused.code, 0, "{}", refused.out);
    assert!(refused.err.contains("has revoked"), "{}", refused.err);
    assert_eq!(books(&market).payments, 2);
}
