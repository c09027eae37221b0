//! What the operators of certification authorities do.

use std::path::Path;
use std::time::Duration;

use semper_base::cert::{Bounds, Crl};
use semper_base::text::readable;
use semper_base::{Certificate, Report, Role};
use semper_roles::ca::{Ca, REQUEST};
use serde_json::json;

use crate::arguments::CaCommand;
use crate::home::certificate;
use crate::print;

pub fn run(command: &CaCommand) -> Result<(), Report> {
    match command {
        CaCommand::Init { home, name, server, below } => init(home, name, server, below.as_deref()),
        CaCommand::Certify { home, request, out, days, role, dns } => {
            certify(home, request, out, *days, (role, dns))
        }
        CaCommand::Install { home, certificate, list } => {
            install(home, certificate.as_deref(), list.as_deref())
        }
        CaCommand::Crl { home, out, days } => crl(home, out, *days),
        CaCommand::Invite { home, name, role, server, again, json } => {
            invite(home, name, (role, server), *again, *json)
        }
        CaCommand::List { home, json } => list(home, *json),
        CaCommand::Revoke { home, serial, certificate } => {
            revoke(home, serial.as_deref(), certificate.as_deref())
        }
    }
}

fn init(home: &Path, name: &str, servers: &[String], below: Option<&Path>) -> Result<(), Report> {
    let place = home.display();
    let Some(root) = below else {
        Ca::create(home, name, servers)?;
        print::line(&format!("{place} is ready; give its root.pem to everybody"));
        if servers.is_empty() {
            print::line("it has no server: keep it off line, and have it certify authorities");
        }
        return Ok(());
    };
    if servers.is_empty() {
        let what = "an authority below a root has a server";
        return Err(Report::input(what, "give its names with --server"));
    }
    Ca::begin_below(home, name, servers, &certificate(root)?)?;
    print::line(&format!("{place}/{REQUEST} is for the root to certify, on its own machine:"));
    print::line(&format!("  semper ca certify --home ROOT --request {REQUEST} --out ca.pem"));
    print::line(&format!("and then here: semper ca install --home {place} --certificate ca.pem"));
    Ok(())
}

fn certify(
    home: &Path,
    request: &Path,
    out: &Path,
    days: u32,
    (roles, dns): (&[String], &[String]),
) -> Result<(), Report> {
    let help = "semper ca certify --help";
    let roles = roles.iter().map(|it| it.parse::<Role>());
    let roles = roles.collect::<Result<_, _>>().map_err(|error| Report::input(error, help))?;
    let bounds = Bounds { roles, names: dns.to_vec(), below: 0 };
    let chain = Ca::open(home)?.certify(&print::read(request)?, bounds, of_days(days))?;
    write(out, &Certificate::chain_to_pem(&chain))?;
    let (name, until) = (chain[0].subject(), chain[0].validity().1.date());
    print::line(&format!("{}: {name} may certify until {until}", out.display()));
    Ok(())
}

fn install(home: &Path, chain: Option<&Path>, list: Option<&Path>) -> Result<(), Report> {
    if let Some(file) = chain {
        let chain = Certificate::chain_from_pem(&print::read(file)?).map_err(|error| {
            Report::input(
                format!("{}: {error}", file.display()),
                "give what the root has certified",
            )
        })?;
        Ca::install(home, &chain)?;
        let until = chain[0].validity().1.date();
        print::line(&format!("{} may certify until {until}", home.display()));
    }
    if let Some(file) = list {
        let list = Crl::from_pem(&print::read(file)?).map_err(|error| {
            Report::input(format!("{}: {error}", file.display()), "semper ca crl makes it")
        })?;
        Ca::show_list(home, &list)?;
        let (number, until) = (list.number(), list.next_update().date());
        print::line(&format!("the root's list number {number} is shown; it is good until {until}"));
    }
    match (chain, list) {
        (None, None) => {
            let what = "there is nothing to install";
            Err(Report::input(what, "give --certificate, or --list, or both"))
        }
        _ => Ok(()),
    }
}

fn crl(home: &Path, out: &Path, days: u32) -> Result<(), Report> {
    let list = Ca::open(home)?.list_for(of_days(days))?;
    write(out, &list.to_pem())?;
    let (number, count) = (list.number(), list.withdrawn().len());
    let until = list.next_update().date();
    let out = out.display();
    print::line(&format!("{out}: list number {number}, {count} withdrawn, good until {until}"));
    Ok(())
}

fn invite(
    home: &Path,
    name: &str,
    (role, servers): (&str, &[String]),
    again: bool,
    json: bool,
) -> Result<(), Report> {
    let role: Role =
        role.parse().map_err(|error| Report::input(error, "semper ca invite --help"))?;
    if (role == Role::Server) == servers.is_empty() {
        let what = "--server goes with the role server, and only with it";
        return Err(Report::input(what, "semper ca invite --help"));
    }
    let ca = Ca::open(home)?;
    let key = match again {
        true => ca.invite_again(name, role, servers)?,
        false => ca.invite(name, role, servers)?,
    };
    if json {
        return print::json(&json!({"name": name, "role": role, "key": key}));
    }
    print::line(&format!("registration key for {name} as {role}: {key}"));
    Ok(())
}

fn list(home: &Path, json: bool) -> Result<(), Report> {
    let issued = Ca::open(home)?.issued()?;
    if json {
        return print::json(&issued);
    }
    for it in issued {
        let mut line =
            format!("{}  {}  until {}  {}", it.serial, it.role, it.until.date(), it.name);
        if it.revoked {
            line.push_str("  withdrawn");
        }
        if let Some(other) = it.alike {
            line.push_str(&format!("  looks like “{other}”"));
        }
        print::line(&readable(&line));
    }
    Ok(())
}

fn revoke(home: &Path, serial: Option<&str>, file: Option<&Path>) -> Result<(), Report> {
    let serial = match (serial, file) {
        (Some(serial), _) => serial.to_owned(),
        (None, Some(file)) => certificate(file)?.serial(),
        (None, None) => return Err(Report::input("which certificate?", "semper ca revoke --help")),
    };
    let left = Ca::open(home)?.revoke(&serial)?;
    print::line(&format!("certificate {serial} is on the list from now on"));
    for it in left {
        let (next, until) = (it.serial(), it.validity().1.date());
        print::line(&format!("CAUTION: it was renewed as {next}, which holds until {until}"));
        print::line(&format!(
            "         semper ca revoke --serial {next}, if that was not its owner"
        ));
    }
    Ok(())
}

fn write(out: &Path, text: &str) -> Result<(), Report> {
    std::fs::write(out, text).map_err(|error| {
        Report::input(format!("{}: {error}", out.display()), "choose another --out")
    })
}

fn of_days(days: u32) -> Duration {
    Duration::from_secs(u64::from(days) * 86_400)
}
