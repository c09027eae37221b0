//! Old things, and things that were taken back.

use semper_trust::bundle;
use semper_trust::revocation::Listed;
use semper_trust::trustfile::Offline;
use semper_trust::{Knowledge, TrustFile};
use semper_trust_tests::{DAY, HOUR, World, ago, service_of, terms_of};

use super::*;

#[test]
fn old_things_and_withdrawn_things() {
    let mandatory = |w: &World, offline: Offline| -> TrustFile {
        let mut trust = w.trust();
        for evaluator in trust.evaluators.values_mut() {
            evaluator.revocations = Some("https://organisation.example/list".into());
        }
        trust.freshness.offline = offline;
        trust
    };
    // Fresh lists that revoke nothing do no harm; overdue ones are a warning where that is said.
    let w = World::new();
    let lists = |next| (0..3).map(|it| w.list(it, &[], next)).collect::<Vec<_>>();
    let fresh = Knowledge { lists: lists(w.now.after(DAY)), ..Knowledge::default() };
    let terms = w.verify_by(&w.bundle(), &mandatory(&w, Offline::Refuse), &fresh).unwrap();
    assert!(terms.grants().certified);
    let late = Knowledge { lists: lists(ago(w.now, HOUR)), ..Knowledge::default() };
    let terms = w.verify_by(&w.bundle(), &mandatory(&w, Offline::Warn), &late).unwrap();
    assert!(terms.grants().certified && terms.warnings().len() == 3, "{:?}", terms.warnings());

    all_fail(&[
        ("older terms again", "number 9 has been seen before", |w| {
            let serials = [(("Otto Versand".to_owned(), "shop".to_owned()), 9)].into();
            let knowledge = Knowledge { serials, ..Knowledge::default() };
            w.verify_by(&w.bundle(), &w.trust(), &knowledge).into()
        }),
        ("a clock that was set back", "has already been", |w| {
            let knowledge = Knowledge { newest: Some(w.now.after(HOUR)), ..Knowledge::default() };
            w.verify_by(&w.bundle(), &w.trust(), &knowledge).into()
        }),
        ("terms that have expired", "the terms are valid from", |w| {
            let yesterday = ago(w.now, DAY);
            let layout = w.uncertified(|it| {
                it.valid_from = ago(yesterday, DAY);
                it.valid_until = yesterday;
            });
            w.verify(&layout).into()
        }),
        ("terms of next week", "the terms are valid from", |w| {
            let next = w.now.after(DAY * 7);
            w.verify(&w.uncertified(|it| {
                it.valid_from = next;
                it.valid_until = next.after(DAY);
            }))
            .into()
        }),
        ("old terms with a new service", "they are for service", |w| {
            let old = w.uncertified(|_| {});
            let mut newer = w.service();
            newer.version = "1.1.0".into();
            let (mut layout, _) = w.service_bundle(&newer);
            let terms = old.only(&["application/vnd.semper.terms.v1"]).unwrap();
            layout.merge(&terms);
            bundle::offer(&mut layout, &w.merchant.signer(), ago(w.now, HOUR)).unwrap();
            w.verify(&layout).into()
        }),
        ("terms that the merchant has withdrawn", "has been revoked since", |w| {
            let layout = w.bundle();
            let what = [terms_of(&layout).digest];
            let bytes = w.list_by(&w.merchant, &w.authority.certificate, &what, w.now.after(DAY));
            let lists = vec![Listed::verify(&bytes, &w.trust(), w.now).unwrap()];
            w.verify_by(&layout, &w.trust(), &Knowledge { lists, ..Knowledge::default() }).into()
        }),
        (
            "a service that its author has withdrawn",
            "the service of “Ada Author” has been",
            |w| {
                let layout = w.bundle();
                let what = [service_of(&layout).digest];
                let bytes = w.list_by(&w.author, &w.authority.certificate, &what, w.now.after(DAY));
                let lists = vec![Listed::verify(&bytes, &w.trust(), w.now).unwrap()];
                w.verify_by(&layout, &w.trust(), &Knowledge { lists, ..Knowledge::default() })
                    .into()
            },
        ),
        ("certificates that two organisations have withdrawn", "revoked since", |w| {
            let layout = w.bundle();
            let what = [service_of(&layout).digest];
            let lists = [0, 1].map(|it| w.list(it, &what, w.now.after(DAY))).into();
            w.verify_by(&layout, &w.trust(), &Knowledge { lists, ..Knowledge::default() }).into()
        }),
        ("the key of an organisation that was stolen", "revoked since", |w| {
            let layout = certified(w, &[0, 1], |_| {});
            let stolen = w.organisations[0].2.chain[0].digest();
            let lists = vec![w.list(0, &[stolen], w.now.after(DAY))];
            w.verify_by(&layout, &w.trust(), &Knowledge { lists, ..Knowledge::default() }).into()
        }),
        ("organisations' lists that are held back", "revocation list is not known here", |w| {
            let mut trust = w.trust();
            for evaluator in trust.evaluators.values_mut() {
                evaluator.revocations = Some("https://organisation.example/list".into());
            }
            w.verify_by(&w.bundle(), &trust, &Knowledge::default()).into()
        }),
        ("organisations' lists that are frozen", "is overdue since", |w| {
            let mut trust = w.trust();
            for evaluator in trust.evaluators.values_mut() {
                evaluator.revocations = Some("https://organisation.example/list".into());
            }
            let lists = (0..3).map(|it| w.list(it, &[], ago(w.now, HOUR))).collect();
            w.verify_by(&w.bundle(), &trust, &Knowledge { lists, ..Knowledge::default() }).into()
        }),
        // Tried as every role that it could be by, so the refusal is that of the last.
        ("a list that is signed for another's root", "is not accepted", |w| {
            let (_, _, evaluator) = &w.organisations[0];
            let other = &w.organisations[1].1.certificate;
            let bytes = w.list_by(evaluator, other, &[], w.now.after(DAY));
            match Listed::verify(&bytes, &w.trust(), w.now) {
                Err(error) => Outcome::Refused(error.to_string()),
                Ok(_) => Outcome::Certified,
            }
        }),
        ("a list from the future", "", |w| {
            let (_, own, evaluator) = &w.organisations[0];
            let bytes = w.list_by(evaluator, &own.certificate, &[], w.now.after(DAY));
            match Listed::verify(&bytes, &w.trust(), ago(w.now, HOUR + HOUR + HOUR)) {
                Err(error) => Outcome::Refused(error.to_string()),
                Ok(_) => Outcome::Certified,
            }
        }),
    ]);

    // A merchant cannot withdraw what others have certified.
    let layout = w.bundle();
    let what = [service_of(&layout).digest];
    let bytes = w.list_by(&w.merchant, &w.authority.certificate, &what, w.now.after(DAY));
    let lists = vec![Listed::verify(&bytes, &w.trust(), w.now).unwrap()];
    let knowledge = Knowledge { lists, ..Knowledge::default() };
    assert!(w.verify_by(&layout, &w.trust(), &knowledge).unwrap().grants().certified);
}
