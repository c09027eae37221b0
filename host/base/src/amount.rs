//! Money: integers in the currency's minor unit with an ISO 4217 code.
//!
//! No floats near money, arithmetic is checked, and different currencies do not add.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::mend::Mend;

/// ISO 4217 codes in use, by how many decimal digits their minor unit has.
const BY_DIGITS: [(u32, &str); 4] = [
    (0, "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"),
    (
        2,
        "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN \
         BZD CAD CDF CHF CNY COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS \
         GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR \
         LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD \
         PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN \
         SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VED VES WST XCD YER ZAR ZMW \
         ZWG",
    ),
    (3, "BHD IQD JOD KWD LYD OMR TND"),
    (4, "CLF UYW"),
];

/// A currency of ISO 4217, by its three letters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 3]);

impl Currency {
    /// Euro, the currency of the trials' successor.
    pub const EUR: Self = Self(*b"EUR");

    /// How many decimal digits the minor unit has: 2 for EUR, 0 for JPY.
    pub fn digits(self) -> u32 {
        BY_DIGITS.iter().find(|(_, codes)| codes.contains(self.code())).map_or(2, |(n, _)| *n)
    }

    /// The three letters of ISO 4217.
    pub fn code(&self) -> &str {
        // Only ASCII letters get in (see `from_str`).
        std::str::from_utf8(&self.0).unwrap_or("???")
    }
}

impl FromStr for Currency {
    type Err = AmountError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let unknown = || AmountError::Currency(text.chars().take(16).collect());
        let bytes: [u8; 3] = text.as_bytes().try_into().map_err(|_| unknown())?;
        let listed = bytes.iter().all(u8::is_ascii_uppercase)
            && BY_DIGITS.iter().any(|(_, codes)| codes.split_whitespace().any(|code| code == text));
        if listed { Ok(Self(bytes)) } else { Err(unknown()) }
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// An amount of money, in minor units: `1999 EUR-cent` is `19.99 EUR`.
///
/// ```
/// use semper_base::Amount;
/// let price: Amount = "19.99 EUR".parse()?;
/// assert_eq!(price.minor(), 1999);
/// assert_eq!(price.times(3)?.to_string(), "59.97 EUR");
/// assert!(price.plus("5 JPY".parse()?).is_err());
/// # Ok::<(), semper_base::AmountError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Amount {
    currency: Currency,
    minor: i64,
}

/// Why an amount could not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Mend)]
#[mend(input)]
pub enum AmountError {
    /// No such code in ISO 4217.
    #[error("“{0}” is not a currency of ISO 4217")]
    #[mend("use a three-letter code such as EUR")]
    Currency(String),
    /// Not of the form `19.99 EUR`.
    #[error("“{0}” is not an amount")]
    #[mend("write it like 19.99 EUR, with the currency's own decimals")]
    Form(String),
    /// Amounts of different currencies do not add.
    #[error("{0} and {1} are different currencies and do not add")]
    #[mend("keep one currency per offer")]
    Mixed(Currency, Currency),
    /// Beyond 64 bits of minor units.
    #[error("the amount is larger than can be counted")]
    #[mend("use a smaller amount")]
    Overflow,
}

impl Amount {
    /// `minor` units of `currency`.
    pub const fn new(minor: i64, currency: Currency) -> Self {
        Self { currency, minor }
    }

    /// The number of minor units, such as cents.
    pub const fn minor(self) -> i64 {
        self.minor
    }

    /// The currency of the amount.
    pub const fn currency(self) -> Currency {
        self.currency
    }

    /// Sum, of one currency only.
    pub fn plus(self, other: Self) -> Result<Self, AmountError> {
        self.same(other)?;
        let minor = self.minor.checked_add(other.minor).ok_or(AmountError::Overflow)?;
        Ok(Self { minor, ..self })
    }

    /// Difference, of one currency only.
    pub fn minus(self, other: Self) -> Result<Self, AmountError> {
        self.same(other)?;
        let minor = self.minor.checked_sub(other.minor).ok_or(AmountError::Overflow)?;
        Ok(Self { minor, ..self })
    }

    /// So many times this.
    pub fn times(self, count: u32) -> Result<Self, AmountError> {
        let minor = self.minor.checked_mul(i64::from(count)).ok_or(AmountError::Overflow)?;
        Ok(Self { minor, ..self })
    }

    fn same(self, other: Self) -> Result<(), AmountError> {
        if self.currency == other.currency {
            Ok(())
        } else {
            Err(AmountError::Mixed(self.currency, other.currency))
        }
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.currency.digits();
        let unit = 10_u64.pow(digits);
        let sign = if self.minor < 0 { "-" } else { "" };
        let minor = self.minor.unsigned_abs();
        if digits == 0 {
            return write!(f, "{sign}{minor} {}", self.currency);
        }
        let width = digits as usize;
        write!(f, "{sign}{}.{:0width$} {}", minor / unit, minor % unit, self.currency)
    }
}

impl fmt::Debug for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Amount {
    type Err = AmountError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let form = || AmountError::Form(text.chars().take(40).collect());
        let (number, code) = text.split_once(' ').ok_or_else(form)?;
        let currency: Currency = code.parse()?;
        let digits = currency.digits() as usize;
        let (negative, number) =
            number.strip_prefix('-').map_or((false, number), |rest| (true, rest));
        let (whole, part) = number.split_once('.').unwrap_or((number, ""));
        let plain = |part: &str| part.bytes().all(|c| c.is_ascii_digit());
        // Either no decimals at all or exactly the currency's own: 5 EUR, 5.00 EUR, not 5.0 EUR.
        let shape = !whole.is_empty()
            && plain(whole)
            && plain(part)
            && (part.len() == digits || !number.contains('.'));
        if !shape {
            return Err(form());
        }
        let padded = format!("{whole}{part:0<digits$}");
        let minor: i64 = padded.parse().map_err(|_| AmountError::Overflow)?;
        Ok(Self::new(if negative { -minor } else { minor }, currency))
    }
}
