//! The WIT interfaces, one module each: what a component's calls do.

pub(crate) mod bindings {
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
                export run: func() -> result<_, string>;
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

mod archive;
mod business;
mod convert;
mod deal;
mod tinguin;
mod transfer;
