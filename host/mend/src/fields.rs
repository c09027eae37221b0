//! The fields of a variant, as mends name them: by their names, or by their numbers.

use proc_macro2::{Group, Literal, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote};
use syn::{Error, Field, Fields, Ident, LitStr, Result};

/// What a field is bound to while its error is mended: its name, or `_0`.
fn binding(number: usize, field: &Field) -> Ident {
    field.ident.clone().unwrap_or_else(|| format_ident!("_{number}"))
}

/// The bindings of all fields, in order.
pub(crate) fn bindings(fields: &Fields) -> Vec<Ident> {
    fields.iter().enumerate().map(|(number, field)| binding(number, field)).collect()
}

/// What stands in braces after the name of a variant, to bind all its fields.
pub(crate) fn pattern(fields: &Fields) -> TokenStream {
    let bound = fields.iter().enumerate().map(|(number, field)| match &field.ident {
        Some(name) => name.to_token_stream(),
        None => {
            let (index, name) = (Literal::usize_unsuffixed(number), binding(number, field));
            quote!(#index: #name)
        }
    });
    quote!({ #(#bound),* })
}

/// The binding and the field of the error that this one comes from: marked by thiserror's `from`
/// or `source`, or called `source`, or the only one.
pub(crate) fn source<'a>(fields: &'a Fields, asked: &Ident) -> Result<(Ident, &'a Field)> {
    let marked = |field: &Field| {
        field.attrs.iter().any(|it| it.path().is_ident("from") || it.path().is_ident("source"))
    };
    let called = |field: &Field| field.ident.as_ref().is_some_and(|name| name == "source");
    let all: Vec<(usize, &Field)> = fields.iter().enumerate().collect();
    let found = all.iter().find(|(_, field)| marked(field));
    let found = found.or_else(|| all.iter().find(|(_, field)| called(field)));
    match (found, all.as_slice()) {
        (Some((number, field)), _) => Ok((binding(*number, field), field)),
        (None, [(number, field)]) => Ok((binding(*number, field), field)),
        (None, []) => Err(Error::new(asked.span(), "there is no field that could be an error")),
        (None, _) => Err(Error::new(asked.span(), "mark the field that is the error: #[source]")),
    }
}

/// A text as `format!` takes it: fields that are named by number stand by their bindings.
pub(crate) fn text(text: &LitStr) -> LitStr {
    let value = text.value();
    let (mut given, mut rest) = (String::new(), value.as_str());
    while let Some(at) = rest.find('{') {
        let (before, after) = rest.split_at(at + 1);
        given.push_str(before);
        rest = after;
        if let Some(after) = rest.strip_prefix('{') {
            given.push('{');
            rest = after;
        } else if rest.starts_with(|c: char| c.is_ascii_digit()) {
            given.push('_');
        }
    }
    given.push_str(rest);
    LitStr::new(&given, text.span())
}

/// Arguments as `format!` takes them: `.0` at the beginning of an expression is a field.
pub(crate) fn arguments(tokens: TokenStream) -> TokenStream {
    let mut given: Vec<TokenTree> = Vec::new();
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        let begins = match given.last() {
            None => true,
            Some(TokenTree::Punct(before)) => ",=&*!".contains(before.as_char()),
            Some(_) => false,
        };
        match &token {
            TokenTree::Punct(dot) if begins && dot.as_char() == '.' => {
                let number = tokens.peek().and_then(|it| it.to_string().parse::<usize>().ok());
                match number {
                    Some(number) => {
                        tokens.next();
                        given.push(format_ident!("_{number}").into());
                    }
                    None => given.push(token),
                }
            }
            TokenTree::Group(group) => {
                let inner = arguments(group.stream());
                let mut inner = Group::new(group.delimiter(), inner);
                inner.set_span(group.span());
                given.push(inner.into());
            }
            _ => given.push(token),
        }
    }
    given.into_iter().collect()
}

/// Whether a text can be taken as it stands, without `format!`.
pub(crate) fn is_plain(text: &LitStr, arguments: &TokenStream) -> bool {
    arguments.is_empty() && !text.value().contains(['{', '}'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_named_by_number_in_texts_and_arguments() {
        let given: LitStr = syn::parse_quote!("{0} of {{0}}, {1:?}, {name}, {}");
        assert_eq!(text(&given).value(), "{_0} of {{0}}, {_1:?}, {name}, {}");
        let given = arguments(quote!(, .0.display(), words(&.1, a.0), *.2));
        assert_eq!(given.to_string(), quote!(, _0.display(), words(&_1, a.0), *_2).to_string());
    }
}
