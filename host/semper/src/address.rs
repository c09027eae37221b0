//! Addresses as a person types them.

use semper_base::{Report, text};

/// The HTTPS address that is meant by `https://shop.example`, `semper://shop.example`,
/// `shop.example` or `localhost:8442`, without a slash at its end.
pub fn https(typed: &str, whose: &str) -> Result<String, Report> {
    let typed = typed.trim();
    let shown = text::shown(typed, 80);
    let (scheme, rest) = typed.split_once("://").unwrap_or(("https", typed));
    let rest = rest.trim_end_matches('/');
    let like = format!("give the {whose}'s address, such as https://shop.example:8442");
    let plain = |c: char| c.is_whitespace() || text::is_hidden(c) || "\"'<>\\".contains(c);
    if rest.is_empty() || rest.starts_with('/') || rest.starts_with('.') || rest.contains(plain) {
        return Err(Report::input(format!("“{shown}” is not an address"), like));
    }
    match scheme.to_ascii_lowercase().as_str() {
        "https" | "semper" => Ok(format!("https://{rest}")),
        "http" => Err(Report::input(
            format!("“{shown}” would not be encrypted; semper speaks HTTPS alone"),
            format!("try https://{rest}"),
        )),
        _ => Err(Report::input(format!("“{shown}” is not an address of HTTPS"), like)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_understood_as_people_type_it() {
        for typed in
            ["https://shop.example:8442/", "semper://shop.example:8442", "shop.example:8442"]
        {
            assert_eq!(https(typed, "merchant").unwrap(), "https://shop.example:8442");
        }
        assert_eq!(https("localhost:8442", "bank").unwrap(), "https://localhost:8442");
    }

    #[test]
    fn what_is_no_address_is_said_to_be_none() {
        for (typed, mend) in [
            ("http://localhost:8442", "try https://localhost:8442"),
            ("ftp://shop.example", "the merchant's address"),
            ("", "the merchant's address"),
            ("https://", "the merchant's address"),
            ("./bundle", "the merchant's address"),
            ("two words", "the merchant's address"),
        ] {
            let report = https(typed, "merchant").unwrap_err();
            assert!(report.mend.contains(mend), "{typed}: {report:?}");
        }
    }
}
