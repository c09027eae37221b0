//! `semper device`: a TINGUIN on a second device, paired with the host's machine by a code.

use std::net::TcpListener;
use std::path::Path;
use std::sync::mpsc::sync_channel;

use semper_archive::{Home, HomeKind};
use semper_base::{Report, SigningKey, text};
use semper_device::{Channel, DeviceError, Handshakes, Meeting, ToDevice, ToHost, paired};
use semper_keeper::Keeper;
use semper_roles::party;
use semper_tinguin::keystore;
use serde_json::json;

use crate::arguments::{DeviceCommand, DeviceJoinArguments, DevicePairArguments};
use crate::home::{self, Keys};
use crate::{print, unlock};

/// Handshakes at once of one address, while a device is waited for.
const OF_ONE: usize = 8;
/// Connections that were no device's, before the person begins anew.
const TRIED: usize = 200;
/// Where a machine's name stands.
const HOSTNAME: &str = "/etc/hostname";

pub fn run(command: &DeviceCommand) -> Result<(), Report> {
    match command {
        DeviceCommand::Pair(arguments) => pair(arguments),
        DeviceCommand::Join(arguments) => join(arguments),
        DeviceCommand::Show { home, json } => show(&home.home, *json),
        DeviceCommand::Remove(home) => remove(&home.home),
    }
}

/// On the host's machine: waits for the device.
fn pair(arguments: &DevicePairArguments) -> Result<(), Report> {
    let home = Home::of(&arguments.home.home, HomeKind::Party)?;
    if home.has(keystore::FILE) {
        let what = "this home has its keys here";
        let mend = "semper init --device makes one whose keys are on a device; docs/tinguin.md says \
                    how keys move to one";
        return Err(Report::input(what, mend));
    }
    let listen = |source| DeviceError::Listen { address: arguments.listen.clone(), source };
    let listener = TcpListener::bind(&arguments.listen).map_err(listen)?;
    let listen = listener.local_addr().map_err(listen)?;
    print::note(format_args!(
        "Waiting at {listen}. On the device: semper device join MACHINE:{}, where MACHINE is this \
         machine's name or address. Ctrl-C leaves it.",
        listen.port()
    ));
    let own = SigningKey::generate();
    let name = name(arguments.name.as_deref())?;
    let meeting = meet(listener, &own, &name)?;
    let (device, called) = (meeting.other, meeting.name.to_string());
    compared(meeting, &format!("“{called}”"))?;
    ToDevice::new(listen.to_string(), own, device, called.clone()).keep(&home)?;
    let words = format!(
        "paired with “{called}”, which is this home's TINGUIN from now on. Start semper tinguin here \
         and there."
    );
    print::said(&words, &json!({ "device": called, "listen": listen.to_string() }))
}

/// Waits for the device. Anybody may connect here, and be slow, so each has a thread.
fn meet(listener: TcpListener, own: &SigningKey, name: &str) -> Result<Meeting, Report> {
    let keeper = Keeper::new("pair");
    let (say, met) = sync_channel(OF_ONE);
    let (seed, name, handshakes) = (own.seed(), name.to_owned(), keeper.clone());
    let all = Handshakes::new(OF_ONE);
    drop(keeper.job("listen", move |_| {
        while let Ok((tcp, from)) = listener.accept() {
            let Some(place) = all.begin(from.ip()) else { continue };
            let (say, seed, name) = (say.clone(), seed.clone(), name.clone());
            drop(handshakes.job("handshake", move |_| {
                let own = SigningKey::from_seed(&seed);
                let channel = Channel::accept(tcp, &own, None).map_err(DeviceError::BrokenOff);
                let met = channel.and_then(|it| Meeting::with_device(it, own.public(), &name));
                drop(place);
                let _ = say.send((from, met));
            }));
        }
    }));
    let mut tried = 0;
    for (from, met) in met {
        match met {
            Ok(meeting) => return Ok(meeting),
            // It was not the device.
            Err(error) => print::note(format_args!("{} came: {error}", from.ip())),
        }
        tried += 1;
        if tried >= TRIED {
            return Err(DeviceError::Tried(tried).into());
        }
    }
    Err(DeviceError::BrokenOff(std::io::ErrorKind::NotConnected.into()).into())
}

/// On the device: connects to the host's machine.
fn join(arguments: &DeviceJoinArguments) -> Result<(), Report> {
    let path = &arguments.home.home;
    let home = match Home::open(path).is_ok_and(|home| home.has(party::CONFIG)) {
        true => Home::of(path, HomeKind::Party)?,
        false => make(path, arguments)?,
    };
    if !home.has(keystore::FILE) {
        let what = "this home has no keys";
        return Err(Report::input(what, "give another --home: one is made, with keys of its own"));
    }
    let (own, address) = (SigningKey::generate(), &arguments.address);
    let reach = |source| DeviceError::Reach { address: address.clone(), source };
    let channel = Channel::connect(address, &own, None).map_err(reach)?;
    let meeting = Meeting::with_host(channel, own.public(), &name(arguments.name.as_deref())?)?;
    let (host, called) = (meeting.other, meeting.name.to_string());
    compared(meeting, &format!("“{called}” at {address}"))?;
    ToHost::new(address.clone(), own, host, called.clone()).keep(&home)?;
    let words = format!(
        "paired with “{called}”: what its host asks is shown here. Start semper tinguin, or \
         semper-window."
    );
    print::said(&words, &json!({ "host": called, "address": address }))
}

/// A home that is a TINGUIN alone.
fn make(path: &Path, arguments: &DeviceJoinArguments) -> Result<Home, Report> {
    let line = |given: &Option<String>, prompt: &str| match given {
        Some(given) => Ok(given.clone()),
        None => print::asked(prompt, "run it at a terminal, or give --user and --phrase"),
    };
    let wrong = |hidden| Report::input(format!("that {hidden}"), "type it again");
    let user = line(&arguments.user, "Your name, by which the TINGUIN greets you: ")?;
    let user = text::one_line(&user).map_err(wrong)?;
    let phrase = line(&arguments.phrase, "A phrase that only your TINGUIN shows: ")?;
    let phrase = text::one_line(&phrase).map_err(wrong)?;
    let pass_phrase = unlock::chosen(arguments.pass_phrase_file.as_deref(), "pass-phrase")?;
    let (home, _) = home::begun(path, &Keys::Here(pass_phrase))?;
    home::configured(&home, &user, &phrase)?;
    Ok(home)
}

/// Has the person compare the codes, and waits for what she says at the other end.
fn compared(meeting: Meeting, other: &str) -> Result<(), Report> {
    print::note(format_args!(
        "{} and this machine show a code. Here it is",
        text::shown(other, 80)
    ));
    print::note(format_args!("\n    {}\n", meeting.code));
    let mend = "run it at a terminal";
    let same = print::agreed("Is it the same on both? (yes or no) ", mend)?;
    if same {
        print::note("Say yes at the other end, too.");
    }
    meeting.end(same)?;
    if same {
        return Ok(());
    }
    let mend = "somebody may be between the two: begin again, in a network that you know";
    Err(Report::refusal("the codes differ, and nothing is paired", mend))
}

fn show(path: &Path, json: bool) -> Result<(), Report> {
    let home = Home::of(path, HomeKind::Party)?;
    let (device, host) = (ToDevice::of(&home)?, ToHost::of(&home)?);
    let (words, value) = match (&device, &host) {
        (Some(it), _) => (
            format!("the TINGUIN is on “{}”; it is waited for at {}", it.name, it.listen),
            json!({ "device": it.name, "listen": it.listen, "key": it.device }),
        ),
        (None, Some(it)) => (
            format!("the TINGUIN of this home answers “{}” at {}", it.name, it.address),
            json!({ "host": it.name, "address": it.address, "key": it.host }),
        ),
        (None, None) => ("paired with no other device".to_owned(), json!({})),
    };
    if json { print::json(&value) } else { print::said(&words, &value) }
}

fn remove(path: &Path) -> Result<(), Report> {
    let home = Home::of(path, HomeKind::Party)?;
    let there: Vec<&str> =
        [paired::TO_DEVICE, paired::TO_HOST].into_iter().filter(|it| home.has(it)).collect();
    if there.is_empty() {
        return Err(Report::input("paired with no other device", "semper device --help"));
    }
    for file in there {
        home.remove(file)?;
    }
    let words = "the pairing is forgotten here; a TINGUIN that runs goes by it until it is ended";
    print::said(words, &json!({ "removed": true }))
}

/// What this machine is called, for the other end's person.
fn name(given: Option<&str>) -> Result<String, Report> {
    let found = std::fs::read_to_string(HOSTNAME).unwrap_or_default();
    let name = given.unwrap_or_else(|| found.trim());
    let name = text::one_line(name)
        .map_err(|hidden| Report::input(format!("the name {hidden}"), "give another --name"))?;
    Ok(match name.chars().take(40).collect::<String>() {
        name if name.is_empty() => "a machine without a name".into(),
        name => name,
    })
}
