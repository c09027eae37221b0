//! What operators of third parties do: make one, give it another key. Both print what others believe
//! it by.

use std::path::Path;

use semper_base::digest::hex;
use semper_base::{Report, Timestamp, cbor};
use semper_roles::third_party::{Introduced, ThirdParty, VERDICTS};
use serde_json::json;

use crate::print;

pub fn init(home: &Path, origin: &str, address: &str) -> Result<(), Report> {
    let address = reached(address)?;
    show(home, &ThirdParty::introduce(home, origin)?, address)
}

pub fn renew(home: &Path, address: &str) -> Result<(), Report> {
    let address = reached(address)?;
    show(home, &ThirdParty::renew(home, Timestamp::now())?, address)?;
    print::note(
        "start its server again; the old key stays in the home, for the exchanges that pin it",
    );
    Ok(())
}

fn reached(address: &str) -> Result<&str, Report> {
    if !address.starts_with("https://") {
        let what = format!("“{address}” is not where a third party can be reached");
        return Err(Report::input(what, "an address begins with https://"));
    }
    Ok(address.trim_end_matches('/'))
}

/// Its entry for trust files; and for monitors, where its log is and by which key it signs.
fn show(home: &Path, introduced: &Introduced, address: &str) -> Result<(), Report> {
    let Introduced { named, statements, log } = introduced;
    let (origin, sign, seal) =
        (&named.origin, hex(named.sign.as_bytes()), hex(named.seal.as_bytes()));
    let succession: Vec<String> = statements.iter().map(|it| hex(&cbor::encode(it))).collect();
    let mut entry = format!(
        "# For the trust files of those who believe it.\n[[third-party]]\norigin  = \"{origin}\"\n\
         address = \"{address}\"\nsign    = \"{sign}\"\nseal    = \"{seal}\""
    );
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
        "succession": succession,
        "log": { "url": url, "key": log.to_string() },
        "entry": entry,
    });
    print::said(&words, &value)
}
