//! What a guest service of world `semper:commerce@1.2.0` is written with.
//!
//! A service is two components, one for each side, written as straight-line code: ask, send,
//! receive, decide. The host keeps the journal, so the code may wait for a year in the middle
//! of a line. The buyer's half takes what it needs from [`buyer`], the seller's from [`seller`].
//!
//! ```ignore
//! #![no_std]
//! extern crate alloc;
//! use semper_guest::buyer::*;
//!
//! struct Service;
//! semper_guest::export!(Service);
//!
//! impl Guest for Service {
//!     fn run() -> Result<(), String> {
//!         let offer = Wish::default().receive();
//!         …
//!     }
//! }
//! ```
//!
//! Components built on this crate import `semper:*` interfaces and nothing else: no WASI, so no
//! clock, randomness, files or network; that is what lets the host replay them. The crate
//! brings the allocator and the panic handler that `std` would have brought (a panic ends
//! the activation as a trap; the deal fails with the state it was in, nothing is half done).
//!
//! There are no features to choose. One build may make both halves, and cargo gives a library the
//! features of all who use it in a build: features that say which half it is would meet. A component
//! imports what it calls and nothing else, so the bindings may have more than it uses.
#![no_std]
// The allocator's and the bindings' glue is generated unsafe code.
#![allow(unsafe_code, missing_docs, clippy::all)]

extern crate alloc;

/// The interfaces of both halves of the world, and what a component exports.
pub mod bindings {
    wit_bindgen::generate!({
        inline: "
            package semper:guest;
            world service {
                include semper:commerce/buyer-service@1.2.0;
                import semper:business/catalogue@1.0.0;
                import semper:business/fulfilment@1.0.0;
            }
        ",
        path: [
            "../../wit/items/1.0.0", "../../wit/tinguin/1.0.0", "../../wit/transfer/1.0.0",
            "../../wit/archive/1.0.0", "../../wit/business/1.0.0", "../../wit/deal/1.1.0",
            "../../wit/exchange/1.0.0", "../../wit/commerce/1.2.0",
        ],
        world: "semper:guest/service",
        generate_all,
        pub_export_macro: true,
        export_macro_name: "export_service",
        default_bindings_module: "semper_guest::bindings",
    });
}

/// Makes a type that is a [`Guest`](bindings::Guest) the component's own.
#[macro_export]
macro_rules! export {
    ($service:ident) => {
        $crate::bindings::export_service!($service with_types_in $crate::bindings);
    };
}

/// What the buyer's half is written with.
pub mod buyer {
    pub use crate::bindings::semper::archive::preferences;
    pub use crate::bindings::semper::tinguin::display;
    pub use crate::common::*;
}

/// What the seller's half is written with.
pub mod seller {
    pub use crate::bindings::semper::business::{catalogue, fulfilment};
    pub use crate::common::*;
}

/// What both halves are written with.
mod common {
    pub use alloc::borrow::ToOwned;
    pub use alloc::format;
    pub use alloc::string::{String, ToString};
    pub use alloc::vec;
    pub use alloc::vec::Vec;

    pub use crate::bindings::Guest;
    pub use crate::bindings::semper::deal::{continuation, deal, waiting};
    pub use crate::bindings::semper::exchange::exchange;
    pub use crate::bindings::semper::items::types::*;
    pub use crate::bindings::semper::tinguin::consent;
    pub use crate::bindings::semper::transfer::inbox::{Received, receive};
    pub use crate::bindings::semper::transfer::information;
    pub use crate::bindings::semper::transfer::payments::{self, Payment};
    pub use crate::bindings::semper::transfer::statements::{self, Statement};
    pub use crate::money;
    pub use crate::wish::{Next, Proposed, Wish};
}

/// Waiting for the other side, with an ear for the person who wants to leave.
pub mod wish {
    use alloc::string::String;

    use crate::bindings::semper::deal::waiting::{Event, Wanted, first_of};
    use crate::bindings::semper::exchange::exchange::{self, Proposal};
    use crate::bindings::semper::transfer::inbox::Received;

    /// The person's wish to leave the deal. The host tells it once, at any wait; what can be
    /// done about it depends on where the deal stands, so it is kept here until then.
    #[derive(Default)]
    pub struct Wish(Option<String>);

    /// What a wait with a date ended with.
    pub enum Next {
        /// The other side's next message.
        Message(Received),
        /// The date.
        Time,
    }

    /// What a wait for a proposal ended with.
    pub enum Proposed {
        /// An exchange is proposed.
        Proposal(Proposal),
        /// Another message.
        Message(Received),
    }

    impl Wish {
        /// Hears a wish that is there now, without waiting. For whoever is left at a question: the
        /// answer does not say why.
        pub fn hear(&mut self) {
            let until = Some(crate::bindings::semper::deal::deal::now());
            if let Event::Cancelled(reason) =
                first_of(&Wanted { message: false, until, answer: None })
            {
                self.0 = Some(reason);
            }
        }

        /// The other side's next message.
        pub fn receive(&mut self) -> Received {
            loop {
                if let Next::Message(received) = self.receive_until(None) {
                    return received;
                }
            }
        }

        /// The other side's next message, or the date, whichever comes first.
        pub fn receive_until(&mut self, until: Option<u64>) -> Next {
            loop {
                match first_of(&Wanted { message: true, until, answer: None }) {
                    Event::Message(received) => return Next::Message(received),
                    Event::Time(_) => return Next::Time,
                    Event::Cancelled(reason) => self.0 = Some(reason),
                    Event::Answer(_) => {}
                }
            }
        }

        /// The other side's next message, which may be a proposal of an exchange. For services
        /// that wait for one: it makes the component import `semper:exchange`.
        pub fn receive_proposal(&mut self) -> Proposed {
            let wanted = || Wanted { message: true, until: None, answer: None };
            loop {
                match exchange::first_of(&wanted()) {
                    exchange::Next::Proposal(proposal) => return Proposed::Proposal(proposal),
                    exchange::Next::Other(Event::Message(it)) => return Proposed::Message(it),
                    exchange::Next::Other(Event::Cancelled(reason)) => self.0 = Some(reason),
                    exchange::Next::Other(_) => {}
                }
            }
        }

        /// Waits for a date.
        pub fn sleep_until(&mut self, date: u64) {
            loop {
                match first_of(&Wanted { message: false, until: Some(date), answer: None }) {
                    Event::Cancelled(reason) => self.0 = Some(reason),
                    _ => return,
                }
            }
        }

        /// Whether the person wants to leave.
        pub fn is_there(&self) -> bool {
            self.0.is_some()
        }

        /// The reason, if the person wants to leave; told once.
        pub fn take(&mut self) -> Option<String> {
            self.0.take()
        }
    }
}

/// Amounts, as people read them and as they add.
pub mod money {
    use alloc::format;
    use alloc::string::{String, ToString};

    use crate::bindings::semper::items::types::Amount;

    /// Currencies of ISO 4217 whose minor unit does not have two decimals.
    const OTHERS: [(u32, &str); 3] = [
        (0, "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"),
        (3, "BHD IQD JOD KWD LYD OMR TND"),
        (4, "CLF UYW"),
    ];

    /// How many decimals amounts of this currency have: 2 for EUR, 0 for JPY.
    pub fn digits(currency: &str) -> u32 {
        let mut others = OTHERS.iter();
        let found = others.find(|(_, codes)| codes.split(' ').any(|code| code == currency));
        found.map_or(2, |(digits, _)| *digits)
    }

    /// `19.99 EUR`, `4800 JPY`: with the currency's own decimals.
    pub fn text(amount: &Amount) -> String {
        let minor = amount.minor.unsigned_abs();
        let sign = if amount.minor < 0 { "-" } else { "" };
        let digits = digits(&amount.currency);
        let unit = 10_u64.pow(digits);
        if digits == 0 {
            return format!("{sign}{minor} {}", amount.currency);
        }
        let (whole, part, width) = (minor / unit, minor % unit, digits as usize);
        format!("{sign}{whole}.{part:0width$} {}", amount.currency)
    }

    /// So many whole units of a currency, in minor ones: 5 EUR are 500, 5 JPY are 5.
    pub fn whole(units: i64, currency: &str) -> Option<i64> {
        units.checked_mul(10_i64.pow(digits(currency)))
    }

    /// The sum, if both are of one currency and it can be counted.
    pub fn plus(a: &Amount, b: &Amount) -> Result<Amount, String> {
        if a.currency != b.currency {
            return Err(format!("{} and {} do not add", a.currency, b.currency));
        }
        let minor =
            a.minor.checked_add(b.minor).ok_or_else(|| "the sum is too large".to_string())?;
        Ok(Amount { minor, currency: a.currency.clone() })
    }

    /// So many times.
    pub fn times(amount: &Amount, count: u32) -> Result<Amount, String> {
        let minor = amount.minor.checked_mul(i64::from(count));
        let minor = minor.ok_or_else(|| "the sum is too large".to_string())?;
        Ok(Amount { minor, currency: amount.currency.clone() })
    }
}

#[cfg(target_arch = "wasm32")]
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

/// The canonical ABI's allocator entry, which std would have brought (through its libc).
#[cfg(target_arch = "wasm32")]
#[unsafe(export_name = "cabi_realloc")]
unsafe extern "C" fn cabi_realloc(old: *mut u8, len: usize, align: usize, new: usize) -> *mut u8 {
    use alloc::alloc::{Layout, alloc, realloc};
    // SAFETY: the canonical ABI calls this with a pointer, length and alignment that came from
    // here, or with a length of zero for a new allocation; alignments are powers of two.
    unsafe {
        let place = match (len, new) {
            (0, 0) => return align as *mut u8,
            (0, _) => alloc(Layout::from_size_align_unchecked(new, align)),
            _ => realloc(old, Layout::from_size_align_unchecked(len, align), new),
        };
        if place.is_null() {
            core::arch::wasm32::unreachable()
        }
        place
    }
}

// memcmp and its like, which the compiler counts on; none of them imports anything.
#[cfg(target_arch = "wasm32")]
#[link(name = "c")]
unsafe extern "C" {}

#[cfg(all(target_arch = "wasm32", not(test)))]
#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    use core::sync::atomic::{AtomicBool, Ordering};

    static PANICKED: AtomicBool = AtomicBool::new(false);
    // The host keeps a service's last words. A panic on the way to them says nothing.
    if !PANICKED.swap(true, Ordering::Relaxed) {
        bindings::semper::deal::deal::log(&alloc::format!("{info}"));
    }
    core::arch::wasm32::unreachable()
}
