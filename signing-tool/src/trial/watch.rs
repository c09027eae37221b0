//! Waiting until an author has changed something.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, SystemTime};

use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use semper_base::Report;

/// Folders whose files nobody writes by hand.
const MADE: [&str; 8] =
    [".git", ".semper", "target", "node_modules", "venv", "__pycache__", "market", "wit_world"];
/// Endings of files that components are made of.
const SOURCES: [&str; 6] = ["rs", "js", "mjs", "ts", "py", "wit"];
/// Files of other endings that they are made of.
const SETTINGS: [&str; 3] = ["Cargo.toml", "package.json", "requirements.txt"];
/// How long nothing must happen: an editor writes a file in several steps.
const QUIET: Duration = Duration::from_millis(150);

/// What has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changed {
    /// What the components are made of.
    Sources,
    /// What they are played with.
    Play,
}

/// Watches a folder.
pub struct Watch {
    folder: PathBuf,
    events: Receiver<notify::Result<Event>>,
    _watcher: RecommendedWatcher,
}

impl Watch {
    /// Begins to watch.
    pub fn new(folder: &Path) -> Result<Self, Report> {
        let failed = |error: notify::Error| {
            let mend = "run it again without --watch";
            Report::refusal(format!("{} cannot be watched: {error}", folder.display()), mend)
        };
        let (sender, events) = channel();
        let mut watcher = notify::recommended_watcher(move |event| {
            // Nobody waits any more when the command ends.
            let _ = sender.send(event);
        })
        .map_err(failed)?;
        let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        // Folders that tools fill have thousands of files: those below are watched one by one.
        watcher.watch(&folder, RecursiveMode::NonRecursive).map_err(failed)?;
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            if entry.path().is_dir() && !MADE.iter().any(|made| entry.file_name() == *made) {
                watcher.watch(&entry.path(), RecursiveMode::Recursive).map_err(failed)?;
            }
        }
        Ok(Self { folder, events, _watcher: watcher })
    }

    /// Waits for a change that matters, and until it is quiet again.
    pub fn wait(&self) -> Changed {
        let mut found = None;
        loop {
            let event = match found {
                None => self.events.recv().ok(),
                Some(_) => self.events.recv_timeout(QUIET).ok(),
            };
            match (event, found) {
                (None, Some(found)) => return found,
                // The watcher is gone: whoever watches hears nothing any more.
                (None, None) => std::thread::sleep(QUIET),
                (Some(Ok(event)), _) if !matters(&event.kind) => {}
                (Some(Ok(event)), _) => {
                    for path in &event.paths {
                        match change(path.strip_prefix(&self.folder).unwrap_or(path)) {
                            Some(Changed::Sources) => found = Some(Changed::Sources),
                            Some(other) => found = found.or(Some(other)),
                            None => {}
                        }
                    }
                }
                (Some(Err(_)), _) => {}
            }
        }
    }
}

const fn matters(kind: &EventKind) -> bool {
    matches!(kind, EventKind::Create(_) | EventKind::Modify(_) | EventKind::Remove(_))
}

/// What a change of this file means; nothing if nobody writes it by hand.
fn change(path: &Path) -> Option<Changed> {
    let made = |part: &OsStr| MADE.iter().any(|it| part == *it);
    if path.iter().any(made) {
        return None;
    }
    let name = path.file_name()?;
    let ending = path.extension().and_then(OsStr::to_str).unwrap_or_default();
    if SOURCES.contains(&ending) || SETTINGS.iter().any(|it| name == *it) {
        return Some(Changed::Sources);
    }
    ["toml", "csv", "txt", "json"].contains(&ending).then_some(Changed::Play)
}

/// A source that is newer than the components, if there is one.
pub fn newer(folder: &Path) -> Option<PathBuf> {
    let time = |path: &Path| path.metadata().and_then(|it| it.modified()).ok();
    let built =
        ["buyer.wasm", "seller.wasm"].iter().filter_map(|it| time(&folder.join(it))).min()?;
    newer_in(folder, folder, built, 6)
}

fn newer_in(root: &Path, folder: &Path, built: SystemTime, depth: u32) -> Option<PathBuf> {
    for entry in std::fs::read_dir(folder).ok()?.flatten() {
        let path = entry.path();
        let Some(found) = path.strip_prefix(root).ok().map(Path::to_owned) else { continue };
        let kind = entry.file_type().ok()?;
        if kind.is_dir() && depth > 0 && !MADE.iter().any(|it| entry.file_name() == *it) {
            if let Some(newer) = newer_in(root, &path, built, depth - 1) {
                return Some(newer);
            }
        } else if kind.is_file()
            && change(&found) == Some(Changed::Sources)
            && entry.metadata().and_then(|it| it.modified()).is_ok_and(|it| it > built)
        {
            return Some(found);
        }
    }
    None
}
