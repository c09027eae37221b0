//! Chains of certificates, and authorities' lists.

use std::time::Duration;

use semper_base::cert::{Authority, Bounds as CaBounds};
use semper_base::{Certificate, Role, SigningKey};
use semper_trust::envelope::{IN_TOTO, OFFERED};
use semper_trust::layout::canonical;
use semper_trust::{Knowledge, TrustFile};
use semper_trust_tests::{DAY, HOUR, Party, World, ago, made, party, party_for, statement};

use super::*;

/// Terms signed by somebody with this chain, in the merchant's name.
fn signed_by(w: &World, signer: &Party) -> Outcome {
    w.verify(&w.signed_with(|it| {
        let payload = canonical(&statement(OFFERED, it, made(w, "Otto Versand")));
        signer.envelope(IN_TOTO, &payload)
    }))
    .into()
}

/// An authority below the market's, within bounds, and a merchant whom it certifies.
fn below(w: &World, bounds: CaBounds, names: &[String], role: Role) -> Party {
    let before = ago(w.now, HOUR);
    let key = SigningKey::generate();
    let middle =
        w.authority.subordinate("Regional CA", &key.public(), bounds, before, w.now.after(DAY));
    let regional = Authority::from_parts(middle.unwrap(), key).unwrap();
    let key = SigningKey::generate();
    let leaf = regional.issue("Otto Versand", &key.public(), role, names, before, w.now.after(DAY));
    Party { key, chain: vec![leaf.unwrap(), regional.certificate] }
}

#[test]
fn chains_of_certificates() {
    // An authority below the root, within its bounds, is believed.
    let w = World::new();
    let bounds = CaBounds { names: vec!["de".into()], roles: vec![Role::Merchant], below: 0 };
    let good = below(&w, bounds, &["otto.de".into()], Role::Merchant);
    assert!(matches!(signed_by(&w, &good), Outcome::Certified));

    all_fail(&[
        ("a certificate that has expired", "is valid from", |w| {
            let (from, until) = (ago(w.now, DAY * 3), ago(w.now, DAY));
            signed_by(w, &party_for(&w.authority, "Otto Versand", Role::Merchant, from, until))
        }),
        ("a certificate that is not yet valid", "is valid from", |w| {
            let (from, until) = (w.now.after(DAY), w.now.after(DAY * 3));
            signed_by(w, &party_for(&w.authority, "Otto Versand", Role::Merchant, from, until))
        }),
        ("a buyer's certificate", "but not as merchant", |w| {
            signed_by(w, &party(&w.authority, "Otto Versand", Role::Buyer, ago(w.now, HOUR)))
        }),
        ("an evaluator's certificate under terms", "not as merchant", |w| {
            signed_by(w, &party(&w.authority, "Otto Versand", Role::Evaluator, ago(w.now, HOUR)))
        }),
        ("a self-made authority of the same name", "is not accepted", |w| {
            let twin =
                Authority::new("Market CA", SigningKey::generate(), ago(w.now, HOUR)).unwrap();
            signed_by(w, &party(&twin, "Otto Versand", Role::Merchant, ago(w.now, HOUR)))
        }),
        ("an organisation's root as an authority", "not an authority believed here", |w| {
            let (_, own, _) = &w.organisations[0];
            signed_by(w, &party(own, "Otto Versand", Role::Merchant, ago(w.now, HOUR)))
        }),
        ("a name that the authority may not certify", "is not accepted", |w| {
            let bounds = CaBounds { names: vec!["at".into()], ..CaBounds::default() };
            signed_by(w, &below(w, bounds, &["otto.de".into()], Role::Merchant))
        }),
        ("a role that the authority may not certify", "not as merchant", |w| {
            let bounds = CaBounds { roles: vec![Role::Author], ..CaBounds::default() };
            signed_by(w, &below(w, bounds, &[], Role::Merchant))
        }),
        ("an authority below one that may have none", "is not accepted", |w| {
            let before = ago(w.now, HOUR);
            let (one, two) = (SigningKey::generate(), SigningKey::generate());
            let bounds = || CaBounds { below: 0, ..CaBounds::default() };
            let until = w.now.after(DAY);
            let first =
                w.authority.subordinate("One", &one.public(), bounds(), before, until).unwrap();
            let one = Authority::from_parts(first, one).unwrap();
            let second = one.subordinate("Two", &two.public(), bounds(), before, until).unwrap();
            let two = Authority::from_parts(second, two).unwrap();
            let mut leaf = party(&two, "Otto Versand", Role::Merchant, before);
            leaf.chain.extend([two.certificate, one.certificate]);
            signed_by(w, &leaf)
        }),
        ("a chain of five", "longer than four", |w| {
            let mut long = party(&w.authority, "Otto Versand", Role::Merchant, ago(w.now, HOUR));
            let root = w.authority.certificate.clone();
            long.chain.extend([root.clone(), root.clone(), root]);
            signed_by(w, &long)
        }),
        ("a certificate that is not canonical DER", "not a certificate or request", |w| {
            // The outermost length in three bytes instead of two: BER, not DER.
            let der = w.merchant.chain[0].der().to_vec();
            assert_eq!(&der[..2], &[0x30, 0x82]);
            let long = [&[0x30, 0x83, 0x00], &der[2..]].concat();
            match Certificate::from_der(&long) {
                Ok(_) => Outcome::Certified,
                Err(error) => Outcome::Refused(error.to_string()),
            }
        }),
        ("a certificate of a megabyte", "are too many", |_| {
            match Certificate::from_der(&vec![0x30; 1 << 20]) {
                Ok(_) => Outcome::Certified,
                Err(error) => Outcome::Refused(error.to_string()),
            }
        }),
        ("a certificate that its authority has withdrawn", "has been revoked", |w| {
            let crl = w.crl(&[&w.merchant.chain[0]], w.now.after(DAY));
            let knowledge = Knowledge { crls: vec![crl], ..Knowledge::default() };
            w.verify_by(&w.bundle(), &w.trust(), &knowledge).into()
        }),
        ("an author's certificate that was withdrawn", "has been revoked", |w| {
            let crl = w.crl(&[&w.author.chain[0]], w.now.after(DAY));
            let knowledge = Knowledge { crls: vec![crl], ..Knowledge::default() };
            w.verify_by(&w.bundle(), &w.trust(), &knowledge).into()
        }),
        ("a revocation list that is held back", "is not known here", |w| {
            let trust = TrustFile { crls: vec!["https://ca.example/crl".into()], ..w.trust() };
            w.verify_by(&w.bundle(), &trust, &Knowledge::default()).into()
        }),
        ("a revocation list that is overdue", "is overdue since", |w| {
            let trust = TrustFile { crls: vec!["https://ca.example/crl".into()], ..w.trust() };
            let crl = w.crl(&[], ago(w.now, Duration::from_secs(60)));
            let knowledge = Knowledge { crls: vec![crl], ..Knowledge::default() };
            w.verify_by(&w.bundle(), &trust, &knowledge).into()
        }),
        ("a forged revocation list in the place of the real one", "is not known here", |w| {
            let trust = TrustFile { crls: vec!["https://ca.example/crl".into()], ..w.trust() };
            let twin =
                Authority::new("Market CA", SigningKey::generate(), ago(w.now, HOUR)).unwrap();
            let forged = twin.crl(99, &[], ago(w.now, HOUR), w.now.after(DAY)).unwrap();
            let knowledge = Knowledge { crls: vec![forged], ..Knowledge::default() };
            w.verify_by(&w.bundle(), &trust, &knowledge).into()
        }),
    ]);
}
