//! How a deal is paid, as it is named in HELLO and agreement.

use std::fmt;
use std::str::FromStr;

/// Characters of a way, at most: a module's name and a certified name.
const LONGEST: usize = 200;
/// Stands between module and payment system.
const AT: char = '@';

/// A way to pay: a payment module, and the payment system at which the account is. Two sides can
/// pay each other if they name the same. Before 2026-12, hosts named the module alone.
///
/// ```
/// use semper_items::agreement::Way;
///
/// let way: Way = "purse@Sparbank".parse().unwrap();
/// assert_eq!((way.module.as_str(), way.system.as_deref()), ("purse", Some("Sparbank")));
/// assert_eq!(way.to_string(), "purse@Sparbank");
/// assert_eq!(way.words(), "purse, at Sparbank");
/// assert_eq!("purse".parse::<Way>().unwrap().system, None);
/// assert!("@Sparbank".parse::<Way>().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Way {
    /// The payment module, such as `purse`.
    pub module: String,
    /// The certified name of the payment system; `None` if none was named.
    pub system: Option<String>,
}

/// A text that names no way to pay.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("“{0}” names no way to pay: a payment module, @, and the payment system's name")]
pub struct NoWay(String);

impl Way {
    /// By this module, at this payment system.
    pub fn at(module: &str, system: &str) -> Self {
        Self { module: module.to_owned(), system: Some(system.to_owned()) }
    }

    /// The way in words, for people.
    pub fn words(&self) -> String {
        match &self.system {
            Some(system) => format!("{}, at {system}", self.module),
            None => self.module.clone(),
        }
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.module)?;
        match &self.system {
            Some(system) => write!(f, "{AT}{system}"),
            None => Ok(()),
        }
    }
}

impl FromStr for Way {
    type Err = NoWay;

    fn from_str(text: &str) -> Result<Self, NoWay> {
        let wrong = || NoWay(semper_base::text::shown(text, 60));
        if text.chars().count() > LONGEST || text.chars().any(semper_base::text::is_hidden) {
            return Err(wrong());
        }
        let (module, system) = match text.split_once(AT) {
            Some((module, system)) => (module, Some(system.to_owned())),
            None => (text, None),
        };
        if module.is_empty() || system.as_deref() == Some("") {
            return Err(wrong());
        }
        Ok(Self { module: module.to_owned(), system })
    }
}
