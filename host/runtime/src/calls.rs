//! The WIT interfaces, one module each: what a component's calls do. Every world version that
//! was ever published is served: `v1_0`, `v1_1` and `v1_2` are generated from its packages, and what
//! is the same in all is implemented once.

pub(crate) mod v1_0 {
    //! Generated from `wit/`.
    #![allow(missing_docs, clippy::all)]

    wasmtime::component::bindgen!({
        inline: "
            package semper:host;
            world service {
                import semper:items/types@1.0.0;
                import semper:deal/deal@1.0.0;
                import semper:transfer/information@1.0.0;
                import semper:transfer/statements@1.0.0;
                import semper:transfer/payments@1.0.0;
                import semper:transfer/inbox@1.0.0;
                import semper:tinguin/display@1.0.0;
                import semper:tinguin/consent@1.0.0;
                import semper:archive/preferences@1.0.0;
                import semper:business/catalogue@1.0.0;
                import semper:business/fulfilment@1.0.0;
            }
        ",
        path: [
            "../../wit/items", "../../wit/deal", "../../wit/tinguin", "../../wit/transfer",
            "../../wit/archive", "../../wit/business",
        ],
        world: "semper:host/service",
        imports: { default: trappable },
        with: {
            "semper:transfer/statements.statement": crate::context::StatementHandle,
            "semper:transfer/payments.payment": crate::context::PaymentHandle,
            "semper:tinguin/consent.consent": crate::context::ConsentHandle,
            "semper:tinguin/consent.payment-consent": crate::context::PaymentConsentHandle,
        },
    });
}

pub(crate) mod v1_1 {
    //! Generated from `wit/v1.1`: what version 1.1 adds.
    #![allow(missing_docs, clippy::all)]

    wasmtime::component::bindgen!({
        inline: "
            package semper:host;
            world service {
                import semper:deal/deal@1.1.0;
                import semper:deal/waiting@1.1.0;
                import semper:deal/continuation@1.1.0;
            }
        ",
        path: [
            "../../wit/items", "../../wit/tinguin", "../../wit/transfer", "../../wit/v1.1/deal",
        ],
        world: "semper:host/service",
        imports: { default: trappable },
        with: {
            "semper:items/types@1.0.0": crate::calls::v1_0::semper::items::types,
            "semper:transfer/statements@1.0.0": crate::calls::v1_0::semper::transfer::statements,
            "semper:transfer/payments@1.0.0": crate::calls::v1_0::semper::transfer::payments,
            "semper:transfer/inbox@1.0.0": crate::calls::v1_0::semper::transfer::inbox,
            "semper:tinguin/consent@1.0.0": crate::calls::v1_0::semper::tinguin::consent,
        },
    });
}

pub(crate) mod v1_2 {
    //! Generated from `wit/v1.2`: what version 1.2 adds.
    #![allow(missing_docs, clippy::all)]

    wasmtime::component::bindgen!({
        inline: "
            package semper:host;
            world service {
                import semper:exchange/exchange@1.0.0;
            }
        ",
        path: [
            "../../wit/items", "../../wit/tinguin", "../../wit/transfer", "../../wit/v1.1/deal",
            "../../wit/v1.2/exchange",
        ],
        world: "semper:host/service",
        imports: { default: trappable },
        with: {
            "semper:items/types@1.0.0": crate::calls::v1_0::semper::items::types,
            "semper:transfer/statements@1.0.0": crate::calls::v1_0::semper::transfer::statements,
            "semper:transfer/payments@1.0.0": crate::calls::v1_0::semper::transfer::payments,
            "semper:transfer/inbox@1.0.0": crate::calls::v1_0::semper::transfer::inbox,
            "semper:tinguin/consent@1.0.0": crate::calls::v1_0::semper::tinguin::consent,
            "semper:deal/waiting@1.1.0": crate::calls::v1_1::semper::deal::waiting,
            "semper:exchange/exchange.proposal": crate::calls::exchange::ProposalHandle,
            "semper:exchange/exchange.answer": crate::calls::exchange::AnswerHandle,
        },
    });
}

mod archive;
mod business;
mod convert;
mod deal;
pub(crate) mod exchange;
mod tinguin;
mod transfer;
mod waiting;
pub(crate) mod wasi;

use semper_trust::policy::{Capability, Grants, World};
use wasmtime::component::{HasSelf, Linker};

use crate::context::Context;

/// Links what is granted, and nothing else; of WASI, under the version that the component
/// imports.
pub(crate) fn link(
    linker: &mut Linker<Context>,
    grants: &Grants,
    imports: &[String],
) -> wasmtime::Result<()> {
    for capability in Capability::all().filter(|it| grants.capabilities.contains(it)) {
        link_one(linker, capability, grants.world, imports)?;
    }
    Ok(())
}

fn link_one(
    linker: &mut Linker<Context>,
    capability: Capability,
    world: World,
    imports: &[String],
) -> wasmtime::Result<()> {
    use v1_0::semper as old;
    use v1_1::semper as new;
    type Own = HasSelf<Context>;
    let get: fn(&mut Context) -> &mut Context = |context| context;
    match capability {
        Capability::Types => old::items::types::add_to_linker::<_, Own>(linker, get),
        Capability::Deal => {
            if world >= World::V1_1 {
                new::deal::deal::add_to_linker::<_, Own>(linker, get)?;
            }
            old::deal::deal::add_to_linker::<_, Own>(linker, get)
        }
        Capability::Waiting if world >= World::V1_1 => {
            new::deal::waiting::add_to_linker::<_, Own>(linker, get)
        }
        Capability::Continuation if world >= World::V1_1 => {
            new::deal::continuation::add_to_linker::<_, Own>(linker, get)
        }
        Capability::Exchange if world >= World::V1_2 => {
            v1_2::semper::exchange::exchange::add_to_linker::<_, Own>(linker, get)
        }
        Capability::Waiting | Capability::Continuation | Capability::Exchange => Ok(()),
        Capability::Information => old::transfer::information::add_to_linker::<_, Own>(linker, get),
        Capability::Statements => old::transfer::statements::add_to_linker::<_, Own>(linker, get),
        Capability::Payments => old::transfer::payments::add_to_linker::<_, Own>(linker, get),
        Capability::Inbox => old::transfer::inbox::add_to_linker::<_, Own>(linker, get),
        Capability::Display => old::tinguin::display::add_to_linker::<_, Own>(linker, get),
        Capability::Consent => old::tinguin::consent::add_to_linker::<_, Own>(linker, get),
        Capability::Preferences => old::archive::preferences::add_to_linker::<_, Own>(linker, get),
        Capability::Catalogue => old::business::catalogue::add_to_linker::<_, Own>(linker, get),
        Capability::Fulfilment => old::business::fulfilment::add_to_linker::<_, Own>(linker, get),
        Capability::Wasi => wasi::link(linker, imports),
    }
}
