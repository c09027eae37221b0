//! Pairing over HTTP. One at a time: whoever asks a second time while the person decides hears that
//! she does. The answer is asked for by a secret that only whoever began has.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use semper_base::{Digest, keys};
use semper_host_protocol::Refusal;
use semper_host_protocol::application::Pairing;
use semper_keeper::Keeper;

use crate::shop::{Gone, Shop};

/// How long the person has for her decision.
const PATIENCE: Duration = Duration::from_secs(300);
/// How long an outcome is kept that nobody has asked for.
const KEPT: Duration = Duration::from_secs(300);

/// The pairing that is under way, if one is.
#[derive(Default)]
pub(crate) struct Pairings(Arc<Mutex<Option<UnderWay>>>);

struct UnderWay {
    secret: String,
    since: Instant,
    gone: Gone,
    outcome: Option<Result<String, Refusal>>,
}

/// How far a pairing has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The person decides.
    Deciding,
    /// She has agreed: the token.
    Agreed(String),
    /// She has not, or it cannot be done.
    Refused(Refusal),
    /// There is none of this secret.
    Unknown,
}

/// A code that application and TINGUIN both show.
pub(crate) fn code() -> String {
    let [a, b, c, d, ..] = keys::random();
    format!("{:06}", u32::from_le_bytes([a, b, c, d]) % 1_000_000)
}

impl Pairings {
    /// Begins one; its secret, or none while another is under way.
    pub fn begin(&self, pairing: Pairing, shop: &Arc<dyn Shop>, keeper: &Keeper) -> Option<String> {
        let mut under_way = self.lock();
        if under_way.as_ref().is_some_and(UnderWay::keeps_waiting) {
            return None;
        }
        let (secret, gone) = (Digest::from_bytes(keys::random()).hex(), Gone::default());
        let since = Instant::now();
        *under_way =
            Some(UnderWay { secret: secret.clone(), since, gone: gone.clone(), outcome: None });
        drop(under_way);
        let (shop, shared, own) = (Arc::clone(shop), Arc::clone(&self.0), secret.clone());
        drop(keeper.job("pairing over HTTP", move |_| {
            let outcome = shop.pair(&pairing, &gone);
            let mut under_way = shared.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(it) = under_way.as_mut().filter(|it| it.secret == own) {
                (it.outcome, it.since) = (Some(outcome), Instant::now());
            }
        }));
        Some(secret)
    }

    /// How far the one with this secret has come. An outcome is told once.
    pub fn stage(&self, secret: &str) -> Stage {
        let mut under_way = self.lock();
        let Some(it) = under_way.as_ref().filter(|it| it.secret == secret) else {
            return Stage::Unknown;
        };
        if it.outcome.is_none() {
            if it.since.elapsed() > PATIENCE {
                it.gone.set();
            }
            return Stage::Deciding;
        }
        match under_way.take().and_then(|it| it.outcome) {
            Some(Ok(token)) => Stage::Agreed(token),
            Some(Err(refusal)) => Stage::Refused(refusal),
            None => Stage::Unknown,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<UnderWay>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl UnderWay {
    /// Whether another has to wait for this one. One that nobody asks about any more is given up.
    fn keeps_waiting(&self) -> bool {
        match self.outcome {
            Some(_) => self.since.elapsed() < KEPT,
            None => {
                let waits = self.since.elapsed() < PATIENCE;
                if !waits {
                    self.gone.set();
                }
                waits
            }
        }
    }
}
