//! Up to which amount policies permit a payment: what is told as a ceiling is one.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use proptest::prelude::*;
use semper_base::Amount;
use semper_trust::Grants;
use semper_trust::policies::{Facts, Policies};

fn eur(minor: i64) -> Amount {
    Amount::new(minor, "EUR".parse().unwrap())
}

fn facts() -> Facts {
    Facts {
        name: "shop".into(),
        version: "1.0.0".into(),
        author: "Ada Author".into(),
        merchant: "Otto Versand".into(),
        certifiers: vec!["verbraucherbund".into()],
        level: 2,
        logged: true,
        known: true,
        suspicious: false,
        country: "DE".into(),
    }
}

fn reach(minor: i64) -> Grants {
    Grants { certified: true, most: Some(eur(minor)), ..Grants::harmless() }
}

/// Everything is permitted, and this much forbidden.
fn forbidding(condition: &str) -> Policies {
    let text = format!(
        "permit (principal, action, resource);\n\
         @id(\"mine\") forbid (principal, action == Action::\"pay\", resource) when {{ {condition} }};"
    );
    Policies::parse(&[("own.cedar".into(), text)]).unwrap()
}

fn ceiling(policies: &Policies, minor: i64) -> Option<i64> {
    policies.narrow(reach(minor), &facts()).0.most.map(Amount::minor)
}

#[test]
fn a_policy_that_reckons_with_the_amount_has_the_ceiling_that_it_says() {
    for (condition, want) in [
        ("resource.minor > 4999", Some(4_999)),
        ("resource.minor * 2 > principal.scope.ceiling", Some(25_000)),
        ("3 * resource.minor - 7 > principal.scope.ceiling + 1", Some(16_669)),
        ("resource.minor + 100 > principal.level * 1000", Some(1_900)),
        ("resource.minor > (if principal.known then 200 else 100)", Some(200)),
        ("resource.minor == 17", Some(16)),
        ("resource.minor >= 1", None),
        // Beyond what Cedar's numbers can hold the policy fails, and so nothing is permitted.
        ("resource.minor * 4611686018427387904 < 0", Some(1)),
        ("resource.currency == \"USD\"", Some(50_000)),
    ] {
        assert_eq!(ceiling(&forbidding(condition), 50_000), want, "{condition}");
    }
}

#[test]
fn where_no_ceiling_can_be_told_each_amount_is_asked() {
    let policies = forbidding("[7, 9].contains(resource.minor)");
    let (grants, decided) = policies.narrow(reach(50_000), &facts());

    let said = decided.iter().find(|it| it.what.starts_with("pay")).unwrap();
    assert_eq!(said.what, "pay at most 500.00 EUR, each amount asked when it is paid");
    assert_eq!(said.why, "up to which amount they permit cannot be told of “mine”");
    assert_eq!(grants.most, Some(eur(50_000)));
    let asked = |minor| policies.pay(&reach(50_000), &facts(), eur(minor)).permitted;
    assert_eq!([6, 7, 8, 9, 10].map(asked), [true, false, true, false, true]);
}

#[test]
fn a_policy_that_fails_permits_nothing_and_is_named() {
    let policies = forbidding("resource.minor * 9223372036854775807 > 0");
    let asked = policies.pay(&reach(50_000), &facts(), eur(2));
    assert!(!asked.permitted);
    assert!(asked.why.contains("mine") && asked.why.contains("overflow"), "{}", asked.why);
}

/// A number of a policy, by the amount and the ceiling.
fn number() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        (-300..300_i64).prop_map(|it| format!("({it})")),
        Just("resource.minor".to_owned()),
        Just("principal.scope.ceiling".to_owned()),
        Just("principal.level".to_owned()),
    ];
    leaf.prop_recursive(3, 8, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} + {b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} - {b})")),
            (inner.clone(), -9..9_i64).prop_map(|(a, by)| format!("({a} * ({by}))")),
            inner.clone().prop_map(|a| format!("(-{a})")),
            (inner.clone(), inner.clone(), inner)
                .prop_map(|(a, b, c)| format!("(if {a} < {b} then {c} else {a})")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn no_amount_up_to_the_ceiling_is_forbidden_and_the_next_one_is(
        one in number(),
        other in number(),
        operator in prop::sample::select(vec!["<", "<=", ">", ">=", "==", "!="]),
        most in 1..150_i64,
    ) {
        let condition = format!("{one} {operator} {other}");
        let policies = forbidding(&condition);
        let (grants, decided) = policies.narrow(reach(most), &facts());
        let told = decided.iter().all(|it| !it.what.contains("each amount asked"));
        prop_assume!(told);
        let asked = |minor| policies.pay(&reach(most), &facts(), eur(minor)).permitted;
        let first = (1..=most).find(|minor| !asked(*minor));
        let want = first.map_or(most, |first| first - 1);
        prop_assert_eq!(grants.most.map_or(0, Amount::minor), want, "{}", condition);
    }
}
