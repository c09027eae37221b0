//! What the operators of certification authorities do.

use std::path::Path;
use std::time::Duration;

use semper_base::cert::{Bounds, CertError, Crl};
use semper_base::text::readable;
use semper_base::{Certificate, Mend as _, Report, Role, Timestamp};
use semper_roles::ca::invitation::{Invitation, InvitingBank};
use semper_roles::ca::{Ca, REQUEST, ROOT, Revoked};
use serde_json::json;

use crate::address;
use crate::arguments::{CaCommand, InvitationArguments};
use crate::home::{certificate, organisation, root_certificate, third_party};
use crate::{print, qr};

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
        CaCommand::Invite { home, name, role, server, again, with, json } => {
            invite(home, name, (role, server), *again, (with, *json))
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
        let mut words = format!("{place} is ready; give its root.pem to everybody");
        if servers.is_empty() {
            words += "\nit has no server: keep it off line, and have it certify authorities";
        }
        return print::said(&words, &json!({ "home": home, "root": home.join(ROOT) }));
    };
    if servers.is_empty() {
        let what = "an authority below a root has a server";
        return Err(Report::input(what, "give its names with --server"));
    }
    Ca::begin_below(home, name, servers, &root_certificate(root)?)?;
    let words = format!(
        "{place}/{REQUEST} is for the root to certify, and the root has a list to sign, on its own machine:\n  \
         semper ca certify --home ROOT --request {REQUEST} --out ca.pem\n  \
         semper ca crl --home ROOT --out root.crl\n\
         and then here: semper ca install --home {place} --certificate ca.pem --list root.crl"
    );
    print::said(&words, &json!({ "home": home, "request": home.join(REQUEST) }))
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
    let (name, until) = (chain[0].subject(), chain[0].validity().1);
    let words = format!("{}: {name} may certify until {}", out.display(), until.date());
    let serial = chain[0].serial();
    let value = json!({ "file": out, "name": name, "serial": serial, "until": until });
    print::said(&words, &value)
}

fn install(home: &Path, chain: Option<&Path>, list: Option<&Path>) -> Result<(), Report> {
    if chain.is_none() && list.is_none() {
        let what = "there is nothing to install";
        return Err(Report::input(what, "give --certificate, or --list, or both"));
    }
    // Both are read before either is taken up.
    let wrong = |file: &Path, error: CertError, mend: &str| {
        Report::input(format!("{}: {error}", file.display()), mend)
    };
    let chain = chain.map(|file| {
        Certificate::chain_from_pem(&print::read(file)?)
            .map_err(|error| wrong(file, error, "give what semper ca certify has made"))
    });
    let list = list.map(|file| {
        Crl::from_pem(&print::read(file)?)
            .map_err(|error| wrong(file, error, "semper ca crl makes it"))
    });
    let (chain, list) = (chain.transpose()?, list.transpose()?);
    let lack = Ca::install(home, chain.as_deref(), list.as_ref())?;
    let mut words = Vec::new();
    let until = chain.as_ref().map(|it| it[0].validity().1);
    if let Some(until) = until {
        words.push(format!("{} may certify until {}", home.display(), until.date()));
    }
    if let Some(list) = &list {
        let (number, until) = (list.number(), list.next_update().date());
        words.push(format!("the root's list number {number} is shown; it is good until {until}"));
    }
    if let Some(lack) = &lack {
        words.push(format!("CAUTION: {lack}\n  try  {}", lack.mend()));
    }
    let value = json!({
        "home": home,
        "until": until,
        "list": list.as_ref().map(|it| json!({ "number": it.number(), "until": it.next_update() })),
        "caution": lack.map(|it| it.to_string()),
    });
    print::said(&words.join("\n"), &value)
}

fn crl(home: &Path, out: &Path, days: u32) -> Result<(), Report> {
    let list = Ca::open(home)?.list_for(of_days(days))?;
    write(out, &list.to_pem())?;
    let (number, count) = (list.number(), list.withdrawn().len());
    let until = list.next_update();
    let words = format!(
        "{}: list number {number}, {count} withdrawn, good until {}",
        out.display(),
        until.date()
    );
    let value = json!({ "file": out, "number": number, "withdrawn": count, "until": until });
    print::said(&words, &value)
}

fn invite(
    home: &Path,
    name: &str,
    (role, servers): (&str, &[String]),
    again: bool,
    (with, json): (&InvitationArguments, bool),
) -> Result<(), Report> {
    let role: Role =
        role.parse().map_err(|error| Report::input(error, "semper ca invite --help"))?;
    if (role == Role::Server) == servers.is_empty() {
        let what = "--server goes with the role server, and only with it";
        return Err(Report::input(what, "semper ca invite --help"));
    }
    // Everything that can be wrong with an invitation is looked at before a key is given out.
    let invitation = with.invitation.as_ref().map(|file| {
        let unwritten = unwritten(home, name, role, with)?;
        Ok::<_, Report>((file, unwritten))
    });
    let invitation = invitation.transpose()?;
    let ca = Ca::open(home)?;
    let key = match again {
        true => ca.invite_again(name, role, servers)?,
        false => ca.invite(name, role, servers)?,
    };
    let mut value = json!({"name": name, "role": role, "key": key});
    let mut words = format!("registration key for {name} as {role}: {key}");
    if let Some((file, unwritten)) = invitation {
        let invitation = Invitation { key, ..unwritten };
        let text = Ca::sign_invitation(home, &invitation)?;
        print::write_private(file, format!("{text}\n").as_bytes()).map_err(|error| {
            Report::input(format!("{}: {error}", file.display()), "choose another --invitation")
        })?;
        let fingerprint = invitation.fingerprint();
        words += &format!(
            "\n{} is the invitation: semper join {0} --home HOME\ntell {name} in another way than by \
             which it is sent: the fingerprint is {fingerprint}",
            file.display()
        );
        if let Some(picture) = &with.qr {
            match qr::png(&text).and_then(|png| {
                let wrong = |error| {
                    Report::input(format!("{}: {error}", picture.display()), "choose another --qr")
                };
                print::write_private(picture, &png).map_err(wrong)
            }) {
                Ok(()) => {
                    words += &format!("\n{} is its QR code", picture.display());
                    value["qr"] = json!(picture);
                }
                // The key is given out: what is there is of use without a picture.
                Err(error) => print::note(format_args!("CAUTION: no picture: {error}")),
            }
        }
        value["invitation"] = json!(file);
        value["fingerprint"] = json!(fingerprint);
    }
    if json {
        return print::json(&value);
    }
    print::line(&words);
    Ok(())
}

/// An invitation that has no key yet.
fn unwritten(
    home: &Path,
    name: &str,
    role: Role,
    with: &InvitationArguments,
) -> Result<Invitation, Report> {
    if ![Role::Buyer, Role::Merchant].contains(&role) {
        let what = "invitations are for buyers and merchants";
        return Err(Report::input(what, "leave out --invitation, and hand over the key"));
    }
    let organisations =
        with.evaluator.iter().map(|it| organisation(it)).collect::<Result<_, Report>>()?;
    let third_parties = with.third_party.iter().map(|file| Ok(third_party(file)?.0));
    let third_parties = third_parties.collect::<Result<_, Report>>()?;
    let bank = match (&with.bank, &with.bank_name) {
        (Some(bank), Some(name)) => Some(InvitingBank {
            name: name.clone(),
            address: address::https(bank, "bank")?,
            currency: with.currency.parse()?,
        }),
        _ => None,
    };
    let authority = address::https(with.address.as_deref().unwrap_or_default(), "authority")?;
    Ok(Invitation {
        name: name.to_owned(),
        role,
        key: String::new(),
        made: Timestamp::now(),
        authority,
        root: Ca::root_in(home)?,
        organisations,
        third_parties,
        bank,
    })
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
    let ca = Ca::open(home)?;
    let Revoked { serial, left } = match (serial, file) {
        (Some(serial), _) => ca.revoke(serial)?,
        (None, Some(file)) => ca.revoke_certificate(&certificate(file)?)?,
        (None, None) => return Err(Report::input("which certificate?", "semper ca revoke --help")),
    };
    let mut words = format!("certificate {serial} is on the list from now on");
    let mut renewed = Vec::new();
    for it in left {
        let (next, until) = (it.serial(), it.validity().1);
        words += &format!(
            "\nCAUTION: it was renewed as {next}, which holds until {}\n         semper ca revoke \
             --serial {next}, if that was not its owner",
            until.date()
        );
        renewed.push(json!({ "serial": next, "until": until }));
    }
    print::said(&words, &json!({ "serial": serial, "renewed": renewed }))
}

fn write(out: &Path, text: &str) -> Result<(), Report> {
    std::fs::write(out, text).map_err(|error| {
        Report::input(format!("{}: {error}", out.display()), "choose another --out")
    })
}

fn of_days(days: u32) -> Duration {
    Duration::from_secs(u64::from(days) * 86_400)
}
