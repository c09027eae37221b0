//! From an invitation to a home that can buy: one conversation. Whoever leaves in the middle comes
//! back with the same command, and it goes on where it was.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use semper_archive::{Home, Write};
use semper_base::{Mend as _, Report, Role, text};
use semper_keeper::Keeper;
use semper_roles::ca::invitation::{Invitation, InvitingBank, PREFIX};
use semper_roles::party::{self, Party};
use semper_tinguin::keystore::Keystore;
use semper_tinguin::memory::{self, Memory};
use semper_tinguin::{InProcess, Service, Vault};
use semper_tinguin_protocol::{Answer, Client, Face, Frame};
use serde_json::json;
use zeroize::Zeroizing;

use crate::arguments::{BackupArguments, HomeArgument, JoinArguments};
use crate::home::{self, Keys, Making, PREFERENCES};
use crate::{account, address, backup, print, qr, unlock};

/// Bytes of a file with an invitation, at most.
const MOST: u64 = 1024 * 1024;
/// What helps whoever does not sit at a terminal.
const ALONE: &str = "run it at a terminal, or give --yes, --phrase and --pass-phrase-file";
/// How often an answer that cannot be taken is asked for again.
const TRIES: u32 = 5;

pub fn join(arguments: &JoinArguments) -> Result<(), Report> {
    let invitation = read(&arguments.invitation)?;
    if ![Role::Buyer, Role::Merchant].contains(&invitation.role) {
        let what = format!("this is an invitation as {}", invitation.role);
        return Err(Report::input(
            what,
            "semper join is for buyers and merchants; semper register --help",
        ));
    }
    let path = &arguments.home;
    let known = Home::open(path).is_ok_and(|home| home.has(party::CONFIG));
    let (keys, pass_phrase) = if known {
        goes_on(path, &invitation)?;
        (None, None)
    } else {
        step(1, "The invitation");
        shown(&invitation);
        believed(arguments)?;
        let (keys, pass_phrase) = make(arguments, &invitation)?;
        (keys, Some(pass_phrase))
    };
    let (mut party, keeper) = (Party::open(path)?, Keeper::new("join"));
    let tinguin = tinguin(&party, &keeper, keys, arguments)?;
    step(4, "Your certificate");
    let name = registered(&mut party, &tinguin, &invitation)?;
    let account = match &invitation.bank {
        Some(bank) => {
            step(5, "Your account");
            Some(account(&mut party, &tinguin, bank)?)
        }
        None => None,
    };
    step(6, "Your address, for what you order");
    addressed(&party, arguments, &name)?;
    step(7, "A copy of your home");
    let copy = copied(&party, arguments, pass_phrase)?;
    keeper.end();
    let words = format!(
        "{} is ready. Your TINGUIN: semper tinguin --home {0}\nThen buy, in another terminal: semper \
         buy --home {0} MERCHANT",
        path.display()
    );
    let value = json!({
        "home": path, "name": name, "by": invitation.root.subject(), "account": account, "copy": copy,
    });
    print::said(&words, &value)
}

/// The invitation in a file, or in the text itself.
fn read(text: &str) -> Result<Invitation, Report> {
    if text.starts_with(PREFIX) {
        return Ok(Invitation::read(text)?);
    }
    Invitation::read(&qr::text_of(Path::new(text), MOST)?).map_err(|error| {
        let mend = error.mend();
        Report::input(format!("{text}: {error}"), mend)
    })
}

fn step(number: u32, words: &str) {
    print::note(format_args!("\n{number} of 7  {words}"));
}

/// What the invitation says, and by what its authority is recognised.
fn shown(invitation: &Invitation) {
    let (name, role) = (&invitation.name, invitation.role);
    let by = invitation.root.subject();
    print::note(format_args!("for           {name}, as {role}"));
    print::note(format_args!("from          {by}, at {}", invitation.authority));
    print::note(format_args!("fingerprint   {}", invitation.fingerprint()));
    print::note(format_args!("written       {}", invitation.made));
    for (name, root) in &invitation.organisations {
        print::note(format_args!(
            "believes      {} ({name}), who examines services",
            root.subject()
        ));
    }
    let count = invitation.third_parties.len();
    if count > 0 {
        let words = text::counted(count, "third party", "third parties");
        print::note(format_args!("believes      {words} of fair exchanges"));
    }
    if let Some(bank) = &invitation.bank {
        let (name, address, currency) = (&bank.name, &bank.address, bank.currency);
        print::note(format_args!("bank          {name}, at {address}, in {currency}"));
    }
}

/// Whether the person believes the invitation's authority.
fn believed(arguments: &JoinArguments) -> Result<(), Report> {
    if arguments.yes {
        return Ok(());
    }
    print::note(
        "Compare the fingerprint with the one that the organiser has told you in another way: by \
         telephone, or on paper. Whoever has made this invitation says whom you believe.",
    );
    for _ in 0..TRIES {
        match print::asked("Is it the same? (yes or no) ", ALONE)?.as_str() {
            "yes" => return Ok(()),
            "no" => {
                let what = "nothing was made";
                return Err(Report::refusal(what, "ask the organiser for another invitation"));
            }
            _ => print::note("Type yes or no."),
        }
    }
    Err(Report::input("neither yes nor no", "run it again; nothing was made"))
}

/// A home that was begun goes on, if it is by this invitation.
fn goes_on(path: &Path, invitation: &Invitation) -> Result<(), Report> {
    let party = Party::open(path)?;
    let roots = party.trust.authorities.certificates();
    if !roots.contains(&invitation.root) {
        let what = format!(
            "there is a home at {} already, and it does not believe “{}”",
            path.display(),
            invitation.root.subject()
        );
        return Err(Report::input(what, "choose another --home"));
    }
    print::note(format_args!("{} is there; going on with it", path.display()));
    Ok(())
}

/// Makes the home: a phrase, a pass-phrase.
fn make(
    arguments: &JoinArguments,
    invitation: &Invitation,
) -> Result<(Option<Keystore>, Zeroizing<String>), Report> {
    step(2, "A phrase that your TINGUIN shows");
    let phrase = match &arguments.phrase {
        Some(phrase) => text::one_line(phrase).map_err(|hidden| {
            Report::input(format!("the phrase {hidden}"), "choose another --phrase")
        })?,
        None => {
            print::note(
                "Whatever is not your own TINGUIN does not know it. It is no secret from whoever looks \
                 over your shoulder, and it is not your pass-phrase.",
            );
            line("Your phrase, such as two owls in a pear tree: ")?
        }
    };
    step(3, "A pass-phrase");
    let pass_phrase = unlock::chosen(arguments.pass_phrase_file.as_deref(), "pass-phrase")?;
    let making = Making {
        user: &invitation.name,
        phrase: &phrase,
        keys: &Keys::Here(pass_phrase.clone()),
        root: &invitation.root,
        evaluators: &invitation.organisations,
        third_parties: &invitation.third_parties,
    };
    let keys = home::make(&arguments.home, &making)?;
    Ok((keys, pass_phrase))
}

/// The home's TINGUIN: the one that runs, or one in this process, which asks nobody anything.
fn tinguin(
    party: &Party,
    keeper: &Keeper,
    keys: Option<Keystore>,
    arguments: &JoinArguments,
) -> Result<Client, Report> {
    let running = Client::new(party.home.path());
    if running.who().is_ok() {
        return Ok(running);
    }
    let keys = match keys {
        Some(keys) => keys,
        None => {
            let vault = Vault::of(Arc::clone(&party.home));
            let file = arguments.pass_phrase_file.as_deref();
            unlock::open(&vault, file, " of the home")?.keys
        }
    };
    let memory = Memory::open(&party.home.path().join(memory::FILE))?;
    let (user, phrase) = (party.config.user.clone(), party.config.phrase.clone());
    let service = Arc::new(Service::new(keys, memory, Box::new(Nobody), user, phrase));
    Ok(Client::through(InProcess::new(service, Arc::new(keeper.clone()))))
}

/// Has the identity certified, unless it is; its name.
fn registered(
    party: &mut Party,
    tinguin: &Client,
    invitation: &Invitation,
) -> Result<String, Report> {
    let (name, _) = tinguin.who()?;
    if !name.is_empty() {
        print::note(format_args!("{name} is certified already"));
        return Ok(name);
    }
    let request = tinguin.request_certificate(&invitation.name)?;
    let key = (invitation.authority.as_str(), invitation.key.as_str());
    let (words, identity) = home::certified(party, tinguin, key, request)?;
    words.iter().for_each(print::note);
    // The lists that are asked for from now on stand in its files.
    *party = Party::open(party.home.path())?;
    Ok(identity.name)
}

/// Opens an account, unless there is one; its number.
fn account(party: &mut Party, tinguin: &Client, bank: &InvitingBank) -> Result<String, Report> {
    if let Some(purse) = &party.config.payment.purse {
        print::note(format_args!("the home pays from {} at {}", purse.account, purse.name));
        return Ok(purse.account.clone());
    }
    let at = (address::https(&bank.address, "bank")?, bank.name.as_str());
    let view = account::open_purse(party, tinguin, at, bank.currency)?;
    print::note(format_args!(
        "account {} at {}, balance {}",
        view.account, view.bank, view.balance
    ));
    Ok(view.account)
}

/// Asks for the address, where nothing is known of it.
fn addressed(party: &Party, arguments: &JoinArguments, name: &str) -> Result<(), Report> {
    let mut writes = Vec::new();
    for entry in &arguments.set {
        writes.push(home::preference_of(entry)?);
    }
    let known = party.archive.preference("street")?.is_some();
    if writes.is_empty() && !known && !arguments.yes {
        print::note("Merchants to whom you send an order are told it. Enter leaves a line out.");
        writes.push(Write::Preference("name".into(), name.to_owned()));
        for key in PREFERENCES.into_iter().filter(|it| !matches!(*it, "name" | "advertising")) {
            writes.extend(preference(key)?);
        }
    }
    if writes.is_empty() {
        print::note("later: semper preference --help");
    }
    Ok(party.archive.commit(writes)?)
}

/// One line of the address; none if it is left out.
fn preference(key: &str) -> Result<Option<Write>, Report> {
    for _ in 0..TRIES {
        let value = print::asked(&format!("{key}: "), ALONE)?;
        if value.is_empty() {
            return Ok(None);
        }
        match home::preference_of(&format!("{key}={value}")) {
            Ok(write) => return Ok(Some(write)),
            Err(report) => print::note(report),
        }
    }
    Ok(None)
}

/// Makes a copy of the home, if the person says where.
fn copied(
    party: &Party,
    arguments: &JoinArguments,
    pass_phrase: Option<Zeroizing<String>>,
) -> Result<Option<PathBuf>, Report> {
    let out = match &arguments.backup {
        Some(out) => Some(out.clone()),
        None if arguments.yes => None,
        None => {
            print::note(
                "Who loses this home and has no copy loses her keys, and with them what she can prove. \
                 Put the copy on another disk.",
            );
            let typed = print::asked("File for the copy (Enter for later): ", ALONE)?;
            (!typed.is_empty()).then(|| PathBuf::from(typed))
        }
    };
    let Some(out) = out else {
        print::note("later: semper backup --help");
        return Ok(None);
    };
    let home = HomeArgument { home: party.home.path().to_owned() };
    let file = arguments.pass_phrase_file.clone();
    let wanted = BackupArguments { home, out: out.clone(), pass_phrase_file: file };
    print::note(backup::make(&wanted, pass_phrase)?.0);
    Ok(Some(out))
}

/// A line that is not empty.
fn line(prompt: &str) -> Result<String, Report> {
    for _ in 0..TRIES {
        let typed = print::asked(prompt, ALONE)?;
        match text::one_line(&typed) {
            Ok(line) if !line.is_empty() => return Ok(line),
            Ok(_) => print::note("Type something."),
            Err(hidden) => print::note(format_args!("That {hidden}.")),
        }
    }
    Err(Report::input("nothing was typed", "run it again; it goes on where it was"))
}

/// A face at which nobody sits.
struct Nobody;

impl Face for Nobody {
    fn ask(&self, _frame: &Frame, _withdrawn: &dyn Fn() -> bool) -> Answer {
        Answer::No("nobody is there".into())
    }

    fn show(&self, _frame: &Frame) {}
}
