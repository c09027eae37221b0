//! The resident host as a process: starting, ending, looking.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use semper_applications::http;
use semper_archive::{Home, HomeKind};
use semper_base::Report;
use semper_base::text::counted;
use semper_host_protocol::{Client, ClientError, Done, Request, Status};
use semper_resident::Resident;
use semper_resident::server::{self, End};
use semper_roles::config::LogFormat;
use serde_json::json;

use crate::applications::OfHost;
use crate::arguments::RunArguments;
use crate::signals::Signals;
use crate::{logging, print};

/// A host that a command has started ends when nothing was under way for so long.
const IDLE: Duration = Duration::from_secs(300);
/// How often a door that cannot be opened is tried again.
const AGAIN: Duration = Duration::from_secs(5);
/// How long a host may take to end.
const ENDING: Duration = Duration::from_secs(10);

pub fn run(arguments: &RunArguments) -> Result<(), Report> {
    let home = arguments.home.home.as_path();
    if arguments.end {
        return end(home);
    }
    if arguments.status {
        return status(home, arguments.json);
    }
    if arguments.started {
        // The terminal from which the command was given is not this process's.
        let _ = rustix::process::setsid();
    }
    if let Ok(client) = Client::connect(home) {
        let what = format!(
            "another host of {} is running: process {}",
            home.display(),
            client.welcome().process
        );
        return Err(Report::refusal(what, "semper run --end ends it; nothing is lost"));
    }
    logging::begin(LogFormat::Text);
    let resident = Resident::start(home)?;
    let (signals, keeper) = (Signals::new()?, resident.keeper().clone());
    drop(resident.keeper().job("signals", move |post| {
        signals.wait(post.ending().over());
        keeper.end();
    }));
    door(&resident);
    // Applications over HTTP cannot start a host that has ended.
    let ends = arguments.started && resident.applications_config().is_none();
    let end = server::serve(&resident, home, ends.then_some(IDLE))?;
    match end {
        End::Asked => tracing::info!("the host has ended"),
        End::Idle => tracing::info!("the host has ended: nothing was under way"),
        End::Homeless => tracing::warn!("the host has ended: its home is not there any more"),
    }
    // What is stored is whole at any time: nobody is waited for who waits for others.
    std::process::exit(0);
}

/// Opens the door for applications over HTTP, if the home has one. A port that somebody else has keeps
/// nothing else waiting: it is tried again.
fn door(resident: &Arc<Resident>) {
    let Some(config) = resident.applications_config().cloned() else { return };
    let (own, keeper) = (Arc::clone(resident), resident.keeper().clone());
    drop(resident.keeper().job("door for applications", move |post| {
        loop {
            let shop = Arc::new(OfHost(Arc::clone(&own)));
            let error = match http::serve(shop, config.port, &keeper) {
                Ok(bound) => {
                    tracing::info!(address = %bound, "the door for applications is open");
                    own.has_door(bound.to_string());
                    post.well();
                    // A job that ends is forgotten, and its word with it.
                    return;
                }
                Err(error) => error,
            };
            tracing::warn!(%error, "the door for applications is shut");
            post.ill("it cannot be opened; set another port under [applications] in semper.toml");
            if !keeper.ending().pause(AGAIN) {
                return;
            }
        }
    }));
}

/// Has the running host end, and waits until it has.
fn end(home: &Path) -> Result<(), Report> {
    let opened = Home::of(home, HomeKind::Party)?;
    let client = match Client::connect(home) {
        Ok(client) => client,
        Err(ClientError::Away) if semper_commerce::host::runs(&opened) => {
            let what = format!("the host of {} answers no commands", home.display());
            let mend = "it is a server or a command with --alone: end it in its terminal (Ctrl-C)";
            return Err(Report::refusal(what, mend));
        }
        Err(ClientError::Away) => {
            let words = format!("no host of {} is running", home.display());
            return print::said(&words, &json!({ "ended": false }));
        }
        Err(error) => return Err(error.into()),
    };
    let process = client.welcome().process;
    // One of another version, or in the middle of its end, is waited for, too.
    let _ = client.ask(&Request::End, &mut |_| {});
    let begun = Instant::now();
    while semper_commerce::host::runs(&opened) {
        if begun.elapsed() > ENDING {
            let what = format!("the host of {} does not end", home.display());
            return Err(Report::refusal(what, format!("kill {process}; nothing is lost")));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let words = format!("the host of {} has ended; nothing is lost", home.display());
    print::said(&words, &json!({ "ended": true, "process": process }))
}

fn status(home: &Path, json: bool) -> Result<(), Report> {
    let opened = Home::of(home, HomeKind::Party)?;
    let asked = match Client::connect(home) {
        Ok(client) => client.ask(&Request::Status, &mut |_| {}),
        Err(ClientError::Away) => {
            let runs = semper_commerce::host::runs(&opened);
            let words = match runs {
                true => format!("a host of {} runs that answers no commands", home.display()),
                false => format!("no host of {} is running", home.display()),
            };
            return print::said(&words, &json!({ "running": runs }));
        }
        Err(error) => return Err(error.into()),
    };
    let Done::Status(status) = asked?.map_err(Report::from)? else { return Ok(()) };
    if json {
        return print::json(&*status);
    }
    let Status { process, since, busy, asleep, openings, clients, ill, panics, door } = *status;
    print::line(&format!("process   {process}, since {since}"));
    print::line(&format!("deals     {busy} busy, {asleep} waiting, {openings} being opened"));
    let others = usize::try_from(clients.saturating_sub(1)).unwrap_or(usize::MAX);
    print::line(&format!("clients   {}", counted(others, "other command", "other commands")));
    if let Some(door) = door {
        print::line(&format!("door      http://{door}, for paired applications"));
    }
    if panics > 0 {
        print::line(&format!("panics    {panics}; the log has them"));
    }
    for words in ill {
        print::line(&format!("ill       {words}"));
    }
    Ok(())
}
