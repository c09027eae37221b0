//! Parameters, wishes, names, policies.

use semper_base::Role;
use semper_trust::bundle;
use semper_trust::describe::Value;

use semper_trust::{Knowledge, Layout, Limit, TrustFile};
use semper_trust_tests::{HOUR, World, ago, eur, party, policies};

use super::*;

#[test]
fn parameters_wishes_and_names() {
    all_fail(&[
        ("a parameter beyond the service's bounds", "out of its bounds", |w| {
            let value = |n| [("days".to_owned(), Value::Number(n))].into();
            w.verify(&w.uncertified(|it| it.parameters = value(31))).into()
        }),
        ("a parameter of another kind", "out of its bounds", |w| {
            w.verify(&w.uncertified(|it| {
                it.parameters = [("days".to_owned(), Value::Money(eur(5)))].into();
            }))
            .into()
        }),
        ("a parameter that is not set", "has no value", |w| {
            w.verify(&w.uncertified(|it| it.parameters.clear())).into()
        }),
        ("a parameter that there is not", "has no parameter “nights”", |w| {
            w.verify(&w.uncertified(|it| {
                it.parameters.insert("nights".into(), Value::Number(1));
            }))
            .into()
        }),
        ("a merchant's name that the terms do not bear", "but signed by", |w| {
            w.verify(&w.uncertified(|it| it.merchant = "Otto Versamd".into())).into()
        }),
        ("an appetite beyond what is granted", "wants 999999999999", |w| {
            let mut service = w.service();
            service.limits = [(Limit::Memory, 999_999_999_999)].into();
            let (mut layout, digest) = w.service_bundle(&service);
            let mut terms = w.terms(digest);
            terms.texts.clear();
            bundle::terms(&mut layout, &terms, &[], &w.merchant.signer(), ago(w.now, HOUR));
            w.verify(&layout).into()
        }),
        ("a world that there is not", "semper:commerce@9.0.0, which this host does not", |w| {
            let mut service = w.service();
            service.world = "9.0.0".into();
            let (mut layout, digest) = w.service_bundle(&service);
            let mut terms = w.terms(digest);
            terms.texts.clear();
            bundle::terms(&mut layout, &terms, &[], &w.merchant.signer(), ago(w.now, HOUR));
            w.verify(&layout).into()
        }),
        ("a flow that pays before an order", "enables payment before a signed", |w| {
            let mut service = w.service();
            let ordered = service.flow.states["ordered"].clone();
            service.flow.states.insert("start".into(), ordered);
            service.flow.states.remove("offered");
            service.flow.states.remove("ordered");
            let (mut layout, digest) = w.service_bundle(&service);
            let mut terms = w.terms(digest);
            terms.texts.clear();
            bundle::terms(&mut layout, &terms, &[], &w.merchant.signer(), ago(w.now, HOUR));
            w.verify(&layout).into()
        }),
    ]);
}

#[test]
fn names_that_look_like_others_are_flagged_and_careful_people_do_not_pay_them() {
    let mut w = World::new();
    let known = vec!["Otto Versand".to_owned()];
    let before = ago(w.now, HOUR);
    // A Cyrillic О; a letter less; a zero-width space; an l for an I would look the same.
    for name in ["Оtto Versand", "Oto Versand", "Otto\u{200b} Versand"] {
        w.merchant = party(&w.authority, name, Role::Merchant, before);
        let mut layout = w.uncertified(|it| it.merchant = name.into());
        (0..3).for_each(|it| w.certify(&mut layout, it, |_| {}));
        let mut trust = w.trust();
        let knowledge = Knowledge { merchants: known.clone(), ..Knowledge::default() };
        let terms = w.verify_by(&layout, &trust, &knowledge).unwrap();
        assert_eq!(terms.warnings().len(), 1, "{name}: {:?}", terms.warnings());

        let careful = include_str!("../../../../policies/careful.cedar");
        trust.policies = policies(careful);
        let terms = w.verify_by(&layout, &trust, &knowledge).unwrap();
        assert_eq!(terms.grants().most, None, "{name}");
        assert!(terms.grants().presents.is_empty(), "{name}");
    }
    // A merchant who is known, and another who is like nobody, are not.
    for name in ["Otto Versand", "Buchhandlung am Markt"] {
        w.merchant = party(&w.authority, name, Role::Merchant, before);
        let layout = w.uncertified(|it| it.merchant = name.into());
        let knowledge = Knowledge { merchants: known.clone(), ..Knowledge::default() };
        assert!(w.verify_by(&layout, &w.trust(), &knowledge).unwrap().warnings().is_empty());
    }
}

#[test]
fn policies_narrow_and_never_widen() {
    let w = World::new();
    let layout = w.bundle();
    let everything = "permit (principal, action, resource);";
    let mut trust = TrustFile { policies: policies(everything), ..w.trust() };
    let granted = |trust: &TrustFile, layout: &Layout| {
        w.verify_by(layout, trust, &Knowledge::default()).unwrap().grants().clone()
    };
    // Permitting everything gives a certified service what its certificates reach …
    assert_eq!(granted(&trust, &layout).most, Some(eur(50_000)));
    // … and an uncertified one what does no harm.
    let uncertified = granted(&trust, &w.uncertified(|_| {}));
    assert!(!uncertified.certified && uncertified.most.is_none());
    assert_eq!(uncertified.capabilities.len(), semper_trust::Capability::HARMLESS.len());

    // Amounts: a hole in the middle bounds what is below it.
    let hole = "permit (principal, action, resource);\n\
                forbid (principal, action == Action::\"pay\", resource)\n\
                when { resource.minor > 1000 && resource.minor < 2000 };";
    trust.policies = policies(hole);
    assert_eq!(granted(&trust, &layout).most, Some(eur(1_000)));
    trust.policies = policies("forbid (principal, action, resource);");
    assert_eq!(granted(&trust, &layout).most, None);

    // Mistakes are found when the policies are loaded, with their place.
    for (text, place, says) in [
        ("permit (principal, action, resource) when { principal.certfied };", "1:", "certfied"),
        ("permit (principal, action, resource)\nwhen { 1 + };", "2:", "unexpected token"),
        ("permit (principal, action == Action::\"fly\", resource);", "1:", "fly"),
        ("permit (principal == ?principal, action, resource);", "1:", "templates"),
    ] {
        let error = semper_trust::policies::Policies::parse(&[("own.cedar".into(), text.into())])
            .unwrap_err();
        let words = error.to_string();
        assert!(words.starts_with(&format!("own.cedar:{place}")), "{words}");
        assert!(words.contains(says), "{words}");
    }
}
