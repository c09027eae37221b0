//! A price as merchants write it: `19.99 EUR`, `1.299,00 €`, `USD 5`, `4,800` with the currency
//! said elsewhere.

use semper_base::{Amount, Currency};

/// What a file's prices have in common.
#[derive(Debug, Clone, Copy)]
pub struct Marks {
    /// The mark before the decimals, where the file's other prices show it.
    pub decimal: Option<char>,
    /// The currency of a price that names none.
    pub currency: Option<Currency>,
}

/// Signs that stand for one currency. `$` and `¥` stand for several and are not taken.
const SIGNS: [(&str, &str); 3] = [("€", "EUR"), ("£", "GBP"), ("₹", "INR")];

/// The mark before the decimals in this price, if there can be no doubt: it is the last of two
/// different ones, or has other than three digits after it.
pub fn decimal(price: &str) -> Option<char> {
    let (number, _) = parts(price);
    let (at, mark) = number.char_indices().rev().find(|(_, c)| matches!(c, '.' | ','))?;
    let other = if mark == '.' { ',' } else { '.' };
    let (before, after) = (&number[..at], &number[at + 1..]);
    let sure = before.contains(other) || after.chars().filter(char::is_ascii_digit).count() != 3;
    (sure && !before.contains(mark)).then_some(mark)
}

/// Number and currency of a price.
fn parts(price: &str) -> (String, String) {
    let number = |c: &char| c.is_ascii_digit() || matches!(c, '.' | ',' | '-' | '\'');
    let numbers = price.chars().filter(number).collect();
    let rest: String = price.chars().filter(|c| !number(c) && !c.is_whitespace()).collect();
    (numbers, rest)
}

/// Reads a price; an error says what is wrong with it.
pub fn read(price: &str, marks: Marks) -> Result<Amount, String> {
    let (number, code) = parts(price);
    let currency = match (code.as_str(), marks.currency) {
        ("", Some(currency)) => currency,
        ("", None) => return Err("names no currency; write 19.99 EUR, or give --currency".into()),
        ("$" | "¥", _) => {
            return Err(format!("“{code}” is the sign of several currencies; write its code"));
        }
        (code, _) => {
            let sign = SIGNS.iter().find(|(sign, _)| *sign == code);
            let code = sign.map_or(code, |(_, code)| code).to_uppercase();
            code.parse::<Currency>().map_err(|error| error.to_string())?
        }
    };
    let minor = minor(&number, currency, marks.decimal)?;
    if minor <= 0 {
        return Err("must be more than nothing".into());
    }
    Ok(Amount::new(minor, currency))
}

/// The number in minor units, if it can be read in one way only.
fn minor(number: &str, currency: Currency, mark: Option<char>) -> Result<i64, String> {
    let digits = currency.digits() as usize;
    let number = number.replace('\'', "");
    let (negative, number) = number.strip_prefix('-').map_or((false, &*number), |it| (true, it));
    let form = || format!("is not an amount of {currency}; write it like {}", example(currency));
    let last = number.char_indices().rev().find(|(_, c)| matches!(c, '.' | ','));
    let (whole, part) = match last {
        None => (number, ""),
        Some((at, found)) => {
            let (before, after) = (&number[..at], &number[at + 1..]);
            let marked = decimal(number).or(mark);
            if digits == 0 && after.len() == 3 || before.contains(found) {
                // Nothing but thousands can be meant.
                (number, "")
            } else if marked == Some(found) || (marked.is_none() && after.len() != 3) {
                (before, after)
            } else if marked.is_some() {
                (number, "")
            } else {
                let (one, other) = (format!("{before}{after}"), format!("{before}.{after}"));
                return Err(format!(
                    "could be {one} or {other}; write it without a mark for thousands"
                ));
            }
        }
    };
    if part.len() > digits || !grouped(whole) || !part.bytes().all(|c| c.is_ascii_digit()) {
        return Err(form());
    }
    let whole: String = whole.chars().filter(char::is_ascii_digit).collect();
    let padded = format!("{whole}{part:0<digits$}");
    let minor: i64 = padded.parse().map_err(|_| form())?;
    Ok(if negative { -minor } else { minor })
}

/// Digits, perhaps with one kind of mark before each group of three.
fn grouped(whole: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
    let Some(mark) = whole.chars().find(|c| matches!(c, '.' | ',')) else { return digits(whole) };
    let mut groups = whole.split(mark);
    let first = groups.next().unwrap_or_default();
    digits(first) && first.len() <= 3 && groups.all(|group| group.len() == 3 && digits(group))
}

fn example(currency: Currency) -> Amount {
    Amount::new(1999, currency)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(decimal: Option<char>) -> Marks {
        Marks { decimal, currency: None }
    }

    #[test]
    fn prices_are_read_as_merchants_write_them() {
        for (written, meant) in [
            ("19.99 EUR", "19.99 EUR"),
            ("19,99 €", "19.99 EUR"),
            ("€19.99", "19.99 EUR"),
            ("1.299,00 EUR", "1299.00 EUR"),
            ("1,299.00 USD", "1299.00 USD"),
            ("USD 5", "5.00 USD"),
            ("5.0 EUR", "5.00 EUR"),
            ("1'299.50 CHF", "1299.50 CHF"),
            ("4,800 JPY", "4800 JPY"),
            ("1.234.567,5 eur", "1234567.50 EUR"),
            ("1,234,567 EUR", "1234567.00 EUR"),
        ] {
            assert_eq!(read(written, marks(None)).unwrap().to_string(), meant, "{written}");
        }
        assert_eq!(read("1.299 EUR", marks(Some(','))).unwrap().to_string(), "1299.00 EUR");
        assert_eq!(read("1.299 KWD", marks(Some('.'))).unwrap().to_string(), "1.299 KWD");
    }

    #[test]
    fn a_price_that_could_be_two_is_refused() {
        for (written, why) in [
            ("5.000 EUR", "could be 5000 or 5.000"),
            ("19.999 EUR", "could be"),
            ("1.299 KWD", "could be"),
            ("5 $", "several currencies"),
            ("5", "names no currency"),
            ("0.00 EUR", "more than nothing"),
            ("-4.00 EUR", "more than nothing"),
            ("12,34,56 EUR", "not an amount"),
            ("1.2.3 EUR", "not an amount"),
            ("48.00 JPY", "not an amount"),
            ("92233720368547758.08 EUR", "not an amount"),
            ("EUR", "not an amount"),
            ("5 XYZ", "not a currency"),
            ("5-6 EUR", "not an amount"),
        ] {
            let error = read(written, marks(None)).unwrap_err();
            assert!(error.contains(why), "{written}: {error}");
        }
        let error = read("1.299 EUR", marks(Some('.'))).unwrap_err();
        assert!(error.contains("not an amount"), "{error}");
    }
}
