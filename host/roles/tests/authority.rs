//! An authority: names that belong to one party, and a list that is signed once for its life.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use semper_base::cert::{Crl, Request};
use semper_base::{Mend as _, Role, SigningKey};
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

    // By the operator's command, in a process of its own.
    Ca::open(&folder.path().join("ca")).unwrap().revoke("0a0b0c").unwrap();
    let second = Crl::from_der(&ca.list().unwrap()).unwrap();
    assert_eq!(second.number(), number(&ca));
    assert_eq!(second.number(), Crl::from_der(&first).unwrap().number() + 1);
    assert_eq!(second.withdrawn().len(), 1);

    // After a restart it is the same list.
    drop(ca);
    assert_eq!(number(&Ca::open(&folder.path().join("ca")).unwrap()), second.number());
}
