//! The WIT interfaces, one module each: what a component's calls do.
//!
//! Every version of the world `semper:commerce` that was once published is served by a module of
//! its own, with bindings generated from `wit/` and the linking of its interfaces: `v1_2`. A newer
//! one stands beside it, and an older one translates to the newest; what is the same in both is
//! implemented once.

mod archive;
mod business;
mod convert;
mod deal;
pub(crate) mod exchange;
mod tinguin;
mod transfer;
pub(crate) mod v1_2;
mod waiting;
pub(crate) mod wasi;

use semper_trust::policy::{Capability, Grants, World};
use wasmtime::component::Linker;

use crate::context::Context;

/// Links what is granted, and nothing else; of WASI, under the version that the component
/// imports.
pub(crate) fn link(
    linker: &mut Linker<Context>,
    grants: &Grants,
    imports: &[String],
) -> wasmtime::Result<()> {
    for capability in Capability::all().filter(|it| grants.capabilities.contains(it)) {
        match (capability, grants.world) {
            (Capability::Wasi, _) => wasi::link(linker, imports)?,
            (_, World::V1_2) => v1_2::link(linker, capability)?,
        }
    }
    Ok(())
}
