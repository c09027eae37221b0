//! The implementation of `Mend` that attributes make.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Attribute, Data, DeriveInput, Error, Fields, Result};

use crate::fields;
use crate::said::{Exit, How, Said};

const SILENT: &str = "how is this mended? Say #[mend(\"what to do\")], #[mend(from)] where it \
     passes an error on, #[mend(by = function)], or #[mend(none)] where only the message helps";

/// What one variant answers: to what it is matched, its mend, and whether it is wrong input.
struct Arm {
    pattern: TokenStream,
    mend: TokenStream,
    input: Input,
}

/// Whether the input was wrong.
enum Input {
    Known(bool),
    PassedOn(TokenStream),
}

/// The whole implementation.
pub(crate) fn implementation(input: &DeriveInput) -> Result<TokenStream> {
    let arms = arms(input)?;
    let mends = arms.iter().map(|Arm { pattern, mend, .. }| quote!(#pattern => #mend,));
    let inputs = inputs(&arms);
    let name = &input.ident;
    let (generics, of, wheres) = input.generics.split_for_impl();
    Ok(quote! {
        #[automatically_derived]
        #[allow(unused_variables, unused_imports, unused_qualifications, clippy::all)]
        impl #generics ::semper_base::Mend for #name #of #wheres {
            fn mend(&self) -> ::std::string::String {
                use ::semper_base::Mend as _;
                match self { #(#mends)* }
            }

            #inputs
        }
    })
}

/// One for each variant, or one for the struct.
fn arms(input: &DeriveInput) -> Result<Vec<Arm>> {
    let all = Said::by(&input.attrs)?;
    match &input.data {
        Data::Struct(data) => {
            let at = Error::new(input.ident.span(), SILENT);
            Ok(vec![arm(&quote!(Self), &data.fields, &all.how.ok_or(at)?, all.exit)?])
        }
        Data::Enum(data) if data.variants.is_empty() => {
            Err(Error::new(input.ident.span(), "an error of no kind cannot happen"))
        }
        Data::Enum(data) => {
            let mut arms = Vec::new();
            let mut silent: Option<Error> = None;
            for variant in &data.variants {
                let name = &variant.ident;
                let own = own(&variant.attrs, &all)?;
                let Some(how) = own.how.as_ref().or(all.how.as_ref()) else {
                    // Every silent variant is named at once.
                    let error = Error::new(name.span(), SILENT);
                    match &mut silent {
                        Some(first) => first.combine(error),
                        None => silent = Some(error),
                    }
                    continue;
                };
                let exit = own.exit.or(all.exit);
                arms.push(arm(&quote!(Self::#name), &variant.fields, how, exit)?);
            }
            silent.map_or(Ok(arms), Err)
        }
        Data::Union(_) => Err(Error::new(input.ident.span(), "a union is no error")),
    }
}

/// What a variant says itself. Where the enum has spoken for all, none has a mend of its own.
fn own(attributes: &[Attribute], all: &Said) -> Result<Said> {
    let own = Said::by(attributes)?;
    match attributes.iter().find(|it| it.path().is_ident("mend")) {
        Some(at) if own.how.is_some() && all.how.is_some() => {
            Err(Error::new_spanned(at, "the enum has said it for all variants"))
        }
        _ => Ok(own),
    }
}

fn arm(name: &TokenStream, fields: &Fields, how: &How, exit: Option<Exit>) -> Result<Arm> {
    let braces = fields::pattern(fields);
    let pattern = quote!(#name #braces);
    let known = Input::Known(exit == Some(Exit::Input));
    let (mend, input) = match how {
        How::None => (quote!(::std::string::String::new()), known),
        How::By(function) => {
            let given = fields::bindings(fields);
            (quote!(#function(#(#given),*)), known)
        }
        How::Text(text, arguments) if fields::is_plain(text, arguments) => {
            (quote!(::std::string::String::from(#text)), known)
        }
        How::Text(text, arguments) => {
            let (text, arguments) = (fields::text(text), fields::arguments(arguments.clone()));
            (quote!(::std::format!(#text #arguments)), known)
        }
        How::From(word) => {
            let (source, field) = fields::source(fields, word)?;
            let at = field.ty.span();
            let passed = Input::PassedOn(quote_spanned!(at=> #source.is_input()));
            let input = if exit.is_some() { known } else { passed };
            (quote_spanned!(at=> #source.mend()), input)
        }
    };
    Ok(Arm { pattern, mend, input })
}

/// `is_input`, where it says something else than the trait says by itself.
fn inputs(arms: &[Arm]) -> TokenStream {
    if arms.iter().all(|arm| matches!(arm.input, Input::Known(false))) {
        return TokenStream::new();
    }
    let arms = arms.iter().map(|Arm { pattern, input, .. }| match input {
        Input::Known(input) => quote!(#pattern => #input,),
        Input::PassedOn(input) => quote!(#pattern => #input,),
    });
    quote! {
        fn is_input(&self) -> bool {
            use ::semper_base::Mend as _;
            match self { #(#arms)* }
        }
    }
}

#[cfg(test)]
mod tests {
    use syn::parse_quote;

    use super::*;

    fn refused(input: &DeriveInput) -> Vec<String> {
        let error = implementation(input).expect_err("it compiles");
        error.into_iter().map(|it| it.to_string()).collect()
    }

    #[test]
    fn every_variant_that_says_nothing_is_named() {
        let refused = refused(&parse_quote! {
            enum Fault { #[mend("a")] A, B(String), #[error(transparent)] C(Other) }
        });
        assert_eq!(refused, [SILENT, SILENT]);
    }

    #[test]
    fn a_struct_that_says_nothing_is_refused_and_so_is_one_that_says_only_how_to_exit() {
        assert_eq!(
            refused(&parse_quote!(
                struct Fault(String);
            )),
            [SILENT]
        );
        assert_eq!(
            refused(&parse_quote!(
                #[mend(input)]
                struct Fault;
            )),
            [SILENT]
        );
    }

    #[test]
    fn what_is_said_twice_or_not_understood_is_refused() {
        let twice = ["this is said twice"];
        assert_eq!(
            refused(&parse_quote!(
                #[mend("a")]
                #[mend(from)]
                struct Fault(E);
            )),
            twice
        );
        assert_eq!(
            refused(&parse_quote!(
                #[mend(none, from)]
                struct Fault(E);
            )),
            twice
        );
        assert_eq!(
            refused(&parse_quote!(
                #[mend(input, input, "a")]
                struct Fault;
            )),
            twice
        );
        let for_all = ["the enum has said it for all variants"];
        assert_eq!(
            refused(&parse_quote!(
                #[mend("a")]
                enum F {
                    A,
                    #[mend("b")]
                    B,
                }
            )),
            for_all
        );
        let empty = ["where nothing helps, say none"];
        assert_eq!(
            refused(&parse_quote!(
                #[mend("")]
                struct Fault;
            )),
            empty
        );
        let word = refused(&parse_quote!(
            #[mend(form)]
            struct Fault(E);
        ));
        assert!(word[0].starts_with("one of input, refusal"), "{word:?}");
    }

    #[test]
    fn only_one_field_can_be_the_error_that_is_passed_on() {
        let none = refused(&parse_quote!(
            enum F {
                #[mend(from)]
                A,
            }
        ));
        assert_eq!(none, ["there is no field that could be an error"]);
        let many = refused(&parse_quote!(
            enum F {
                #[mend(from)]
                A(E, E),
            }
        ));
        assert_eq!(many, ["mark the field that is the error: #[source]"]);
        let marked: DeriveInput = parse_quote!(
            enum F {
                #[mend(from)]
                A(u8, #[source] E),
            }
        );
        assert!(implementation(&marked).is_ok());
    }

    #[test]
    fn what_cannot_be_an_error_is_refused() {
        assert_eq!(refused(&parse_quote!(union F { a: u8 })), ["a union is no error"]);
        assert_eq!(
            refused(&parse_quote!(
                enum F {}
            )),
            ["an error of no kind cannot happen"]
        );
    }
}
