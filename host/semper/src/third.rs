//! What operators of third parties do: make one, give it another key. Both print what others believe
//! it by.

use std::path::Path;

use semper_base::digest::hex;
use semper_base::{Amount, Report, Timestamp, cbor, has_twice};
use semper_roles::third_party::{Announced, Introduced, ThirdParty, VERDICTS};
use serde_json::json;

use crate::arguments::ServedArguments;
use crate::print;

pub fn init(home: &Path, origin: &str, served: &ServedArguments) -> Result<(), Report> {
    let served = Served::parse(served, Announced::default())?;
    let introduced = ThirdParty::introduce(home, origin)?;
    served.says.keep(home)?;
    show(home, &introduced, &served)
}

pub fn renew(home: &Path, served: &ServedArguments) -> Result<(), Report> {
    let before = Announced::of(home)?;
    let served = Served::parse(served, before.clone())?;
    let introduced = ThirdParty::renew(home, Timestamp::now())?;
    served.says.keep(home)?;
    show(home, &introduced, &served)?;
    if served.says.fee != before.fee {
        print::note(
            "its fee is another now: two sides of which one knows the old fee and one the new agree \
             on no exchange under it; have both take up this entry",
        );
    }
    print::note(
        "start its server again; the old key stays in the home, for the exchanges that pin it",
    );
    Ok(())
}

/// Said of what was announced before, and is no more.
const NONE: &str = "none";

/// How a third party is served, as others have to know it.
struct Served<'a> {
    address: &'a str,
    says: Announced,
}

impl<'a> Served<'a> {
    /// As it is told, and otherwise as it was announced before.
    fn parse(served: &'a ServedArguments, before: Announced) -> Result<Self, Report> {
        let ServedArguments { address, banks, fee } = served;
        if !address.starts_with("https://") {
            let what = format!("“{address}” is not where a third party can be reached");
            return Err(Report::input(what, "an address begins with https://"));
        }
        let fee: Option<Amount> = match fee.as_deref() {
            None => before.fee,
            Some(NONE) => None,
            Some(fee) => Some(fee.parse()?),
        };
        if fee.is_some_and(|it| it.minor() <= 0) {
            let mend = "give --fee none, if it takes nothing";
            return Err(Report::input("a fee is more than nothing", mend));
        }
        let blank = banks.iter().any(|it| it.trim().is_empty() || it.trim() != it);
        if blank || has_twice(banks) {
            let what = "--bank is the certified name of a bank, once for each";
            return Err(Report::input(what, "give it as the bank's certificate has it"));
        }
        let banks = match banks.as_slice() {
            [] => before.banks,
            [none] if none == NONE => Vec::new(),
            some => some.to_vec(),
        };
        Ok(Self { address: address.trim_end_matches('/'), says: Announced { banks, fee } })
    }
}

/// Its entry for trust files; and for monitors, where its log is and by which key it signs.
fn show(home: &Path, introduced: &Introduced, served: &Served<'_>) -> Result<(), Report> {
    let Served { address, says: Announced { banks, fee } } = served;
    let Introduced { named, statements, log } = introduced;
    let (origin, sign, seal) =
        (&named.origin, hex(named.sign.as_bytes()), hex(named.seal.as_bytes()));
    let succession: Vec<String> = statements.iter().map(|it| hex(&cbor::encode(it))).collect();
    let mut entry = format!(
        "# For the trust files of those who believe it.\n[[third-party]]\norigin  = \"{origin}\"\n\
         address = \"{address}\"\nsign    = \"{sign}\"\nseal    = \"{seal}\""
    );
    if !banks.is_empty() {
        let names = toml::Value::from(banks.clone());
        entry += &format!("\n# It asks them whether a payment was made.\nbanks   = {names}");
    }
    if let Some(fee) = fee {
        entry += &format!("\n# It takes this if it has to decide.\nfee     = \"{fee}\"");
    }
    if !succession.is_empty() {
        entry += "\n# By this the key before has signed that this one follows it.\nsuccession = [";
        for statement in &succession {
            entry += &format!("\n    \"{statement}\",");
        }
        entry += "\n]";
    }
    let url = format!("{address}{VERDICTS}");
    let words = format!(
        "{entry}\n# For those who watch its public log of verdicts (semper-sign log monitor):\n\
         #   --url {url} --log-key {log}"
    );
    let value = json!({
        "home": home,
        "origin": origin,
        "address": address,
        "sign": sign,
        "seal": seal,
        "banks": banks,
        "fee": fee.map(|it| it.to_string()),
        "succession": succession,
        "log": { "url": url, "key": log.to_string() },
        "entry": entry,
    });
    print::said(&words, &value)
}
