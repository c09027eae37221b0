//! `#[derive(Mend)]`: an error says beside its message how it is mended, and does not compile
//! without saying so. `semper_base::mend` has the trait, and shows every form of the attribute.
//!
//! | module | what it is for |
//! |---|---|
//! | `said` | what an attribute says |
//! | `fields` | the fields of a variant: what they are called, which of them is an error |
//! | `derive` | the implementation that comes of it |
#![forbid(unsafe_code)]

mod derive;
mod fields;
mod said;

use syn::{DeriveInput, parse_macro_input};

/// Implements `Mend` for an error, by the attribute `mend` of each variant, or of the struct.
///
/// | attribute | meaning |
/// |---|---|
/// | `#[mend("chmod 600 {}", path.display())]` | the mend: fields and arguments as in thiserror's `error` |
/// | `#[mend(from)]` | what the one field that is an error says, with its exit code |
/// | `#[mend(by = function)]` | what a function says that is given all fields by reference |
/// | `#[mend(none)]` | nothing helps but the message |
/// | `#[mend(input, …)]`, `#[mend(refusal, …)]` | before one of these: it exits with 2, or with 1 |
///
/// On an enum, an attribute with a mend speaks for all variants, and one with a code alone for
/// those that have none of their own.
#[proc_macro_derive(Mend, attributes(mend))]
pub fn mend(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    derive::implementation(&input).unwrap_or_else(syn::Error::into_compile_error).into()
}
