//! An organisation moves to a new root: for a while both vouch for it, and the old one has a date.

use semper_base::cert::Authority;
use semper_base::{Role, SigningKey, Timestamp};
use semper_trust::revocation::Listed;
use semper_trust::trustfile::About;
use semper_trust::{Knowledge, Layout, TrustFile, VerifiedTerms, bundle};
use semper_trust_tests::{CRITERIA, DAY, HOUR, Party, World, ago, party, service_of};

/// A world in which the first organisation has a new root beside its old one.
struct Moving {
    world: World,
    new: (Authority, Party),
}

impl Moving {
    fn new() -> Self {
        let world = World::new();
        let before = ago(world.now, HOUR);
        let authority = Authority::new("Verbraucherbund", SigningKey::generate(), before).unwrap();
        let evaluator = party(&authority, "Verbraucherbund", Role::Evaluator, before);
        Self { world, new: (authority, evaluator) }
    }

    /// The trust file as the buyer writes it.
    fn trust(&self, former: &str) -> TrustFile {
        let text = format!(
            "authorities = [\"root.pem\"]\n\
             [evaluator.verbraucherbund]\nroot = \"new.pem\"\ncriteria = [\"{CRITERIA}\"]\n{former}\n\
             [[require]]\nthreshold = 1\nof = [\"verbraucherbund\"]\n\
             criteria = \"{CRITERIA}\"\nlevel = 2\n"
        );
        self.parse(&text).unwrap()
    }

    fn parse(&self, text: &str) -> Result<TrustFile, String> {
        let read = |name: &str| match name {
            "root.pem" => Ok(self.world.authority.certificate.to_pem()),
            "new.pem" => Ok(self.new.0.certificate.to_pem()),
            "old.pem" => Ok(self.world.organisations[0].1.certificate.to_pem()),
            other => Err(format!("no {other}")),
        };
        TrustFile::parse(text, read).map_err(|error| error.to_string())
    }

    fn certified(&self, layout: &Layout, trust: &TrustFile, at: Timestamp) -> bool {
        let terms = VerifiedTerms::verify(layout, trust, Some(&Knowledge::default()), at).unwrap();
        terms.grants().certified
    }

    /// Certified by the old key, and by the new one.
    fn layouts(&self) -> [Layout; 2] {
        let mut old = self.world.uncertified(|_| {});
        let mut new = old.clone();
        self.world.certify(&mut old, 0, |_| {});
        let certificate = self.world.certificate(0);
        bundle::certify(&mut new, About::Service, certificate, &self.new.1.signer()).unwrap();
        [old, new]
    }
}

#[test]
fn both_roots_vouch_until_the_date_and_then_the_new_one_alone() {
    let moving = Moving::new();
    let [old, new] = moving.layouts();
    let (now, later) = (moving.world.now, moving.world.now.after(DAY * 3));
    let alone = moving.trust("");
    assert!(!moving.certified(&old, &alone, now) && moving.certified(&new, &alone, now));
    for until in [now.after(DAY * 2).to_string(), now.after(DAY * 2).date()] {
        let both =
            moving.trust(&format!("former = [{{ root = \"old.pem\", until = \"{until}\" }}]"));
        assert!(moving.certified(&old, &both, now) && moving.certified(&new, &both, now));
        assert!(!moving.certified(&old, &both, later), "{until}");
        assert!(moving.certified(&new, &both, later));
    }
}

#[test]
fn the_new_key_takes_back_what_the_old_one_has_certified() {
    let moving = Moving::new();
    let [old, new] = moving.layouts();
    let now = moving.world.now;
    let trust = moving.trust("former = [{ root = \"old.pem\", until = \"2099-01-01\" }]");
    let service = [service_of(&old).digest];
    let next = now.after(DAY);
    for (by, root) in [
        (&moving.new.1, &moving.new.0.certificate),
        (&moving.world.organisations[0].2, &moving.world.organisations[0].1.certificate),
    ] {
        let bytes = moving.world.list_by(by, root, &service, next);
        let lists = vec![Listed::verify(&bytes, &trust, now).unwrap()];
        let knowledge = Knowledge { lists, ..Knowledge::default() };
        for layout in [&old, &new] {
            let terms = VerifiedTerms::verify(layout, &trust, Some(&knowledge), now).unwrap();
            assert!(!terms.grants().certified);
        }
    }
}

#[test]
fn an_organisation_with_two_roots_is_one_voice_and_mistakes_are_named() {
    let moving = Moving::new();
    let [old, _] = moving.layouts();
    // Certified by both of its keys, and still by one organisation.
    let mut both = old;
    let certificate = moving.world.certificate(0);
    bundle::certify(&mut both, About::Service, certificate, &moving.new.1.signer()).unwrap();
    let mut trust = moving.trust("former = [{ root = \"old.pem\", until = \"2099-01-01\" }]");
    trust.require[0].threshold = 2;
    assert!(!moving.certified(&both, &trust, moving.world.now));

    let file = |evaluators: &str| format!("authorities = []\n{evaluators}");
    let one = format!("criteria = [\"{CRITERIA}\"]\n");
    for (text, says) in [
        (
            file(&format!(
                "[evaluator.a]\nroot = \"new.pem\"\n{one}former = [{{ root = \"old.pem\", until = \"2099-01-01\" }}]\n\
                 [evaluator.b]\nroot = \"old.pem\"\n{one}"
            )),
            "one organisation is one voice",
        ),
        (
            file(&format!(
                "[evaluator.a]\nroot = \"new.pem\"\n{one}former = [{{ root = \"old.pem\", until = \"soon\" }}]\n"
            )),
            "write until = \"2027-01-31\"",
        ),
        (
            file(&format!(
                "[evaluator.a]\nroot = \"new.pem\"\n{one}former = [{{ root = \"old.pem\" }}]\n"
            )),
            "missing field `until`",
        ),
        (
            file(&format!(
                "[evaluator.a]\nroot = \"new.pem\"\n{one}former = [{{ root = \"gone.pem\", until = \"2099-01-01\" }}]\n"
            )),
            "gone.pem",
        ),
    ] {
        let error = moving.parse(&text).unwrap_err();
        assert!(error.contains(says), "{error}");
    }
}
