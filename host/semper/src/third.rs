//! What operators of third parties do: make one, give it another key. Both print what others believe
//! it by.

use std::path::Path;

use semper_base::digest::hex;
use semper_base::{Report, Timestamp, cbor};
use semper_roles::third_party::{Introduced, ThirdParty, VERDICTS};
use serde_json::json;

use crate::print;

pub fn init(home: &Path, origin: &str, address: &str, json: bool) -> Result<(), Report> {
    let address = reached(address)?;
    show(&ThirdParty::introduce(home, origin)?, address, json)
}

pub fn renew(home: &Path, address: &str, json: bool) -> Result<(), Report> {
    let address = reached(address)?;
    show(&ThirdParty::renew(home, Timestamp::now())?, address, json)?;
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
fn show(introduced: &Introduced, address: &str, json: bool) -> Result<(), Report> {
    let Introduced { named, statements, log } = introduced;
    let (sign, seal) = (hex(named.sign.as_bytes()), hex(named.seal.as_bytes()));
    let succession: Vec<String> = statements.iter().map(|it| hex(&cbor::encode(it))).collect();
    if json {
        let log = json!({ "url": format!("{address}{VERDICTS}"), "key": log.to_string() });
        return print::json(&json!({
            "origin": named.origin,
            "address": address,
            "sign": sign,
            "seal": seal,
            "succession": succession,
            "log": log,
        }));
    }
    print::line("# For the trust files of those who believe it.");
    print::line("[[third-party]]");
    print::line(&format!("origin  = \"{}\"", named.origin));
    print::line(&format!("address = \"{address}\""));
    print::line(&format!("sign    = \"{sign}\""));
    print::line(&format!("seal    = \"{seal}\""));
    if !succession.is_empty() {
        print::line("# By this the key before has signed that this one follows it.");
        print::line("succession = [");
        for statement in &succession {
            print::line(&format!("    \"{statement}\","));
        }
        print::line("]");
    }
    print::line("# For those who watch its public log of verdicts (semper-sign log monitor):");
    print::line(&format!("#   --url {address}{VERDICTS} --log-key {log}"));
    Ok(())
}
