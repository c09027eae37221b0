//! World 1.2: its bindings, and which interface a capability links.
#![allow(missing_docs, clippy::all)]

use semper_trust::policy::Capability;
use wasmtime::component::{HasSelf, Linker};

use crate::context::Context;

// Both halves of the world in one, so that their common interfaces are generated once.
wasmtime::component::bindgen!({
    inline: "
        package semper:host;
        world service {
            import semper:items/types@1.0.0;
            import semper:deal/deal@1.1.0;
            import semper:deal/waiting@1.1.0;
            import semper:deal/continuation@1.1.0;
            import semper:transfer/information@1.0.0;
            import semper:transfer/statements@1.0.0;
            import semper:transfer/payments@1.0.0;
            import semper:transfer/inbox@1.0.0;
            import semper:exchange/exchange@1.0.0;
            import semper:tinguin/display@1.0.0;
            import semper:tinguin/consent@1.0.0;
            import semper:archive/preferences@1.0.0;
            import semper:business/catalogue@1.0.0;
            import semper:business/fulfilment@1.0.0;
        }
    ",
    path: [
        "../../wit/items/1.0.0", "../../wit/tinguin/1.0.0", "../../wit/transfer/1.0.0",
        "../../wit/archive/1.0.0", "../../wit/business/1.0.0", "../../wit/deal/1.1.0",
        "../../wit/exchange/1.0.0",
    ],
    world: "semper:host/service",
    imports: { default: trappable },
    with: {
        "semper:transfer/statements.statement": crate::handles::StatementHandle,
        "semper:transfer/payments.payment": crate::handles::PaymentHandle,
        "semper:tinguin/consent.consent": crate::handles::ConsentHandle,
        "semper:tinguin/consent.payment-consent": crate::handles::PaymentConsentHandle,
        "semper:exchange/exchange.proposal": crate::calls::exchange::ProposalHandle,
        "semper:exchange/exchange.answer": crate::calls::exchange::AnswerHandle,
    },
});

/// Links the interface that a capability names; WASI is linked for all worlds alike.
pub(super) fn link(linker: &mut Linker<Context>, capability: Capability) -> wasmtime::Result<()> {
    use semper::{archive, business, deal, exchange, items, tinguin, transfer};
    type Own = HasSelf<Context>;
    let get: fn(&mut Context) -> &mut Context = |context| context;
    match capability {
        Capability::Types => items::types::add_to_linker::<_, Own>(linker, get),
        Capability::Deal => deal::deal::add_to_linker::<_, Own>(linker, get),
        Capability::Waiting => deal::waiting::add_to_linker::<_, Own>(linker, get),
        Capability::Continuation => deal::continuation::add_to_linker::<_, Own>(linker, get),
        Capability::Information => transfer::information::add_to_linker::<_, Own>(linker, get),
        Capability::Statements => transfer::statements::add_to_linker::<_, Own>(linker, get),
        Capability::Payments => transfer::payments::add_to_linker::<_, Own>(linker, get),
        Capability::Inbox => transfer::inbox::add_to_linker::<_, Own>(linker, get),
        Capability::Exchange => exchange::exchange::add_to_linker::<_, Own>(linker, get),
        Capability::Display => tinguin::display::add_to_linker::<_, Own>(linker, get),
        Capability::Consent => tinguin::consent::add_to_linker::<_, Own>(linker, get),
        Capability::Preferences => archive::preferences::add_to_linker::<_, Own>(linker, get),
        Capability::Catalogue => business::catalogue::add_to_linker::<_, Own>(linker, get),
        Capability::Fulfilment => business::fulfilment::add_to_linker::<_, Own>(linker, get),
        Capability::Wasi => Ok(()),
    }
}
