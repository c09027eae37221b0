//! Looks whether it is time to lock, and has the person unlock: at the face, if a pass-phrase can be
//! typed there, or by a command.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use semper_base::Mend as _;
use semper_keeper::{Post, Spawn, Turn};
use semper_tinguin_protocol::protocol::Reply;
use semper_tinguin_protocol::screen::{Frame, Screen};
use semper_tinguin_protocol::{Attention as _, Cause, Failure, LockAfter, PassPhrase};

use crate::failure::refused;
use crate::lock::{Clocks, Locking};
use crate::service::Service;
use crate::vault::{Opened, VaultError, Wrong};

/// How often clocks and idleness are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// What the thread that locks knows.
struct Watch {
    clocks: Clocks,
    /// Whether the locked screen stands there.
    shown: bool,
    /// What became of the last try.
    said: String,
}

impl Service {
    /// A TINGUIN that can be locked.
    #[must_use]
    pub fn with_locking(mut self, locking: Locking) -> Self {
        self.locking = Some(locking);
        self
    }

    /// Says once what was tried before it was opened.
    #[must_use]
    pub fn after_wrong(mut self, wrong: Option<Wrong>) -> Self {
        self.tried = wrong.map(|it| it.to_string());
        self
    }

    /// Locks when it is time, and has the person unlock.
    pub(crate) fn keep_locking(self: &Arc<Self>, spawn: &dyn Spawn) {
        if self.locking.is_none() {
            return;
        }
        self.face.attend(Arc::clone(&self.lock) as _);
        let service = Arc::clone(self);
        let mut watch = Watch { clocks: Clocks::now(), shown: false, said: String::new() };
        let turn = move |_: &Post| service.watch_over(&mut watch);
        spawn.keep("locker", self.lock.bell(), Box::new(turn));
    }

    fn watch_over(&self, watch: &mut Watch) -> Turn {
        let Some(locking) = &self.locking else { return Turn::End };
        if self.is_over() {
            return Turn::End;
        }
        // Looked at in any case: what was slept through locked is no reason to lock again.
        let slept = watch.clocks.slept();
        if !self.lock.is_locked() {
            (watch.shown, watch.said) = (false, String::new());
            let is_time = |after: LockAfter| slept || after.is_over(self.lock.idle());
            if let Some(gone) = self.gone() {
                // Said on the locked screen: whoever sits there should know why.
                watch.said = gone.what;
            } else if locking.after.is_some_and(is_time) {
                self.lock.lock();
            } else {
                return Turn::Wait(LOOK);
            }
        }
        self.ask_to_unlock(locking, watch)
    }

    fn ask_to_unlock(&self, locking: &Locking, watch: &mut Watch) -> Turn {
        if !std::mem::replace(&mut watch.shown, true) {
            self.face.show(&self.locked_frame(locking, &watch.said));
        }
        if !self.face.unlocks() {
            return Turn::Wait(LOOK);
        }
        let frame = self.locked_frame(locking, &watch.said);
        let waits = matches!(&frame.screen, Screen::Locked(it) if it.wait > 0);
        if waits {
            self.face.show(&frame);
            return Turn::Wait(LOOK);
        }
        let over = || self.is_over() || !self.lock.is_locked();
        let Some(pass_phrase) = self.face.unlock(&frame, &over) else { return Turn::Wait(LOOK) };
        watch.said = match self.open(locking, &pass_phrase) {
            Ok(()) => String::new(),
            Err(VaultError::Wrong(_)) => "That was not the pass-phrase.".into(),
            Err(VaultError::WrongPin(error, _)) => format!("{error}."),
            Err(error) => error.to_string(),
        };
        Turn::Again
    }

    /// Opens the keys by a pass-phrase, and says what was tried before.
    fn open(&self, locking: &Locking, pass_phrase: &PassPhrase) -> Result<(), VaultError> {
        // One at a time: a token that is being opened must not be closed by the next one.
        let _alone = self.opening.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.lock.is_locked() {
            return Ok(());
        }
        let Opened { keys, wrong } = locking.vault.open(pass_phrase.as_str())?;
        self.lock.unlock(keys);
        let words = wrong.map(|wrong| format!(" · {wrong}")).unwrap_or_default();
        tracing::info!("the TINGUIN is unlocked");
        self.shows(None, format!("unlocked{words}"));
        Ok(())
    }

    /// Locks where the token that has the keys was pulled out: without it nothing is signed, as if the
    /// person had locked it.
    pub(crate) fn gone(&self) -> Option<Failure> {
        let error = self.keys().ok()?.is_there().err()?;
        tracing::warn!(%error, "the TINGUIN locks");
        self.lock.lock();
        Some(Failure::new(Cause::Locked, error.to_string(), error.mend()))
    }

    /// Locks, as a command says.
    pub(crate) fn lock_now(&self) -> Result<Reply, Failure> {
        self.lockable()?;
        self.lock.lock();
        Ok(Reply::Done)
    }

    /// Unlocks by a pass-phrase that was given to a command.
    pub(crate) fn unlock(&self, pass_phrase: &PassPhrase) -> Result<Reply, Failure> {
        let locking = self.lockable()?;
        if !self.lock.is_locked() {
            return Ok(Reply::Done);
        }
        match self.open(locking, pass_phrase) {
            Ok(()) => Ok(Reply::Done),
            Err(VaultError::Wrong(_)) => Err(refused("the pass-phrase is wrong", "try again")),
            Err(VaultError::WrongPin(error, _)) => Err(refused(error, "try again")),
            Err(error @ VaultError::Wait(_)) => {
                Err(Failure::new(Cause::Busy, error.to_string(), "wait, then try again"))
            }
            Err(error) => Err(Failure::new(Cause::Trouble, error.to_string(), error.mend())),
        }
    }

    fn lockable(&self) -> Result<&Locking, Failure> {
        let none =
            || refused("this TINGUIN has no pass-phrase to be unlocked by", "end it instead");
        self.locking.as_ref().ok_or_else(none)
    }

    /// A locked screen: no phrase, no deal, no other side.
    fn locked_frame(&self, locking: &Locking, said: &str) -> Frame {
        let screen = Screen::Locked(locking.vault.locked(self.waiting(), said));
        let frame = self.frame(None, screen, "locked".into());
        Frame { phrase: "".into(), ..frame }
    }
}
