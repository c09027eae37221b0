//! The fallback tag of registries without the referrers API (distribution-spec, “Pushing Manifests
//! with Subject”): a list that each who attaches something reads, adds to, and writes back.
//!
//! Several may do that at once, and a registry keeps whatever was written last. So whoever writes
//! looks again, twice, after a pause that is longer than reading and writing took; puts back what
//! has vanished, others' entries as well as its own; and says so if that does not come to an end.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use semper_base::Digest;
use semper_trust::layout::{Descriptor, INDEX, canonical};
use serde_json::{Value, json};

use super::Registry;
use super::referrers::fallback;
use crate::{MoveError, Progress};

/// How often it is looked, at most.
const TURNS: u32 = 60;
/// How often everything must be found there, before it is believed to stay.
const CALM: u32 = 2;
/// The shortest pause between two looks.
const PAUSE: Duration = Duration::from_millis(250);
/// The longest.
const LONGEST: Duration = Duration::from_secs(10);

/// What must stand in a list: entries by their digest, as their authors wrote them.
type Entries = BTreeMap<String, Value>;

impl Registry<'_> {
    /// Notes what refers to each of these subjects under its fallback tag.
    pub(super) fn note(
        &self,
        host: &str,
        notes: &BTreeMap<Digest, Vec<&Descriptor>>,
        progress: &dyn Progress,
    ) -> Result<(), MoveError> {
        // What was seen while this push went on must stay: somebody else's older list may drop it.
        let mut wanted: BTreeMap<Digest, Entries> = BTreeMap::new();
        for (subject, all) in notes {
            let entry = |it: &&Descriptor| (it.digest.to_string(), json!(it));
            wanted.insert(*subject, all.iter().map(entry).collect());
        }
        let (mut calm, mut lost, mut slowest) = (0, 0, Duration::ZERO);
        for turn in 0..TURNS {
            let mut written = false;
            for (subject, entries) in &mut wanted {
                let begun = Instant::now();
                written |= self.complete(host, subject, entries, progress)?;
                slowest = slowest.max(begun.elapsed());
            }
            // Nothing was to be written, and so nothing can be lost.
            if turn == 0 && !written {
                return Ok(());
            }
            calm = if written { 0 } else { calm + 1 };
            if calm == CALM {
                return Ok(());
            }
            if written && turn > 0 {
                lost += 1;
                progress.told("others attach something at the same time; it is put back");
            }
            let pause = (slowest * 2).clamp(PAUSE, LONGEST);
            std::thread::sleep(pause + apart(notes, turn, pause, lost));
        }
        let tag = notes.keys().next().map_or_else(String::new, fallback);
        let url = self.url(host, &format!("manifests/{tag}"));
        Err(MoveError::Lost { url, turns: lost })
    }

    /// Writes whatever a list lacks, and learns what it has; whether anything was written.
    fn complete(
        &self,
        host: &str,
        subject: &Digest,
        entries: &mut Entries,
        progress: &dyn Progress,
    ) -> Result<bool, MoveError> {
        let there = self.noted(host, subject, progress)?;
        let mut list = there.as_ref().map_or_else(Vec::new, |it| it.entries.clone());
        let digest = |it: &Value| it["digest"].as_str().map(str::to_owned);
        let mut missing = entries.clone();
        for entry in &list {
            let Some(digest) = digest(entry) else { continue };
            missing.remove(&digest);
            entries.entry(digest).or_insert_with(|| entry.clone());
        }
        if missing.is_empty() {
            return Ok(false);
        }
        list.extend(missing.into_values());
        let mut document = there.as_ref().map_or_else(|| json!({}), |it| it.document.clone());
        document["schemaVersion"] = 2.into();
        document["mediaType"] = INDEX.into();
        document["manifests"] = list.into();
        // Where a registry can hold a writer to what it has read, it shall.
        let etag = there.as_ref().and_then(|it| it.etag.as_deref());
        let condition = match (&there, etag) {
            (_, Some(etag)) => Some(("if-match", etag)),
            (None, None) => Some(("if-none-match", "*")),
            (Some(_), None) => None,
        };
        let tag = fallback(subject);
        match self.put(host, &tag, INDEX, &canonical(&document), condition, progress) {
            // Somebody was faster: looked at again.
            Ok(_) | Err(MoveError::Status { status: 412, .. }) => Ok(true),
            Err(error) => Err(error),
        }
    }
}

/// A further pause after a loss, by which those who write at once come apart: another one for each of
/// them and for each turn, from a longer while after each loss.
fn apart(
    notes: &BTreeMap<Digest, Vec<&Descriptor>>,
    turn: u32,
    pause: Duration,
    lost: u32,
) -> Duration {
    let own: Vec<u8> = notes.values().flatten().flat_map(|it| *it.digest.as_bytes()).collect();
    let mixed = Digest::of(&[own.as_slice(), &turn.to_be_bytes()].concat());
    let share = u32::from(mixed.as_bytes()[0]);
    pause * ((1 << lost.min(4)) - 1) * share / 256
}
