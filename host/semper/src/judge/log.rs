//! A third party's public log of verdicts, from a folder: the checkpoint and the tiles of entries as
//! anybody can fetch them.

use std::path::Path;

use semper_base::{Report, cbor};
use semper_exchange::judge::{Line, PublicLog};
use semper_roles::third_party::VERDICTS;
use semper_tlog::tree::{self, WIDTH};
use semper_tlog::{Checkpoint, Kind, Note, Tree, VerifierKey};

/// Where the files may be below the folder: a copy of what is served, a log's home, a third party's.
const PLACES: [&str; 3] = ["", "public", "verdicts/public"];
/// Bytes of a line at most.
const MAX_LINE: usize = 4 * 1024;
/// Bytes of a file of the log at most: a full bundle.
const MAX_BUNDLE: u64 = 32 * 1024 * 1024;
/// Entries that are read at most.
const MAX_ENTRIES: u64 = 50_000_000;

/// The keys of logs and of witnesses that the reader believes.
#[derive(Debug, Default)]
pub struct Believed {
    logs: Vec<VerifierKey>,
    witnesses: Vec<VerifierKey>,
}

impl Believed {
    /// From the text form of keys.
    pub fn parse(logs: &[String], witnesses: &[String]) -> Result<Self, Report> {
        let parse = |option: &str, text: &String, kind: Kind| {
            let mend = "give it as the third party's operator has published it: name+hash+key";
            let key: VerifierKey = text
                .parse()
                .map_err(|error| Report::input(format!("{option} {text}: {error}"), mend))?;
            match key.kind == kind {
                true => Ok(key),
                false => {
                    Err(Report::input(format!("{option} {text}: a key of another kind"), mend))
                }
            }
        };
        let logs =
            logs.iter().map(|it| parse("--log-key", it, Kind::Log)).collect::<Result<_, _>>()?;
        let witnesses = witnesses.iter().map(|it| parse("--witness", it, Kind::Witness));
        Ok(Self { logs, witnesses: witnesses.collect::<Result<_, _>>()? })
    }
}

/// The lines of entries; none if one of them is no line.
pub fn lines(entries: Vec<Vec<u8>>) -> Option<Vec<Line>> {
    entries.iter().map(|it| cbor::decode(it, MAX_LINE).ok()).collect()
}

/// A log in a folder.
pub fn folder(folder: &Path, believed: &Believed) -> Result<PublicLog, Report> {
    let wrong = |what: &dyn std::fmt::Display| {
        let mend = "give a folder with the log's checkpoint and its tile folder, as the third party serves them";
        Report::input(format!("{}: {what}", folder.display()), mend)
    };
    let place = PLACES.iter().map(|it| folder.join(it)).find(|it| it.join("checkpoint").is_file());
    let place = place.ok_or_else(|| wrong(&"there is no checkpoint of a log in it"))?;
    let bytes = small(&place.join("checkpoint")).map_err(|error| wrong(&error))?;
    let note = Note::parse(&bytes).map_err(|error| wrong(&error))?;
    let head = Checkpoint::unverified(&note).map_err(|error| wrong(&error))?;
    if head.size > MAX_ENTRIES {
        return Err(wrong(&format!("more than {MAX_ENTRIES} entries")));
    }
    let mut entries = Vec::new();
    let width = WIDTH as u64;
    for number in 0..head.size.div_ceil(width) {
        let count = usize::try_from(width.min(head.size - number * width)).unwrap_or(WIDTH);
        let name = tree::entries_path(number, count);
        let full = || small(&place.join(tree::entries_path(number, WIDTH)));
        let bytes = small(&place.join(&name)).or_else(|_| full());
        let bytes = bytes.map_err(|error| wrong(&format!("{name}: {error}")))?;
        let bundle = tree::entries(&bytes).filter(|it| it.len() >= count);
        let bundle = bundle.ok_or_else(|| wrong(&format!("{name}: it is damaged")))?;
        entries.extend(bundle.into_iter().take(count));
    }
    let key = believed.logs.iter().find(|it| it.name == head.origin);
    let (mut of, mut seen) = (None, None);
    if let Some(key) = key {
        Checkpoint::verify(&note, key).map_err(|error| wrong(&error))?;
        let mut tree = Tree::new();
        entries.iter().for_each(|it| tree.append(semper_tlog::leaf(it), |_, _, _| {}));
        if tree.root() != head.root {
            return Err(wrong(&"its entries are not those of its checkpoint"));
        }
        of = key.name.strip_suffix(VERDICTS).map(str::to_owned);
        let times = believed.witnesses.iter().filter_map(|it| note.verify(it).ok().flatten());
        seen = times.min();
    }
    let lines = lines(entries).ok_or_else(|| wrong(&"it is no log of verdicts"))?;
    Ok(PublicLog { of, lines, seen })
}

/// A file that fits into memory.
fn small(file: &Path) -> std::io::Result<Vec<u8>> {
    if file.metadata()?.len() > MAX_BUNDLE {
        return Err(std::io::Error::other("it is too large"));
    }
    std::fs::read(file)
}
