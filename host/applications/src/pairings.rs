//! Pairing over HTTP. One at a time: whoever asks a second time while the person decides hears that
//! she does. The answer is asked for by a secret that only whoever began has.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use semper_base::{Digest, keys};
use semper_host_protocol::application::Pairing;
use semper_host_protocol::{Gone, Refusal};
use semper_keeper::Keeper;

use crate::shop::Shop;

/// How long the person has for her decision.
const PATIENCE: Duration = Duration::from_secs(300);
/// How long nobody can ask after she has said no: doubled with each no, up to the second.
const PAUSES: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(600));
/// Outcomes that are kept until they are asked for.
const KEPT: usize = 16;

/// The pairing that is under way, if one is, and those that were decided.
#[derive(Default)]
pub(crate) struct Pairings(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    under_way: Option<UnderWay>,
    decided: VecDeque<(String, Result<String, Refusal>)>,
    /// Until when nobody can ask, and the pause after the next no.
    quiet: Option<Instant>,
    pause: Option<Duration>,
}

struct UnderWay {
    secret: String,
    since: Instant,
    gone: Gone,
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

/// Why nobody is asked now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Busy {
    /// The person decides about another.
    Deciding,
    /// She has said no a moment ago; for so long.
    Quiet(Duration),
}

impl Pairings {
    /// Begins one; its secret.
    pub fn begin(
        &self,
        pairing: Pairing,
        shop: &Arc<dyn Shop>,
        keeper: &Keeper,
    ) -> Result<String, Busy> {
        let mut state = self.lock();
        if let Some(before) = &state.under_way {
            if before.since.elapsed() > PATIENCE {
                before.gone.set();
            }
            return Err(Busy::Deciding);
        }
        let left = state.quiet.map(|it| it.saturating_duration_since(Instant::now()));
        if let Some(left) = left.filter(|it| !it.is_zero()) {
            return Err(Busy::Quiet(left));
        }
        let (secret, gone) = (Digest::from_bytes(keys::random()).hex(), Gone::default());
        let since = Instant::now();
        state.under_way = Some(UnderWay { secret: secret.clone(), since, gone: gone.clone() });
        drop(state);
        let (shop, shared, own) = (Arc::clone(shop), Arc::clone(&self.0), secret.clone());
        drop(keeper.job("pairing over HTTP", move |_| {
            let outcome = shop.pair(&pairing, &gone);
            shared.lock().unwrap_or_else(PoisonError::into_inner).is_decided(own, outcome);
        }));
        Ok(secret)
    }

    /// How far the one with this secret has come. An outcome is told once.
    pub fn stage(&self, secret: &str) -> Stage {
        let mut state = self.lock();
        if let Some(it) = state.under_way.as_ref().filter(|it| it.secret == secret) {
            if it.since.elapsed() > PATIENCE {
                it.gone.set();
            }
            return Stage::Deciding;
        }
        let Some(at) = state.decided.iter().position(|it| it.0 == secret) else {
            return Stage::Unknown;
        };
        match state.decided.remove(at).map(|it| it.1) {
            Some(Ok(token)) => Stage::Agreed(token),
            Some(Err(refusal)) => Stage::Refused(refusal),
            None => Stage::Unknown,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_decided(&mut self, secret: String, outcome: Result<String, Refusal>) {
        self.under_way = None;
        match &outcome {
            Ok(_) => (self.quiet, self.pause) = (None, None),
            Err(_) => {
                let pause = self.pause.unwrap_or(PAUSES.0);
                self.quiet = Some(Instant::now() + pause);
                self.pause = Some((pause * 2).min(PAUSES.1));
            }
        }
        if self.decided.len() >= KEPT {
            self.decided.pop_front();
        }
        self.decided.push_back((secret, outcome));
    }
}
