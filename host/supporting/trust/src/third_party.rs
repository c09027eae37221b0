//! Third parties that are believed, and what exchanges under them must be like: the part of the
//! trust file that fair exchanges follow. No service can lower any of it.

use std::time::Duration;

use semper_base::digest::unhex;
use semper_base::{Amount, PublicKey, SealPublic, cbor, has_twice};
use semper_exchange::published::{MAX_LINE, Succession, succeeded};
use semper_exchange::standard::Standard;
use semper_exchange::{Fairness, Protocol, Share, ThirdParty};
use serde::Deserialize;

use crate::trustfile::TrustFileError;

/// Third parties at most: as many as a negotiation can name.
const MOST: usize = semper_exchange::negotiation::MAX_OPTIONS;
/// Hours of the dispute window, if the trust file does not say.
const DISPUTE_HOURS: u32 = 24;
/// Seconds that the other side has, if the trust file does not say.
const PATIENCE: u64 = 60;
/// Above which price information is disputable, in minor units of whatever currency.
const DISPUTE_ABOVE: i64 = 50_00;

/// A third party that is believed to decide about exchanges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BelievedThirdParty {
    /// As agreements name it.
    pub named: ThirdParty<Standard>,
    /// The address at which it takes requests.
    pub address: String,
    /// Certified names of the banks that it asks whether a payment was made.
    pub banks: Vec<String>,
    /// What it takes for deciding an exchange; nothing if it takes nothing.
    pub fee: Option<Amount>,
}

/// Demands on exchanges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExchangeRules {
    /// The least that is accepted.
    pub fairness: Fairness,
    /// For how long money for information can be stopped after a verdict.
    pub dispute: Duration,
    /// How long the other side has, where it is waited for, before the third party is asked.
    pub patience: Duration,
    /// From which price on; without a currency's own sum, 50 of its units.
    pub dispute_above: Option<Amount>,
    /// Protocols that may be followed.
    pub protocols: Vec<Protocol>,
    /// Ways of sharing a third party's fee, most liked first.
    pub fees: Vec<Share>,
}

impl Default for ExchangeRules {
    fn default() -> Self {
        let dispute = Duration::from_secs(u64::from(DISPUTE_HOURS) * 3_600);
        let patience = Duration::from_secs(PATIENCE);
        Self {
            fairness: Fairness::Strong,
            dispute,
            patience,
            dispute_above: None,
            protocols: Protocol::ALL.to_vec(),
            // To owe all of it is for whoever says so.
            fees: vec![Share::Halves, Share::Theirs],
        }
    }
}

impl ExchangeRules {
    /// For how long money for information must be stoppable after a verdict, in ms.
    pub fn dispute_ms(&self, price: Amount) -> u64 {
        let above = match self.dispute_above {
            Some(above) if above.currency() == price.currency() => above.minor(),
            _ => DISPUTE_ABOVE,
        };
        let long = u64::try_from(self.dispute.as_millis()).unwrap_or(u64::MAX);
        if price.minor() > above { long } else { 0 }
    }
}

/// As the file writes it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FileThirdParty {
    origin: String,
    address: String,
    sign: String,
    seal: String,
    /// The statements by which its keys follow each other, the first one first.
    #[serde(default)]
    succession: Vec<String>,
    #[serde(default)]
    banks: Vec<String>,
    fee: Option<String>,
}

/// As the file writes it.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FileExchange {
    fairness: Option<Fairness>,
    dispute_hours: Option<u32>,
    dispute_above: Option<String>,
    patience_ms: Option<u64>,
    protocols: Option<Vec<Protocol>>,
    fees: Option<Vec<Share>>,
}

impl FileExchange {
    pub(crate) fn parse(self) -> Result<ExchangeRules, TrustFileError> {
        let mut rules = ExchangeRules::default();
        if let Some(fairness) = self.fairness {
            rules.fairness = fairness;
        }
        if let Some(hours) = self.dispute_hours {
            rules.dispute = Duration::from_secs(u64::from(hours) * 3_600);
        }
        if let Some(ms) = self.patience_ms {
            rules.patience = Duration::from_millis(ms.max(200));
        }
        if let Some(protocols) = self.protocols {
            let fair = |it: &Protocol| it.fairness() >= rules.fairness;
            if !protocols.iter().any(fair) || has_twice(&protocols) {
                let what = "[exchange] protocols".into();
                let why = "names none that is as fair as this file demands, or one twice: leave it out, \
                           or name some of gg, ge, ger, rr, hl, inline (and wg, with fairness = \"weak\")";
                return Err(TrustFileError::Value { what, why: why.into() });
            }
            rules.protocols = protocols;
        }
        if let Some(fees) = self.fees {
            if fees.is_empty() || has_twice(&fees) {
                let what = "[exchange] fees".into();
                let why = "names who may owe a third party's fee, most liked first, each once: some of \
                           halves, theirs, ours";
                return Err(TrustFileError::Value { what, why: why.into() });
            }
            rules.fees = fees;
        }
        rules.dispute_above = match self.dispute_above.map(|text| text.parse()) {
            None => None,
            Some(Ok(amount)) => Some(amount),
            Some(Err(error)) => {
                let what = "[exchange] dispute_above".into();
                return Err(TrustFileError::Value { what, why: format!("{error}") });
            }
        };
        Ok(rules)
    }
}

/// The third parties of the file, checked.
pub(crate) fn believed(
    file: Vec<FileThirdParty>,
) -> Result<Vec<BelievedThirdParty>, TrustFileError> {
    let wrong = |origin: &str, why: &str| TrustFileError::Value {
        what: format!("[[third-party]] {origin}"),
        why: why.to_owned(),
    };
    if file.len() > MOST {
        return Err(wrong("", &format!("more than {MOST} third parties")));
    }
    let mut all: Vec<BelievedThirdParty> = Vec::new();
    for FileThirdParty { origin, address, sign, seal, succession, banks, fee } in file {
        let bytes = |text: &str| unhex(text).and_then(|it| <[u8; 32]>::try_from(it).ok());
        let key = "is no key: 64 hexadecimal digits, as semper third-party-init prints them";
        let sign = bytes(&sign).and_then(|it| PublicKey::from_bytes(it).ok());
        let sign = sign.ok_or_else(|| wrong(&origin, &format!("sign {key}")))?;
        let seal = bytes(&seal).map(SealPublic::from_bytes);
        let seal = seal.ok_or_else(|| wrong(&origin, &format!("seal {key}")))?;
        if !address.starts_with("https://") {
            return Err(wrong(&origin, "its address begins with https://"));
        }
        let fee: Option<Amount> = match fee.map(|it| it.parse::<Amount>()) {
            None => None,
            Some(Ok(fee)) if fee.minor() > 0 => Some(fee),
            Some(Ok(_)) => {
                return Err(wrong(&origin, "fee is not more than nothing: leave it out"));
            }
            Some(Err(error)) => return Err(wrong(&origin, &format!("fee: {error}"))),
        };
        if all.iter().any(|it| it.named.sign == sign || it.named.origin == origin) {
            return Err(wrong(&origin, "is there twice"));
        }
        let address = address.trim_end_matches('/').to_owned();
        let statement = |text: &String| {
            let statement = unhex(text).and_then(|it| cbor::decode(&it, MAX_LINE).ok());
            statement.ok_or_else(|| wrong(&origin, "succession has what is no such statement"))
        };
        let statements: Vec<Succession<Standard>> =
            succession.iter().map(statement).collect::<Result<_, _>>()?;
        let pinned = ThirdParty { origin: origin.clone(), sign, seal };
        let keys = succeeded(&pinned, &statements).ok_or_else(|| {
            let why = "succession does not lead from or to the key under sign and seal by what \
                       each key has signed: leave it out, or put the whole entry in as the third \
                       party has printed it";
            wrong(&origin, why)
        })?;
        // The newest is liked most. Those before it are believed as long as the entry stands:
        // who has not heard of the newest yet can still agree on one with us.
        all.extend(keys.into_iter().map(|named| {
            let (address, banks) = (address.clone(), banks.clone());
            BelievedThirdParty { named, address, banks, fee }
        }));
    }
    if all.len() > MOST {
        return Err(wrong("", &format!("more than {MOST} keys of third parties")));
    }
    Ok(all)
}
