//! What authorities have withdrawn, for server roles: their lists are fetched while the server runs
//! and kept in the role's home, so that a role that starts again knows what it knew.
//!
//! A role that believes certificates asks for them by [`Surroundings::revocation`](crate::surroundings::Surroundings::revocation). Whether and where
//! it asks stands in the server's file:
//!
//! ```toml
//! [revocation]
//! lists           = ["https://ca.example:8440/semper/v1/crl"]
//! offline         = "refuse"     # or "warn": an overdue list counts, and is logged
//! grace_hours     = 0            # for how long after its date a list is still good
//! refresh_seconds = 600
//! ```
//!
//! Where no list is new enough, nobody is refused as revoked: the role answers that it cannot say now.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use semper_archive::{Home, HomeError};
use semper_base::cert::{Crl, MAX_CRL, Revocation, Roots, Withdrawals};
use semper_base::{Certificate, Clock, Digest, Timestamp};
use semper_commerce::lists::signer;
use semper_keeper::{Bell, Post, Spawn, Turn};
use semper_net::Client;
use semper_trust::revocation::Newest;
use semper_trust::trustfile::{Freshness, Offline};
use serde::Deserialize;

/// The folder of a role's home that keeps them.
const FOLDER: &str = "lists";
/// How often lists are fetched, if the file does not say.
const REFRESH: u64 = 600;
/// How soon fetching is tried again at first, and at most.
const SOON: Duration = Duration::from_secs(1);
const LATER: Duration = Duration::from_secs(60);

/// The section `[revocation]` of a server's file.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevocationConfig {
    /// Where the authorities' lists are; none may be missing.
    pub lists: Vec<String>,
    /// The treatment of overdue lists.
    #[serde(default)]
    pub offline: Offline,
    /// For how long after its date a list is still good.
    #[serde(default)]
    pub grace_hours: u32,
    /// How often they are fetched.
    pub refresh_seconds: Option<u32>,
}

impl RevocationConfig {
    fn freshness(&self) -> Freshness {
        let seconds = |it: u64| Duration::from_secs(it);
        Freshness {
            offline: self.offline,
            grace: seconds(u64::from(self.grace_hours) * 3_600),
            refresh: seconds(self.refresh_seconds.map_or(REFRESH, |it| u64::from(it).max(1))),
        }
    }
}

/// The lists of some authorities.
#[derive(Debug)]
struct Kept {
    urls: Vec<String>,
    roots: Roots,
    freshness: Freshness,
    home: Home,
    net: Client,
    clock: Arc<dyn Clock>,
    /// The newest list of each address, once one has been had.
    known: Mutex<Vec<Option<Crl>>>,
    /// How long to wait after the next failure.
    pause: Mutex<Duration>,
}

/// Where a role with this home asks what these authorities have withdrawn. The lists are fetched from
/// now on, as long as somebody asks there.
///
/// # Errors
/// The home cannot keep them.
pub(crate) fn keep(
    config: &RevocationConfig,
    home: &Path,
    roots: &Roots,
    net: Client,
    clock: Arc<dyn Clock>,
    spawn: &dyn Spawn,
) -> Result<Revocation, HomeError> {
    let home = Home::open(home)?;
    let folder = home.folder(FOLDER)?;
    let kept = Arc::new(Kept {
        urls: config.lists.clone(),
        roots: roots.clone(),
        freshness: config.freshness(),
        home,
        net,
        clock,
        known: Mutex::new(vec![None; config.lists.len()]),
        pause: Mutex::new(SOON),
    });
    kept.read(|name| folder.read(name).ok());
    let weak = Arc::downgrade(&kept);
    spawn.keep("revocation", &Bell::new(), Box::new(move |post| turn(&weak, post)));
    Ok(Revocation::Kept(kept))
}

/// Fetches the lists as long as somebody asks for them.
fn turn(kept: &Weak<Kept>, post: &Post) -> Turn {
    let Some(kept) = kept.upgrade() else { return Turn::End };
    let failed: Vec<String> =
        (0..kept.urls.len()).filter_map(|index| kept.fetch(index).err()).collect();
    let mut pause = kept.pause.lock().unwrap_or_else(PoisonError::into_inner);
    if failed.is_empty() {
        post.well();
        *pause = SOON;
        return Turn::Wait(kept.freshness.refresh);
    }
    for why in &failed {
        tracing::warn!(why, "a revocation list cannot be had");
    }
    let now = kept.clock.now();
    let missing = kept.roots.certificates().iter().find_map(|root| kept.list(root, now).err());
    match missing.or_else(|| kept.overdue(now)) {
        // What is known is still new enough.
        None => post.well(),
        Some(why) => post.ill(why),
    }
    let wait = *pause;
    *pause = (wait * 2).min(LATER);
    Turn::Wait(wait.min(kept.freshness.refresh))
}

impl Kept {
    /// What was kept before. What cannot be read any more counts as missing.
    fn read(&self, read: impl Fn(&str) -> Option<Vec<u8>>) {
        for (url, known) in self.urls.iter().zip(self.lock().iter_mut()) {
            // Believed when it came.
            *known = read(&file(url)).and_then(|bytes| Crl::from_der(&bytes).ok());
        }
    }

    fn fetch(&self, index: usize) -> Result<(), String> {
        let url = &self.urls[index];
        let answer = self.net.get(url, MAX_CRL).map_err(|error| error.to_string())?;
        if answer.status != 200 {
            return Err(format!("{url} answers with status {}", answer.status));
        }
        let crl = Crl::from_der(&answer.body).map_err(|error| format!("{url}: {error}"))?;
        if signer(&self.net, &self.roots, url, &crl).is_none() {
            let what = "is not signed by an authority that is believed here";
            return Err(format!("the list at {url} {what}"));
        }
        let mut known = self.lock();
        // An authority that is new at this place begins its numbers anew.
        let before = known[index].as_ref().filter(|it| crl.follows(it)).map(Crl::number);
        match before {
            Some(seen) if crl.number() < seen => {
                let got = crl.number();
                return Err(format!("the list at {url} has number {got}, after number {seen}"));
            }
            Some(seen) if crl.number() == seen => return Ok(()),
            _ => {}
        }
        let kept = self.home.write(&format!("{FOLDER}/{}", file(url)), crl.der());
        kept.map_err(|error| error.to_string())?;
        known[index] = Some(crl);
        Ok(())
    }

    /// A list that is known and too old, whoever it is of.
    fn overdue(&self, now: Timestamp) -> Option<String> {
        let known = self.lock();
        known.iter().flatten().find_map(|list| {
            let why = self.freshness.of(list, now).err()?;
            Some(format!("the revocation list of “{}” {why}", list.issuer()))
        })
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Option<Crl>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Withdrawals for Kept {
    fn list(&self, authority: &Certificate, at: Timestamp) -> Result<Option<Crl>, String> {
        let of = |why: String| format!("the revocation list of “{}” {why}", authority.subject());
        let known = self.lock();
        let Some(list) = known.iter().flatten().find(|it| it.is_by(authority)) else {
            // An authority whose list nobody names has none; but any that was never had may be its.
            let all = known.iter().all(Option::is_some);
            let disputed = known.iter().flatten().any(|it| it.names(authority));
            return match (all, disputed) {
                (true, false) => Ok(None),
                (_, true) => Err(of("is signed by another key".into())),
                (false, _) => Err(of("is not known here".into())),
            };
        };
        match self.freshness.of(list, at).map_err(of)? {
            Newest::NotAsked => Ok(None),
            Newest::Good(list) => Ok(Some(list.clone())),
            Newest::Overdue(list, since) => {
                tracing::warn!(%since, "an overdue revocation list is believed");
                Ok(Some(list.clone()))
            }
        }
    }
}

fn file(url: &str) -> String {
    format!("{}.crl", Digest::of(url.as_bytes()).hex())
}
