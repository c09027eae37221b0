//! What a server wants to be shown (RFC 9110 §11.6.1): `WWW-Authenticate`, in one header or in
//! several.

use std::collections::BTreeMap;

/// A way to show who we are, and what belongs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Challenge {
    /// `basic`, `bearer`, `negotiate`, in small letters.
    pub scheme: String,
    /// By names in small letters.
    pub parameters: BTreeMap<String, String>,
}

/// The ways that a header offers, in its order. What makes no sense is passed over.
pub(crate) fn parse(text: &str) -> Vec<Challenge> {
    let mut all: Vec<Challenge> = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let end = rest.find(|c| !is_token(c)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        if word.is_empty() {
            let Some(strange) = rest.chars().next() else { return all };
            rest = &rest[strange.len_utf8()..];
            continue;
        }
        let value = after.trim_start().strip_prefix('=').map(str::trim_start);
        match (value, all.last_mut()) {
            (Some(value), Some(challenge)) => {
                let (value, more) = value_of(value);
                challenge.parameters.insert(word.to_ascii_lowercase(), value);
                rest = more;
            }
            _ => {
                let scheme = word.to_ascii_lowercase();
                all.push(Challenge { scheme, parameters: BTreeMap::new() });
                rest = after;
            }
        }
    }
}

/// A value, with or without quotation marks, and what follows it.
fn value_of(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([' ', '\t', ',']).unwrap_or(text.len());
        return (text[..end].to_owned(), &text[end..]);
    };
    let (mut value, mut escaped) = (String::new(), false);
    for (at, c) in quoted.char_indices() {
        match c {
            _ if escaped => {
                value.push(c);
                escaped = false;
            }
            '\\' => escaped = true,
            '"' => return (value, &quoted[at + 1..]),
            _ => value.push(c),
        }
    }
    (value, "")
}

fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~/".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scheme, realm and service of each.
    fn read(text: &str) -> Vec<(String, String, String)> {
        let field =
            |it: &Challenge, name: &str| it.parameters.get(name).cloned().unwrap_or_default();
        let all = parse(text);
        all.iter().map(|it| (it.scheme.clone(), field(it, "realm"), field(it, "service"))).collect()
    }

    #[test]
    fn challenges_are_read_as_servers_write_them() {
        let one = |scheme: &str, realm: &str, service: &str| {
            (scheme.to_owned(), realm.to_owned(), service.to_owned())
        };
        let bearer = one("bearer", "https://r/token?tenant=a", "reg");
        for text in [
            "Bearer realm=\"https://r/token?tenant=a\",service=\"reg\",scope=\"repository:a:pull,push\"",
            "Bearer realm=\"https://r/token?tenant=a\",service=reg",
            "Bearer  realm = \"https://r/token?tenant=a\", service = \"reg\"",
            "bearer error=\"invalid_token\", realm=\"https://r/token?tenant=a\",service=\"reg\"",
        ] {
            assert_eq!(read(text), std::slice::from_ref(&bearer), "{text}");
        }
        let basic = one("basic", "a \"registry\", perhaps", "");
        let nego = one("negotiate", "", "");
        assert_eq!(
            read("Negotiate, Basic realm=\"a \\\"registry\\\", perhaps\""),
            [nego.clone(), basic.clone()]
        );
        assert_eq!(
            read("Basic realm=\"a \\\"registry\\\", perhaps\", Negotiate"),
            [basic, nego.clone()]
        );
        assert_eq!(read("Negotiate YIIg==, Basic realm=x").len(), 2);
        assert_eq!(read("Basic"), [one("basic", "", "")]);
        for nonsense in ["", ",,", "\"", "=", "Bearer realm=\"never ends", "é Basic"] {
            assert!(parse(nonsense).len() < 2, "{nonsense}");
        }
    }
}
