//! What these tests share.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(dead_code, reason = "each test file uses its part")]

pub mod wat;

use semper_testkit::Binaries;
use semper_workbench::Offered;

/// The probe, which does what a script says.
pub fn probe(script: &str) -> Offered {
    let file = Binaries::beside().unwrap().guests.join("probe.wasm");
    let script = script.trim().lines().map(str::trim).collect::<Vec<_>>().join("\n");
    Offered::new(&std::fs::read(file).unwrap()).script(&script)
}
