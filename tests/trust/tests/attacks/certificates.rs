//! Certificates of organisations that do not count.

use std::collections::BTreeMap;

use semper_base::cert::Authority;
use semper_base::{Role, SigningKey};
use semper_trust::bundle::{self, CERTIFICATE};
use semper_trust::describe::Bounds;
use semper_trust::envelope::{CERTIFIED, IN_TOTO};
use semper_trust::layout::canonical;
use semper_trust::trustfile::About;
use semper_trust::{Knowledge, TrustFile};
use semper_trust_tests::{
    DAY, HOUR, World, ago, attach, envelope_of, party, service_of, statement,
};

use super::*;

#[test]
fn certificates_that_do_not_count() {
    // Two of three are enough; so is one that speaks for another, where that is allowed.
    let w = World::new();
    assert!(w.verify(&certified(&w, &[0, 2], |_| {})).unwrap().grants().certified);

    all_fail(&[
        ("all certificates stripped", "", |w| w.verify(&w.uncertified(|_| {})).into()),
        ("one organisation of two that are needed", "", |w| {
            w.verify(&certified(w, &[1], |_| {})).into()
        }),
        ("one organisation under two keys", "", |w| {
            let mut layout = certified(w, &[1], |_| {});
            let (_, own, _) = &w.organisations[1];
            let second = party(own, "Konsument", Role::Evaluator, ago(w.now, HOUR));
            bundle::certify(&mut layout, About::Service, w.certificate(1), &second.signer())
                .unwrap();
            w.verify(&layout).into()
        }),
        (
            "one organisation under two names in the trust file",
            "one organisation is one voice",
            |w| {
                let pem = w.organisations[0].1.certificate.to_pem();
                let text = "authorities = []\n\
                        [evaluator.one]\nroot = \"r\"\ncriteria = []\n\
                        [evaluator.two]\nroot = \"r\"\ncriteria = []\n";
                match TrustFile::parse(text, |_| Ok(pem.clone())) {
                    Ok(_) => Outcome::Certified,
                    Err(error) => Outcome::Refused(error.to_string()),
                }
            },
        ),
        ("organisations that nobody has heard of", "", |w| {
            let mut layout = w.uncertified(|_| {});
            for name in ["Verbraucherbund", "Konsument"] {
                let own = Authority::new(name, SigningKey::generate(), ago(w.now, HOUR)).unwrap();
                let evaluator = party(&own, name, Role::Evaluator, ago(w.now, HOUR));
                let mut certificate = w.certificate(0);
                certificate.organisation = name.into();
                bundle::certify(&mut layout, About::Service, certificate, &evaluator.signer())
                    .unwrap();
            }
            w.verify(&layout).into()
        }),
        ("certificates in another's name", "signed by", |w| {
            w.verify(&certified(w, &[0, 1], |it| it.organisation = "Que Choisir".into())).into()
        }),
        ("certificates by criteria of their own", "that you do not believe it for", |w| {
            w.verify(&certified(w, &[0, 1, 2], |it| it.criteria = "https://own.example/1".into()))
                .into()
        }),
        ("certificates of too low a level", "", |w| {
            w.verify(&certified(w, &[0, 1, 2], |it| it.level = 1)).into()
        }),
        ("certificates that have expired", "valid from", |w| {
            w.verify(&certified(w, &[0, 1, 2], |it| {
                it.valid_until =
                    semper_base::Timestamp::from_millis(it.valid_from.millis() + 1_000).unwrap();
            }))
            .into()
        }),
        ("certificates that are not yet valid", "valid from", |w| {
            let tomorrow = w.now.after(DAY);
            w.verify(&certified(w, &[0, 1, 2], |it| it.valid_from = tomorrow)).into()
        }),
        ("certificates for buyers of another country", "it speaks for buyers of AT", |w| {
            w.verify(&certified(w, &[0, 1, 2], |it| {
                it.scope.countries = ["AT".to_owned()].into();
            }))
            .into()
        }),
        (
            "parameters beyond what was certified",
            "it certifies “days” for 1 to 7 only, not 14",
            |w| {
                w.verify(&certified(w, &[0, 1, 2], |it| {
                    let bounds = Bounds::Number { least: 1, most: 7 };
                    it.scope.parameters = BTreeMap::from([("days".to_owned(), bounds)]);
                }))
                .into()
            },
        ),
        ("a certificate for the service used for the terms", "", |w| {
            let mut trust = w.trust();
            trust.require[0].about = About::Terms;
            w.verify_by(&w.bundle(), &trust, &Knowledge::default()).into()
        }),
        ("certificates of an older version", "", |w| {
            let mut old = w.service();
            old.version = "0.9.0".into();
            let (mut other, _) = w.service_bundle(&old);
            for it in 0..3 {
                let signer = w.organisations[it].2.signer();
                bundle::certify(&mut other, About::Service, w.certificate(it), &signer).unwrap();
            }
            let mut layout = w.uncertified(|_| {});
            let (of, service) = (service_of(&other), service_of(&layout));
            for (_, manifest) in other.referring(&of.digest, CERTIFICATE).unwrap() {
                let bytes = other.blob(&manifest.layers[0].digest).unwrap().to_vec();
                attach(&mut layout, CERTIFICATE, &service, bytes);
            }
            w.verify(&layout).into()
        }),
        ("the merchant's own word as a certificate", "", |w| {
            w.verify(&w.certified_with(|it| {
                let predicate = serde_json::to_value(w.certificate(0)).unwrap();
                let payload = canonical(&statement(CERTIFIED, it, predicate));
                w.merchant.envelope(IN_TOTO, &payload)
            }))
            .into()
        }),
        ("a delegate whom nobody allowed to be one", "", |w| {
            let mut layout = certified(w, &[1], |_| {});
            w.delegate(&mut layout, 0, 1, |_| {});
            w.verify(&layout).into()
        }),
        ("a delegate at one step more than allowed", "", |w| {
            let mut trust = w.trust();
            trust.evaluators.get_mut("verbraucherbund").unwrap().delegates = 1;
            trust.evaluators.remove("que-choisir");
            let mut layout = certified(w, &[2], |_| {});
            w.certify(&mut layout, 1, |_| {});
            trust.require[0].of = vec!["verbraucherbund".into(), "que-choisir".into()];
            w.delegate(&mut layout, 0, 1, |_| {});
            w.delegate(&mut layout, 1, 2, |it| it.depth = 3);
            w.verify_by(&layout, &trust, &Knowledge::default()).into()
        }),
        ("a delegate at a higher level than was passed on", "", |w| {
            let mut trust = w.trust();
            trust.evaluators.get_mut("verbraucherbund").unwrap().delegates = 1;
            let mut layout = certified(w, &[1], |_| {});
            w.delegate(&mut layout, 0, 1, |it| it.level = 1);
            w.verify_by(&layout, &trust, &Knowledge::default()).into()
        }),
        ("a delegation that its giver has taken back", "", |w| {
            let mut trust = w.trust();
            trust.evaluators.get_mut("verbraucherbund").unwrap().delegates = 1;
            let mut layout = certified(w, &[1], |_| {});
            w.delegate(&mut layout, 0, 1, |_| {});
            let service = service_of(&layout).digest;
            let (_, envelope, _) = envelope_of(&layout, bundle::DELEGATION, &service);
            let lists = vec![w.list(0, &[envelope], w.now.after(DAY))];
            w.verify_by(&layout, &trust, &Knowledge { lists, ..Knowledge::default() }).into()
        }),
    ]);

    // The same delegation counts where the trust file allows it: one of two by its delegate.
    let mut trust = w.trust();
    trust.evaluators.get_mut("verbraucherbund").unwrap().delegates = 1;
    let mut layout = certified(&w, &[1], |_| {});
    w.delegate(&mut layout, 0, 1, |_| {});
    let terms = w.verify_by(&layout, &trust, &Knowledge::default()).unwrap();
    assert!(terms.grants().certified);
    assert!(terms.certificates().iter().any(|it| it.via == ["Konsument"]));
}
