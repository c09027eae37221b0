//! `semper restore`: a home made of a backup, whole or not at all.

use std::path::Path;

use semper_archive::HomeKind;
use semper_backup::restore::{self, Unpacked};
use semper_base::{Report, Timestamp};
use semper_roles::party::Party;
use serde_json::json;

use crate::arguments::RestoreArguments;
use crate::backup::{bar, show};
use crate::{print, signals};

pub fn restore(arguments: &RestoreArguments) -> Result<(), Report> {
    restore::place(&arguments.home)?;
    let header = restore::header(&arguments.file)?;
    let kind = HomeKind::named(&header.kind).ok_or_else(|| {
        let what = format!("this program knows no home of the kind “{}”", header.kind);
        Report::input(what, "use the newer program")
    })?;
    print::note(format_args!("a copy of {} home, made {}", kind.whose(), header.made));
    let file = arguments.pass_phrase_file.as_deref();
    let pass_phrase = print::pass_phrase(file, "Pass-phrase of the copy: ")?;
    let home = arguments.home.clone();
    signals::ended_by_signal(move |number| {
        restore::clear(&home);
        print::note("stopped; nothing was put in place");
        std::process::exit(128 + number);
    })?;
    let bar = bar("unpacking");
    let unpacked = restore::unpack(&arguments.file, &arguments.home, &pass_phrase, &|progress| {
        show(&bar, &progress);
    });
    bar.finish_and_clear();
    let unpacked = unpacked?;
    usable(&unpacked, kind)?;
    let manifest = unpacked.put_in_place()?;
    let warnings = warnings(kind, header.made, &arguments.home);
    for warning in &warnings {
        print::note(format_args!("CAUTION  {warning}"));
    }
    let words = format!(
        "{} is {} home again, as of {}",
        arguments.home.display(),
        kind.whose(),
        header.made
    );
    let value = json!({
        "home": arguments.home, "kind": manifest.kind, "made": manifest.made,
        "files": manifest.files.len(), "bytes": manifest.bytes(), "warnings": warnings,
    });
    print::said(&words, &value)
}

/// Whether this program can use it: a newer one's stores are refused before anything is in place.
fn usable(unpacked: &Unpacked, kind: HomeKind) -> Result<(), Report> {
    let path = unpacked.path();
    match kind {
        HomeKind::Party => Party::look(path).map(drop).map_err(Report::from),
        kind => semper_archive::Home::of(path, kind).map(drop).map_err(Report::from),
    }
}

/// What must not happen with a copy, in plain words.
fn warnings(kind: HomeKind, made: Timestamp, home: &Path) -> Vec<String> {
    let home = home.display();
    let mut all = vec![format!(
        "Use this home only if the one that it was copied from never runs again. What that one did \
         after {made} is not in this copy, and two that go on side by side contradict each other."
    )];
    all.extend(match kind {
        HomeKind::Party => vec![
            format!(
                "Deals that were running go on from {made}: semper tinguin --home {home}, then semper \
                 deals --home {home} --resume. Where the original has sent or signed something later, the \
                 other side knows more than this copy: leave such a deal to the original."
            ),
            "A bank account is at the bank and is not set back: semper account show.".to_owned(),
        ],
        HomeKind::Bank => vec![format!(
            "Payments booked after {made} are not in these books, though payees have their \
             confirmations. Book them again from what customers show before you open: semper bank audit."
        )],
        HomeKind::Authority => vec![format!(
            "Certificates that were issued or revoked after {made} are not in it. Revoke again what was \
             revoked; the next list has to be newer than those that others have."
        )],
        HomeKind::Log => vec![format!(
            "A log that has published anything after {made} must not go on from this copy: it would sign \
             a second past, witnesses refuse it, and monitors accuse it. Compare its newest \
             checkpoint with what others have seen; if theirs is larger, begin a new log."
        )],
        HomeKind::Witness => vec![format!(
            "It has forgotten what it cosigned after {made}, and could cosign a second past. Keep it off \
             until its logs have shown it heads that are newer than those that others have."
        )],
        HomeKind::ThirdParty => vec![format!(
            "Verdicts given after {made} are not in it. Whoever asks again would get a second verdict, \
             and two convict you. See “After a restore” in docs/fair-exchange-for-operators.md first."
        )],
    });
    all
}
