//! Services that nobody has certified: they run with what can do no harm, every other import is
//! refused before anything runs, and the person is told.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use common::wat::importing;
use semper_trust::policy::{Capability, World};
use semper_trust::verify::imports;
use semper_workbench::{Offered, Options, Workbench};

#[test]
fn an_uncertified_service_gets_no_import_that_could_do_harm() {
    let bench = Workbench::new(Options::default());
    let mut refused = 0;
    for capability in Capability::all() {
        if capability == Capability::Wasi {
            continue;
        }
        let version = World::default().version(capability);
        let component = importing(&format!("{}@{version}", capability.name()));
        let mut offered = Offered::new(&component);
        offered.certified = false;
        let terms = bench.verify(&offered).unwrap();
        assert!(!terms.grants().certified && terms.grants().most.is_none());
        let admitted = terms.grants().admit(&imports(&component).unwrap());
        if Capability::HARMLESS.contains(&capability) {
            admitted.unwrap();
            continue;
        }
        let words = admitted.unwrap_err().to_string();
        assert!(words.contains("nobody whom you believe has certified"), "{capability}: {words}");
        assert!(words.contains(capability.name()), "{words}");
        // A host that is made to run it all the same refuses it, and nothing has happened.
        let id = bench.open(&bench.terms(&offered));
        let row = bench.ended(id);
        assert_eq!(row.state.name(), "failed", "{capability}: {}", row.note);
        assert!(row.note.contains("nobody whom you believe"), "{capability}: {}", row.note);
        assert!(bench.host.archive().journal(id).unwrap().is_empty());
        refused += 1;
    }
    assert_eq!(refused, Capability::all().count() - Capability::HARMLESS.len());
}
