//! Addresses of servers: whose they are, and whither a server's answer points.

use url::Url;

use crate::MoveError;

/// Characters of an address that are shown.
const SHOWN: usize = 200;

/// Host and port of an https address, in one form: small letters, and no port where it is the one
/// that https has anyway. Empty if it is no such address.
pub(crate) fn host_of(url: &str) -> String {
    Url::parse(url).ok().filter(|it| it.scheme() == "https").map_or_else(String::new, |it| of(&it))
}

/// A host as somebody has written it, in the same form.
pub(crate) fn host(text: &str) -> String {
    let host = host_of(&format!("https://{text}"));
    if host.is_empty() { text.to_lowercase() } else { host }
}

fn of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// Whither an answer from `from` points: a whole address, a path, or what follows the last slash.
/// Only to the same host, or to one that was agreed to.
pub(crate) fn whither(
    from: &str,
    to: &str,
    agreed: impl Fn(&str) -> bool,
) -> Result<String, MoveError> {
    let shown = |text: &str| text.chars().take(SHOWN).collect::<String>();
    let joined = Url::parse(from).ok().and_then(|it| it.join(to).ok());
    let Some(mut joined) = joined.filter(|it| it.scheme() == "https") else {
        return Err(MoveError::Insecure { url: from.to_owned(), to: shown(to) });
    };
    let host = of(&joined);
    if host != host_of(from) && !agreed(&host) {
        let to = if to.starts_with("https://") { host.clone() } else { shown(to) };
        return Err(MoveError::Redirect { url: from.to_owned(), to, host });
    }
    // A name and a password are given by those whom they belong to, and not by a server.
    if joined.set_username("").and_then(|()| joined.set_password(None)).is_err() {
        return Err(MoveError::Insecure { url: from.to_owned(), to: shown(to) });
    }
    Ok(joined.into())
}

/// An address with one more parameter; those that it has stay as they are.
pub(crate) fn with(address: &str, parameters: &[(&str, &str)]) -> String {
    let Ok(mut url) = Url::parse(address) else { return address.to_owned() };
    url.query_pairs_mut().extend_pairs(parameters);
    url.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_server_is_one_host_however_it_is_written() {
        for text in ["https://Reg.Example/v2/", "https://reg.example:443/x", "https://reg.example"]
        {
            assert_eq!(host_of(text), "reg.example", "{text}");
        }
        assert_eq!(host_of("https://user:pw@reg.example:5000/x"), "reg.example:5000");
        assert_eq!(host_of("https://[::1]:5000/x"), "[::1]:5000");
        assert_eq!(host_of("http://reg.example/x"), "");
        assert_eq!(host("REG.example:443"), "reg.example");
    }

    #[test]
    fn an_answer_points_within_its_host() {
        let from = "https://reg.example:5000/v2/a/blobs/uploads/";
        let to = |it: &str| whither(from, it, |host| host == "store.example");
        let begun = "https://reg.example:5000/v2/a/blobs/uploads/";
        assert_eq!(
            to("/v2/x?_state=AB%2FC=").unwrap(),
            "https://reg.example:5000/v2/x?_state=AB%2FC="
        );
        assert_eq!(to("17?_state=x").unwrap(), format!("{begun}17?_state=x"));
        assert_eq!(to("//REG.example:5000/y").unwrap(), "https://reg.example:5000/y");
        assert_eq!(to("https://me:pw@store.example/z").unwrap(), "https://store.example/z");
        for other in ["https://reg.example/v2/x", "https://evil.example/", "//evil.example/"] {
            assert!(matches!(to(other), Err(MoveError::Redirect { .. })), "{other}");
        }
        for other in ["http://reg.example:5000/x", "file:///etc/passwd", "https://"] {
            assert!(matches!(to(other), Err(MoveError::Insecure { .. })), "{other}");
        }
    }

    #[test]
    fn parameters_are_added_to_those_that_are_there() {
        let with = |it: &str| with(it, &[("digest", "sha256:ab")]);
        assert_eq!(
            with("https://r/u?_state=A%2FB="),
            "https://r/u?_state=A%2FB=&digest=sha256%3Aab"
        );
        assert_eq!(with("https://r/u"), "https://r/u?digest=sha256%3Aab");
    }
}
