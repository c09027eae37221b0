//! Moving bundles: pull, push, copy, publish; and logs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use semper_base::text::counted;
use semper_base::{Digest, Report, Timestamp};
use semper_distribution::logs::{LogClient, Watched};
use semper_distribution::{Fetcher, Login, Logins, Options, Place};
use semper_net::Believed;
use semper_tlog::VerifierKey;
use semper_trust::bundle::{self, statements};
use semper_trust::{Layout, envelope};
use serde_json::json;

use crate::arguments::{LogAt, MonitorArguments, NetArguments, PublishArguments};
use crate::say::{self, Said};
use crate::{files, verdicts};

/// What fetches from these places and puts there: servers are believed for which the named roots
/// or the operating system's vouch, since everything is held against its digests.
fn fetcher(arguments: &NetArguments, places: &[&Place]) -> Result<Fetcher, Report> {
    let hosts = places.iter().filter_map(|it| it.host()).collect();
    let registries = places.iter().any(|it| matches!(it, Place::Registry(_)));
    let stored = if registries { Logins::of_docker() } else { Logins::default() };
    let believed = named(arguments)?.and_the_system();
    Ok(Fetcher::new(believed, options(arguments, stored, &hosts)?))
}

/// What speaks to a log: nobody but the named roots vouches for it. A name and a password belong
/// to it only if it is the one place of the command.
fn log_fetcher(arguments: &NetArguments, own: Option<&LogAt>) -> Result<Fetcher, Report> {
    let place = own.map(|at| at.url.parse::<Place>()).transpose()?;
    let hosts = place.and_then(|it| it.host()).into_iter().collect();
    let without = NetArguments { user: None, ..arguments.clone() };
    let arguments = if own.is_some() { arguments } else { &without };
    Ok(Fetcher::new(named(arguments)?, options(arguments, Logins::default(), &hosts)?))
}

/// The roots that the command names.
fn named(arguments: &NetArguments) -> Result<Believed, Report> {
    arguments
        .root
        .iter()
        .try_fold(Believed::nobody(), |all, file| Ok(all.and(files::server_roots(file)?)))
}

fn options(
    arguments: &NetArguments,
    logins: Logins,
    hosts: &BTreeSet<String>,
) -> Result<Options, Report> {
    let mut mirrors = BTreeMap::new();
    for entry in &arguments.mirror {
        let (host, mirror) = entry.split_once('=').ok_or_else(|| {
            Report::input(
                format!("“{entry}” is not host=mirror"),
                "for example reg:5000=cache:5000",
            )
        })?;
        mirrors.insert(host.to_owned(), mirror.to_owned());
    }
    Ok(Options {
        logins: given(arguments, logins, hosts)?,
        redirects: arguments.redirect.clone(),
        mirrors,
        cache: arguments.cache.clone(),
    })
}

/// Names and passwords of the command, each for its host.
fn given(
    arguments: &NetArguments,
    mut logins: Logins,
    hosts: &BTreeSet<String>,
) -> Result<Logins, Report> {
    if let (Some(user), Some(file)) = (&arguments.user, &arguments.password_file) {
        if hosts.len() > 1 {
            let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
            let what = format!("--user could be for {}", hosts.join(" or for "));
            let mend = format!("name the host: --login {}={user}:FILE", hosts[0]);
            return Err(Report::input(what, mend));
        }
        for host in hosts {
            logins = logins.with(host, Login::password(user, files::text(file)?.trim()));
        }
    }
    for entry in &arguments.login {
        let wrong = || {
            let what = format!("“{entry}” is not host=name:file");
            Report::input(what, "for example --login reg.example:5000=otto:password")
        };
        let (host, rest) = entry.split_once('=').ok_or_else(wrong)?;
        let (user, file) = rest.split_once(':').ok_or_else(wrong)?;
        let password = files::text(Path::new(file))?;
        logins = logins.with(host, Login::password(user, password.trim()));
    }
    Ok(logins)
}

pub fn pull(from: &str, out: &Path, net: &NetArguments) -> Result<Said, Report> {
    moved(&from.parse()?, &out.to_string_lossy().parse()?, net)
}

pub fn push(bundle: &Path, to: &str, net: &NetArguments) -> Result<Said, Report> {
    moved(&bundle.to_string_lossy().parse()?, &target(to)?, net)
}

pub fn copy(from: &str, to: &str, net: &NetArguments) -> Result<Said, Report> {
    moved(&from.parse()?, &target(to)?, net)
}

/// Where a bundle is to go. A registry's name without its scheme is no folder: whoever means one
/// that is not there yet says so.
fn target(text: &str) -> Result<Place, Report> {
    let place = text.parse::<Place>()?;
    let first = text.split_once('/').map(|it| it.0).filter(|it| !it.is_empty());
    let like_a_host =
        |first: &str| !first.starts_with('.') && (first.contains('.') || first == "localhost");
    match (&place, first) {
        (Place::Folder(_), Some(first)) if like_a_host(first) && !Path::new(first).exists() => {
            let what = format!("“{text}” could be a folder or a place in a registry");
            Err(Report::input(what, format!("write registry://{text}, or ./{text} for a folder")))
        }
        _ => Ok(place),
    }
}

fn moved(from: &Place, to: &Place, net: &NetArguments) -> Result<Said, Report> {
    let fetcher = fetcher(net, &[from, to])?;
    let bar = say::bar("");
    let layout = semper_distribution::pull(from, &fetcher, &say::transfer(&bar))?;
    files::may_replace(to, &layout)?;
    semper_distribution::push(&layout, to, &fetcher, &say::transfer(&bar))?;
    bar.finish_and_clear();
    let bytes: usize = layout.files().iter().map(|it| it.1.len()).sum();
    let manifests = counted(layout.manifests().len(), "manifest", "manifests");
    let text = format!("{manifests}, {bytes} bytes: {from} → {to}");
    let digests: Vec<Digest> = layout.manifests().iter().map(|it| it.digest).collect();
    Ok(Said::new(
        text,
        json!({ "from": from.to_string(), "to": to.to_string(), "bytes": bytes, "manifests": digests }),
    ))
}

pub fn publish(arguments: &PublishArguments) -> Result<Said, Report> {
    let mut layout = files::bundle(&arguments.bundle)?;
    let to = target(&arguments.to)?;
    let fetcher = fetcher(&arguments.net, &[&to])?;
    let mut logged = 0;
    if let (Some(url), Some(key)) = (&arguments.log, &arguments.log_key) {
        let at = LogAt { url: url.clone(), key: key.clone() };
        let fetcher = log_fetcher(&arguments.net, None)?;
        logged = log_all(&arguments.bundle, &mut layout, &fetcher, &at)?;
    }
    files::may_replace(&to, &layout)?;
    let bar = say::bar("");
    semper_distribution::push(&layout, &to, &fetcher, &say::transfer(&bar))?;
    bar.finish_and_clear();
    let newly = counted(logged, "statement", "statements");
    let text = format!("published at {to}; {newly} newly logged");
    Ok(Said::new(text, json!({ "place": to.to_string(), "logged": logged })))
}

pub fn log_add(bundle: &Path, at: &LogAt, net: &NetArguments) -> Result<Said, Report> {
    let mut layout = files::bundle(bundle)?;
    let logged = log_all(bundle, &mut layout, &log_fetcher(net, Some(at))?, at)?;
    let statements = counted(logged, "statement", "statements");
    let text = format!("{statements} logged; proofs are in the bundle");
    Ok(Said::new(text, json!({ "logged": logged })))
}

/// Logs every statement of a bundle that has no proof yet, and puts the proofs beside them. What was
/// logged before something went wrong stays logged, and its proofs are kept: the same command again
/// goes on.
fn log_all(
    bundle: &Path,
    layout: &mut Layout,
    fetcher: &Fetcher,
    at: &LogAt,
) -> Result<usize, Report> {
    let log = LogClient::new(fetcher, &at.url, vkey(&at.key)?);
    let bar = say::bar("");
    let mut logged = 0;
    for (descriptor, entry) in statements(layout)? {
        if !layout.referrers(&descriptor.digest, bundle::LOG_PROOF)?.is_empty() {
            continue;
        }
        match log.add(&entry, &say::transfer(&bar)) {
            Ok(proof) => bundle::prove(layout, &descriptor, proof.to_string().into_bytes()),
            Err(error) if logged == 0 => return Err(error.into()),
            Err(error) => {
                files::write_bundle(bundle, layout)?;
                let mut report = Report::from(error);
                let were = counted(logged, "statement was", "statements were");
                report.what += &format!("; {were} logged before, with proofs in the bundle");
                return Err(report);
            }
        }
        logged += 1;
    }
    files::write_bundle(bundle, layout)?;
    Ok(logged)
}

/// A verifier key, or the file that it stands in.
fn vkey(text: &str) -> Result<VerifierKey, Report> {
    let wrong = |error: semper_tlog::NoteError| {
        Report::input(error, "give the key as the log publishes it, or the file log.vkey")
    };
    match text.parse() {
        Ok(key) => Ok(key),
        Err(error) if !Path::new(text).is_file() => Err(wrong(error)),
        Err(_) => files::text(Path::new(text))?.trim().parse().map_err(wrong),
    }
}

/// Shows every statement that is new in a log since the last time, and in whose name; of a log of
/// verdicts what is wrong with it. A log that has changed its past is an error, and both checkpoints
/// are kept.
pub fn monitor(arguments: &MonitorArguments) -> Result<Said, Report> {
    let fetcher = log_fetcher(&arguments.net, Some(&arguments.log))?;
    let key = vkey(&arguments.log.key)?;
    let own = own(arguments, &key.name)?;
    let log = LogClient::new(&fetcher, &arguments.log.url, key.clone());
    let mut watched: Watched = match std::fs::read(&arguments.state) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| {
            let what = format!("{}: {error}", arguments.state.display());
            Report::input(what, "give the file that this command wrote, or a new one")
        })?,
        // Only a file that is not there is a beginning: whoever begins anew notices no split.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Watched::default(),
        Err(error) => {
            let what = format!("{}: {error}", arguments.state.display());
            return Err(Report::input(what, "make the file readable, or name a new one"));
        }
    };
    let bar = say::bar("entries");
    let new = match log.watch(&mut watched, &say::transfer(&bar)) {
        Ok(new) => new,
        Err(error @ semper_distribution::MoveError::Split { .. }) => {
            return Err(evidence(arguments, error));
        }
        Err(error) => return Err(error.into()),
    };
    if verdicts::origin(&key.name).is_some() {
        let said = verdicts::look(&log, &mut watched, &new, &own, &say::transfer(&bar))?;
        bar.finish_and_clear();
        remember(arguments, &watched)?;
        return Ok(said);
    }
    bar.finish_and_clear();
    let entries = counted(watched.size(), "entry", "entries");
    let mut text = format!("{entries}, {} of them new\n", new.len());
    let mut listed = Vec::new();
    for (number, entry) in &new {
        let Ok(claim) = envelope::claim(entry) else { continue };
        let own = |name: &String| arguments.name.is_empty() || arguments.name.contains(name);
        if !claim.signers.iter().any(own) {
            continue;
        }
        let kind = claim.predicate_type.trim_start_matches("https://semper.example/predicate/");
        let by = claim.signers.join(", ");
        text += &format!("{number:8}  {kind:16} by {by}, about {}\n", claim.subject);
        listed.push(json!({
            "number": number,
            "signers": claim.signers,
            "predicate_type": claim.predicate_type,
            "subject": claim.subject,
        }));
    }
    remember(arguments, &watched)?;
    Ok(Said::new(text, json!({ "size": watched.size(), "new": new.len(), "statements": listed })))
}

fn remember(arguments: &MonitorArguments, watched: &Watched) -> Result<(), Report> {
    let state = serde_json::to_vec(watched).map_err(|error| Report::input(error, ""))?;
    files::replace(&arguments.state, &state)
}

/// Exchanges of one's own, where the log is one of verdicts.
fn own(arguments: &MonitorArguments, name: &str) -> Result<Vec<verdicts::Own>, Report> {
    let none = arguments.exchange.is_empty() && arguments.evidence.is_empty();
    let Some(origin) = verdicts::origin(name) else {
        let what = format!("{name} is no log of verdicts, and knows no exchanges");
        let mend = "leave out --exchange and --evidence, or give a third party's log";
        return if none { Ok(Vec::new()) } else { Err(Report::input(what, mend)) };
    };
    let of = |file: &PathBuf| verdicts::Own::of(file, origin);
    let mut own: Vec<_> = arguments.evidence.iter().map(of).collect::<Result<_, _>>()?;
    for text in &arguments.exchange {
        own.push(verdicts::Own::named(text)?);
    }
    Ok(own)
}

fn evidence(arguments: &MonitorArguments, error: semper_distribution::MoveError) -> Report {
    let mut report = Report::refusal(&error, semper_base::Mend::mend(&error));
    if let semper_distribution::MoveError::Split { url, why, before, now } = &error {
        let at = Timestamp::now();
        let file = arguments.state.with_extension(format!("split-{}.json", at.millis()));
        let value = json!({ "log": url, "why": why, "before": before, "now": now, "seen": at });
        report.mend = match files::create(&file, format!("{value:#}\n").as_bytes(), 0o644) {
            Ok(()) => {
                format!("both checkpoints are in {}; show them to its witnesses", file.display())
            }
            Err(_) => report.mend,
        };
    }
    report
}
