//! TINGUIN, the trusted interactive graphical user interface (seed 2 §3.2): a process of its
//! own that holds the keys, shows what is really going on, and signs only what it showed.
//!
//! What a host may ask, and the screens that are shown, are in `semper-tinguin-protocol`; what
//! draws them is a face, a crate of its own under `host/faces`.
//!
//! | module | what it is for |
//! |---|---|
//! | [`keystore`] | the master secret, encrypted under a pass-phrase (Argon2id) |
//! | [`vault`] | the key store of a home: opened by the pass-phrase, with wrong ones counted |
//! | [`lock`] | whether the keys are in memory, and when they leave it |
//! | [`memory`] | what was asked and answered: no question is put twice |
//! | [`service`] | one request in, one reply out |
//! | [`in_process`] | a TINGUIN that is asked by a call, for simulations |
//!
//! Beside these, `filled` keeps what others have answered for the person, `telling` finds what of her goes out, `unlocking` locks when it is time and has the person unlock, `tries` counts wrong
//! pass-phrases, `posed` is the line of questions that wait for the person, `signing` and
//! `exchange` parse what is to be signed, `socket` lets hosts in and ends when its keeper does.
//!
//! Rules (`docs/tinguin.md`): it parses the very bytes that it is asked to sign; what a
//! service says is shown as such, never near a decision; keys never leave.
#![forbid(unsafe_code)]

mod direct;
mod exchange;
mod failure;
mod filled;
mod identity;
pub mod in_process;
pub mod keystore;
pub mod lock;
pub mod memory;
mod posed;
pub mod service;
mod signing;
mod socket;
mod telling;
mod tries;
mod unlocking;
pub mod vault;

pub use in_process::InProcess;
pub use lock::Locking;
pub use service::Service;
pub use vault::Vault;
