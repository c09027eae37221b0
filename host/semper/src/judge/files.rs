//! The files that a judge is given: what is in each, or why it is nothing to judge by.

use std::path::{Path, PathBuf};

use semper_base::{Digest, Report, cbor};
use semper_examine::exported;
use semper_exchange::bank::Fact;
use semper_exchange::crypto::Signed;
use semper_exchange::judge::{Evidence, Line, PublicLog};
use semper_exchange::standard::Standard;
use semper_exchange::verdict::{Answer, MAX_ANSWER};
use semper_tlog::tree;

use super::log::{self, Believed};

/// Bytes of evidence at most.
const MAX_EVIDENCE: usize = 16 * 1024 * 1024;
/// Bytes of any file at most.
const MAX_FILE: u64 = 256 * 1024 * 1024;
/// What to give instead.
const MEND: &str = "give what semper archive save or semper archive export has written, or a third party's log: its folder, or a file of entries";

/// Everything that was read.
#[derive(Default)]
pub struct Given {
    pub evidence: Vec<Evidence<Standard>>,
    pub logs: Vec<PublicLog>,
}

/// A single signed word that belongs to an exchange.
enum Piece {
    Answer(Box<Answer<Standard>>),
    Fact(Box<Signed<Standard, Fact<Standard>>>),
}

pub fn read(files: &[PathBuf], believed: &Believed) -> Result<Given, Report> {
    let mut given = Given::default();
    let mut pieces = Vec::new();
    for file in files {
        let wrong = |what: &dyn std::fmt::Display| {
            Report::input(format!("{}: {what}", file.display()), MEND)
        };
        let meta = file.metadata().map_err(|error| wrong(&error))?;
        if meta.is_dir() {
            given.logs.push(log::folder(file, believed)?);
            continue;
        }
        if meta.len() > MAX_FILE {
            return Err(wrong(&format!("more than {MAX_FILE} bytes")));
        }
        let bytes = std::fs::read(file).map_err(|error| wrong(&error))?;
        let text = bytes.iter().find(|it| !it.is_ascii_whitespace()) == Some(&b'{');
        match text {
            true => json(file, &bytes, &mut given)?,
            false => binary(file, &bytes, &mut given, &mut pieces)?,
        }
    }
    for (file, piece) in pieces {
        add(&file, piece, &mut given)?;
    }
    if given.evidence.is_empty() {
        let what = "there is no evidence of an exchange among the files";
        return Err(Report::input(what, MEND));
    }
    Ok(given)
}

/// An exported deal, or lines of a log.
fn json(file: &Path, bytes: &[u8], given: &mut Given) -> Result<(), Report> {
    let wrong =
        |what: &dyn std::fmt::Display| Report::input(format!("{}: {what}", file.display()), MEND);
    let text = String::from_utf8_lossy(bytes);
    let lines = text.lines().filter(|it| !it.trim().is_empty());
    let lines: Result<Vec<Line>, _> = lines.map(serde_json::from_str).collect();
    if let Ok(lines) = lines {
        given.logs.push(PublicLog { lines, ..PublicLog::default() });
        return Ok(());
    }
    let exchanges = exported::exchanges(bytes).map_err(|error| wrong(&error))?;
    if exchanges.is_empty() {
        return Err(wrong(&"the exported deal has no exchange in it"));
    }
    for bytes in exchanges {
        let evidence = cbor::decode(&bytes, MAX_EVIDENCE).map_err(|error| wrong(&error))?;
        given.evidence.push(evidence);
    }
    Ok(())
}

/// Evidence, a single signed word, or a file of a log's entries.
fn binary(
    file: &Path,
    bytes: &[u8],
    given: &mut Given,
    pieces: &mut Vec<(PathBuf, Piece)>,
) -> Result<(), Report> {
    let error = match cbor::decode::<Evidence<Standard>>(bytes, MAX_EVIDENCE) {
        Ok(evidence) => {
            given.evidence.push(evidence);
            return Ok(());
        }
        Err(error) => error,
    };
    if let Ok(answer) = cbor::decode(bytes, MAX_ANSWER) {
        pieces.push((file.to_owned(), Piece::Answer(Box::new(answer))));
        return Ok(());
    }
    if let Ok(fact) = cbor::decode(bytes, MAX_ANSWER) {
        pieces.push((file.to_owned(), Piece::Fact(Box::new(fact))));
        return Ok(());
    }
    if let Some(lines) = tree::entries(bytes).filter(|it| !it.is_empty()).and_then(log::lines) {
        given.logs.push(PublicLog { lines, ..PublicLog::default() });
        return Ok(());
    }
    Err(Report::input(format!("{}: this is no evidence: {error}", file.display()), MEND))
}

/// Puts a word to the evidence of its exchange.
fn add(file: &Path, piece: Piece, given: &mut Given) -> Result<(), Report> {
    let subject = match &piece {
        Piece::Answer(answer) => match &**answer {
            Answer::Decided(it) => it.verdict.subject(),
            Answer::Submitted(it) => it.subject(),
            Answer::Rejected(it) => it.subject(),
        },
        Piece::Fact(fact) => fact.subject(),
    };
    let of = |it: &&mut Evidence<Standard>| it.agreement.subject() == subject;
    match (given.evidence.iter_mut().find(of), piece) {
        (Some(evidence), Piece::Answer(answer)) => evidence.answers.push(*answer),
        (Some(evidence), Piece::Fact(fact)) => evidence.facts.push(*fact),
        (None, _) => return Err(alone(file, subject)),
    }
    Ok(())
}

fn alone(file: &Path, subject: Digest) -> Report {
    let what = format!(
        "{}: it belongs to exchange {}, whose evidence is not among the files",
        file.display(),
        subject.short()
    );
    Report::input(what, "give one side's evidence of that exchange with it")
}
