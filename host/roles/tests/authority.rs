//! An authority: names that belong to one party, and a list that is signed once for its life.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use semper_base::cert::{Bounds, Crl, Request};
use semper_base::{Certificate, Mend as _, Role, SigningKey};
use semper_roles::ca::{Ca, CaError, Registration};
use tempfile::TempDir;

fn authority() -> (TempDir, Ca) {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("ca");
    Ca::create(&home, "Test CA", &["localhost".to_owned()]).unwrap();
    let ca = Ca::open(&home).unwrap();
    (folder, ca)
}

/// Registers a new key under this name.
fn register(ca: &Ca, name: &str, key: &str) -> Result<(), CaError> {
    let request = Request::new(name, &SigningKey::generate()).unwrap();
    let registration = Registration { key: key.to_owned(), request: request.pem().to_owned() };
    ca.register(&registration).map(drop)
}

#[test]
fn in_each_role_a_name_belongs_to_one_party() {
    let (_folder, ca) = authority();
    // Two letters went out before anybody had registered.
    let (first, second) = (
        ca.invite("Anna Berg", Role::Buyer, &[]).unwrap(),
        ca.invite("Anna Berg", Role::Buyer, &[]),
    );
    let alike = ca.invite("Anna-Berg", Role::Buyer, &[]).unwrap();
    register(&ca, "Anna Berg", &first).unwrap();

    let again = register(&ca, "Anna Berg", &second.unwrap()).unwrap_err();
    assert_eq!(again.to_string(), "buyer “Anna Berg” has a certificate already");
    assert!(again.mend().contains("semper ca invite --again"), "{}", again.mend());
    let other = register(&ca, "Anna-Berg", &alike).unwrap_err();
    assert_eq!(
        other.to_string(),
        "“Anna-Berg” looks like “Anna Berg”, who has a certificate as buyer"
    );

    // The operator is told at once when somebody has it already.
    assert!(matches!(ca.invite("Anna Berg", Role::Buyer, &[]), Err(CaError::Taken { .. })));
    assert!(matches!(ca.invite("ANNA BERG", Role::Buyer, &[]), Err(CaError::Alike { .. })));
    for hidden in ["Anna\u{202e} Berg", "Anna\nBerg", "\u{200b}", "Annа Berg"] {
        let refused = ca.invite(hidden, Role::Buyer, &[]);
        assert!(matches!(refused, Err(CaError::Name(_))), "{hidden:?}: {refused:?}");
    }
    // In another role it is another's; of servers the addresses count.
    let merchant = ca.invite("Anna Berg", Role::Merchant, &[]).unwrap();
    register(&ca, "Anna Berg", &merchant).unwrap();
    for _ in 0..2 {
        let server = ca.invite("Server", Role::Server, &["localhost".to_owned()]).unwrap();
        register(&ca, "Server", &server).unwrap();
    }

    // A further key of the same party.
    let further = ca.invite_again("Anna Berg", Role::Buyer, &[]).unwrap();
    register(&ca, "Anna Berg", &further).unwrap();
    assert!(matches!(ca.invite_again("anna berg", Role::Buyer, &[]), Err(CaError::Alike { .. })));
    let issued = ca.issued().unwrap();
    let annas = issued.iter().filter(|it| it.name == "Anna Berg" && it.role == "buyer");
    assert_eq!(annas.count(), 2);
}

#[test]
fn names_of_one_script_that_look_like_those_of_another_are_refused() {
    let (_folder, ca) = authority();
    let latin = ca.invite("cap", Role::Merchant, &[]).unwrap();
    register(&ca, "cap", &latin).unwrap();

    // Each letter is Cyrillic.
    let cyrillic = ca.invite("сар", Role::Merchant, &[]);

    assert!(matches!(cyrillic, Err(CaError::Alike { .. })), "{cyrillic:?}");
}

#[test]
fn a_registry_of_before_names_were_looked_at_opens_and_its_look_alikes_are_shown() {
    let (folder, ca) = authority();
    for name in ["Otto Versand", "Other"] {
        let key = ca.invite(name, Role::Merchant, &[]).unwrap();
        register(&ca, name, &key).unwrap();
    }
    drop(ca);
    let file = folder.path().join("ca/ca.sqlite");
    let store = rusqlite::Connection::open(&file).unwrap();
    let old = "DROP TABLE names; DROP TABLE again; DROP TABLE signed_lists;
               UPDATE invitations SET name = 'OTTO VERSAND' WHERE name = 'Other';";
    store.execute_batch(old).unwrap();
    drop(store);

    let ca = Ca::open(&folder.path().join("ca")).unwrap();

    let issued = ca.issued().unwrap();
    let alike: Vec<_> = issued.iter().filter_map(|it| it.alike.clone()).collect();
    assert_eq!(alike, ["Otto Versand", "OTTO VERSAND"]);
    // Whoever has one of them keeps it, and may have a further key certified.
    let key = ca.invite_again("Otto Versand", Role::Merchant, &[]).unwrap();
    register(&ca, "Otto Versand", &key).unwrap();
    assert!(matches!(ca.invite("otto versand", Role::Merchant, &[]), Err(CaError::Alike { .. })));
}

#[test]
fn the_list_is_signed_once_and_anew_when_something_is_withdrawn() {
    let (folder, ca) = authority();
    let number = |ca: &Ca| Crl::from_der(&ca.list().unwrap()).unwrap().number();

    let first = ca.list().unwrap();
    assert!((0..50).all(|_| ca.list().unwrap() == first));

    let key = ca.invite("Anna Berg", Role::Buyer, &[]).unwrap();
    register(&ca, "Anna Berg", &key).unwrap();
    let serial = ca.issued().unwrap()[0].serial.clone();
    // By the operator's command, in a process of its own.
    Ca::open(&folder.path().join("ca")).unwrap().revoke(&serial).unwrap();
    let second = Crl::from_der(&ca.list().unwrap()).unwrap();
    assert_eq!(second.number(), number(&ca));
    assert_eq!(second.number(), Crl::from_der(&first).unwrap().number() + 1);
    assert_eq!(second.withdrawn().len(), 1);

    // After a restart it is the same list.
    drop(ca);
    assert_eq!(number(&Ca::open(&folder.path().join("ca")).unwrap()), second.number());
}

#[test]
fn only_what_was_issued_here_is_revoked_however_its_number_is_written() {
    let (folder, ca) = authority();
    let key = ca.invite("Anna Berg", Role::Buyer, &[]).unwrap();
    register(&ca, "Anna Berg", &key).unwrap();
    let serial = ca.issued().unwrap()[0].serial.clone();
    let on_the_list = || Crl::from_der(&ca.list().unwrap()).unwrap().withdrawn().len();

    // A slip of the pen leaves the certificate that was meant in use: it is said, and nothing is done.
    let mut slip = serial.clone();
    slip.replace_range(0..2, if serial.starts_with("40") { "41" } else { "40" });
    for wrong in [slip.as_str(), "00", "ff"] {
        let refused = ca.revoke(wrong).unwrap_err();
        assert!(matches!(refused, CaError::NotIssued(_)), "{wrong}: {refused}");
    }
    for wrong in ["zz", "", &"ab".repeat(21)] {
        let refused = ca.revoke(wrong).unwrap_err();
        assert!(matches!(refused, CaError::Serial(_)), "{wrong}: {refused}");
        assert!(refused.mend().contains("semper ca list"), "{}", refused.mend());
    }
    let (other, stranger) = authority();
    let theirs = std::fs::read_to_string(other.path().join("ca/tls.pem")).unwrap();
    let theirs = Certificate::from_pem(&theirs).unwrap();
    let refused = ca.revoke_certificate(&theirs).unwrap_err();
    assert!(matches!(refused, CaError::Foreign { .. }), "{refused}");
    assert_eq!(on_the_list(), 0);

    // As openssl writes it.
    let pairs: Vec<String> = serial
        .to_uppercase()
        .as_bytes()
        .chunks(2)
        .map(|it| String::from_utf8_lossy(it).into())
        .collect();
    assert_eq!(ca.revoke(&pairs.join(":")).unwrap().serial, serial);
    // Its own server's, which stands in no table.
    let own = std::fs::read_to_string(folder.path().join("ca/tls.pem")).unwrap();
    let own = Certificate::from_pem(&own).unwrap();
    ca.revoke(&own.serial()).unwrap();
    assert_eq!(on_the_list(), 2);
    // What it has signed, and its store has lost since.
    let store = rusqlite::Connection::open(other.path().join("ca/ca.sqlite")).unwrap();
    store.execute("DELETE FROM invitations", []).unwrap();
    stranger.revoke_certificate(&theirs).unwrap();
}

#[test]
fn an_authority_is_certified_by_its_own_kind_of_request_alone() {
    let (folder, ca) = authority();
    let bounds = || Bounds { roles: Vec::new(), names: Vec::new(), below: 0 };
    let life = std::time::Duration::from_secs(86_400);
    let key = SigningKey::generate();
    let bank = Request::new("Test Bank", &key).unwrap();
    let below = Request::of_authority("Below", &SigningKey::generate()).unwrap();

    let refused = ca.certify(bank.pem(), bounds(), life).unwrap_err();
    assert!(matches!(refused, CaError::NoAuthority(_)), "{refused}");
    assert!(ca.issued().unwrap().is_empty());
    // The other way round, too.
    let invited = ca.invite("Below", Role::Bank, &[]).unwrap();
    let registration = Registration { key: invited, request: below.pem().to_owned() };
    assert!(matches!(ca.register(&registration), Err(CaError::NoParty(_))));
    // A bank's key makes no authority, whatever it asks for.
    let invited = ca.invite("Test Bank", Role::Bank, &[]).unwrap();
    ca.register(&Registration { key: invited, request: bank.pem().to_owned() }).unwrap();
    let both = Request::of_authority("Test Bank", &key).unwrap();
    assert!(matches!(ca.certify(both.pem(), bounds(), life), Err(CaError::KeyTaken)));

    let [certificate] = ca.certify(below.pem(), bounds(), life).unwrap().try_into().unwrap();
    assert!(certificate.is_authority());
    drop(folder);
}

#[test]
fn a_request_of_before_it_said_so_is_taken_for_an_authority_that_was_certified_once() {
    let (folder, ca) = authority();
    let bounds = || Bounds { roles: Vec::new(), names: Vec::new(), below: 0 };
    let life = std::time::Duration::from_secs(86_400);
    let key = SigningKey::generate();
    let new = Request::of_authority("Below", &key).unwrap();
    let [first] = ca.certify(new.pem(), bounds(), life).unwrap().try_into().unwrap();

    let old = Request::new("Below", &key).unwrap();
    let [again] = ca.certify(old.pem(), bounds(), life).unwrap().try_into().unwrap();

    assert_eq!(first.key().unwrap(), again.key().unwrap());
    let other = Request::new("Below", &SigningKey::generate()).unwrap();
    assert!(matches!(ca.certify(other.pem(), bounds(), life), Err(CaError::NoAuthority(_))));
    drop(folder);
}
