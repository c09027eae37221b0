//! Holds the drawing in ARCHITECTURE.md and the workspace together, and documents and their links;
//! see `tests/layers.rs` and `tests/links.rs`.

use std::path::PathBuf;

/// The repository that is tested: of the run, not of the build, since checkouts may share a target
/// folder.
pub fn repository() -> PathBuf {
    let own = std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| ".".into(), PathBuf::from);
    own.ancestors().nth(2).unwrap_or(&own).to_owned()
}
