//! Letters about what somebody was told: asking it back, or complaining of it. The person reads the
//! letter, changes it if she likes, and sends it however she likes; the archive remembers it.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;

use semper_archive::{Archive, EvidenceRow};
use semper_base::cert::Revocation;
use semper_base::{Report, Timestamp, text};
use semper_commerce::host::evidence;
use semper_examine::disclosed::{self, Disclosure, Travelled};
use semper_roles::party::Party;
use semper_tinguin_protocol::told::{Language, Letter, Told, Wish};
use serde_json::json;

use crate::arguments::LetterArguments;
use crate::print;

/// The kind under which letters are kept.
pub const LETTER: &str = "letter";

/// Everything that was given out, of every deal.
pub fn disclosed(party: &Party) -> Result<Vec<Disclosure>, Report> {
    let mut all: Vec<Disclosure> = Vec::new();
    for row in party.archive.deals()? {
        let verifier = party.trust_of(&row)?.authorities.asking(Revocation::EVIDENCE);
        all.extend(disclosed::disclosed(&party.archive, &verifier, &row)?);
    }
    Ok(all)
}

/// Letters that were written to somebody, or about him.
pub fn about(archive: &Archive, name: &str) -> Result<Vec<EvidenceRow>, Report> {
    let start = format!("{name}: ");
    let mut all = archive.evidence(None)?;
    all.retain(|it| it.kind == LETTER && it.summary.starts_with(&start));
    Ok(all)
}

pub fn write(arguments: &LetterArguments) -> Result<(), Report> {
    let party = Party::open(&arguments.home.home)?;
    let all = disclosed(&party)?;
    let about = receiver(&all, &arguments.to)?;
    let told: Vec<Told> = all.iter().filter(|it| it.to == about).filter_map(told).collect();
    if told.is_empty() {
        let what = format!("nothing that was sent to “{}” is about you", text::shown(&about, 60));
        return Err(Report::input(what, "semper archive disclosed shows who knows what"));
    }
    let own = all.iter().find(|it| it.what == "name").map(|it| it.value.clone());
    let own = own.unwrap_or_else(|| party.config.user.clone());
    let wish = match (&arguments.complain_to, &arguments.because) {
        (Some(organisation), Some(because)) => {
            Wish::Complaint { organisation: organisation.clone(), because: because.clone() }
        }
        _ => Wish::Back,
    };
    let language = if arguments.german { Language::German } else { Language::English };
    let now = Timestamp::now();
    let letter = Letter { from: &own, about: &about, told: &told, on: now, wish: &wish };
    let written = letter.text(language);
    let wrong = |error| {
        Report::input(format!("{}: {error}", arguments.out.display()), "choose another --out")
    };
    let mut options = OpenOptions::new();
    let file = options.write(true).create_new(true).mode(0o600).open(&arguments.out);
    file.and_then(|mut file| file.write_all(written.as_bytes())).map_err(wrong)?;
    let what = match &wish {
        Wish::Back => "asked back".to_owned(),
        Wish::Complaint { organisation, .. } => format!("complained of to {organisation}"),
    };
    let details = text::counted(told.len(), "detail", "details");
    let summary = format!("{about}: {what}, {details}");
    let kept = evidence(None, LETTER, &own, &summary, written.as_bytes(), now);
    party.archive.commit(vec![kept])?;
    let words = format!(
        "{} is the letter: read it, change it if you like, and send it. The archive remembers it.",
        arguments.out.display()
    );
    let value =
        json!({ "file": arguments.out, "about": about, "details": told.len(), "what": what });
    print::said(&words, &value)
}

/// The one whose name has this in it.
fn receiver(all: &[Disclosure], part: &str) -> Result<String, Report> {
    let has = |it: &&Disclosure| it.to.to_lowercase().contains(&part.to_lowercase());
    let mut found: Vec<&str> = all.iter().filter(has).map(|it| it.to.as_str()).collect();
    found.sort_unstable();
    found.dedup();
    let part = text::shown(part, 60);
    match found.as_slice() {
        [one] => Ok((*one).to_owned()),
        [] => {
            let what = format!("nobody called “{part}” was told anything");
            Err(Report::input(what, "semper archive disclosed shows who knows what"))
        }
        several => {
            let what = format!("“{part}” may be any of {}", several.join(", "));
            Err(Report::input(what, "give more of the name"))
        }
    }
}

/// What was sent: what only the service in one's own host knows, nobody needs to give back.
fn told(it: &Disclosure) -> Option<Told> {
    let sent = matches!(it.travelled, Travelled::Sealed | Travelled::Tls);
    sent.then(|| Told {
        to: it.to.as_str().into(),
        what: it.what.as_str().into(),
        value: it.value.as_str().into(),
        at: it.at,
        deal: it.deal,
        by: it.by.as_str().into(),
        sealed: it.travelled == Travelled::Sealed,
    })
}
