//! How many openings strangers may begin. Whoever says HELLO has an agreement signed and stored
//! before anything is known of him, so there are so many in a minute and so many at once; those
//! that come to nothing are forgotten.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use semper_commerce::Host;
use semper_commerce::opening::Forgotten;
use semper_keeper::{Bell, Post, Turn};
use semper_net::{Peer, Refused};

use crate::budget::Budget;
use crate::surroundings::Surroundings;

/// Openings under way at once: with some 4 KiB each, 80 MB of the archive.
const AT_ONCE: usize = 20_000;
/// How often those that came to nothing are looked for.
const LOOK: Duration = Duration::from_secs(60);

/// The openings of a merchant.
#[derive(Debug)]
pub(super) struct Openings {
    budget: Budget,
    /// As the last look has found them, and those that have begun since.
    under_way: AtomicUsize,
}

impl Openings {
    /// Looks after them as long as the host stands.
    pub fn keep(host: &Arc<Host>, around: &Surroundings) -> Arc<Self> {
        let this = Arc::new(Self { budget: around.budget(), under_way: AtomicUsize::new(0) });
        let (openings, host) = (Arc::clone(&this), Arc::downgrade(host));
        let (mut seen, mut first) = (Forgotten::default(), true);
        let turn = move |post: &Post| {
            let Some(host) = host.upgrade() else { return Turn::End };
            // Whoever starts often does not look each time.
            if std::mem::take(&mut first) {
                return Turn::Wait(LOOK);
            }
            match host.forget_openings(&mut seen) {
                Ok(left) => {
                    openings.under_way.store(left, Ordering::Relaxed);
                    post.well();
                }
                Err(error) => {
                    tracing::error!(%error, "openings that came to nothing cannot be forgotten");
                    post.ill("openings that came to nothing cannot be forgotten");
                }
            }
            Turn::Wait(LOOK)
        };
        around.spawn().keep("openings", &Bell::new(), Box::new(turn));
        this
    }

    /// Whether a stranger may begin another one now.
    pub fn may_begin(&self, peer: Option<Peer>) -> bool {
        if self.under_way.load(Ordering::Relaxed) >= AT_ONCE {
            self.budget.count(Refused::Strangers);
            return false;
        }
        let may = self.budget.spend(peer, 0);
        if may {
            self.under_way.fetch_add(1, Ordering::Relaxed);
        }
        may
    }
}
