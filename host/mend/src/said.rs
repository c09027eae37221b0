//! What an attribute `mend` says: how it is mended, and how the command exits.

use proc_macro2::TokenStream;
use syn::parse::{Parse, ParseStream};
use syn::{Attribute, Error, Ident, LitStr, Path, Result, Token};

/// How an error is mended.
pub(crate) enum How {
    /// By a text, with arguments for its braces.
    Text(LitStr, TokenStream),
    /// As the error says that it comes from.
    From(Ident),
    /// As a function says.
    By(Path),
    /// Nothing helps but the message.
    None,
}

/// How the command exits that meets the error.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// The input was wrong.
    Input,
    /// It is refused.
    Refusal,
}

/// All that the attributes of one place say.
#[derive(Default)]
pub(crate) struct Said {
    pub(crate) how: Option<How>,
    pub(crate) exit: Option<Exit>,
}

impl Said {
    /// What these attributes say: those of others say nothing.
    pub(crate) fn by(attributes: &[Attribute]) -> Result<Self> {
        let mut all = Self::default();
        for attribute in attributes.iter().filter(|it| it.path().is_ident("mend")) {
            let said: Self = attribute.parse_args()?;
            let twice = (said.how.is_some() && all.how.is_some())
                || (said.exit.is_some() && all.exit.is_some());
            if twice {
                return Err(Error::new_spanned(attribute, "this is said twice"));
            }
            all = Self { how: said.how.or(all.how), exit: said.exit.or(all.exit) };
        }
        Ok(all)
    }
}

impl Parse for Said {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let mut said = Self::default();
        while !input.is_empty() {
            if input.peek(LitStr) {
                let text: LitStr = input.parse()?;
                if text.value().trim().is_empty() {
                    return Err(Error::new(text.span(), "where nothing helps, say none"));
                }
                said.how = Some(How::Text(text, input.parse()?));
                return Ok(said);
            }
            let word: Ident = input.parse()?;
            match word.to_string().as_str() {
                "input" if said.exit.is_none() => said.exit = Some(Exit::Input),
                "refusal" if said.exit.is_none() => said.exit = Some(Exit::Refusal),
                "from" if said.how.is_none() => said.how = Some(How::From(word)),
                "none" if said.how.is_none() => said.how = Some(How::None),
                "by" if said.how.is_none() => {
                    input.parse::<Token![=]>()?;
                    said.how = Some(How::By(input.parse()?));
                }
                "input" | "refusal" | "from" | "none" | "by" => {
                    return Err(Error::new(word.span(), "this is said twice"));
                }
                _ => {
                    let words = "one of input, refusal, from, none, by = function, \"a text\"";
                    return Err(Error::new(word.span(), words));
                }
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(said)
    }
}
