//! Server roles: what `semper serve` runs, alone or several in one process.
//!
//! | module | what it is for |
//! |---|---|
//! | [`role`] | the trait of a role, with an example |
//! | [`list`] | the one list of roles |
//! | [`config`] | the server's TOML file, checked as a whole before anything starts |
//! | [`server`] | a server: its roles, opened, until it ends |
//! | [`outside`] | what comes in from outside: clock, places to run, network, TINGUIN |
//! | [`surroundings`] | what a role finds around it: keeper, places for what blocks, counters |
//! | [`room`] | those places: a role that hangs leaves others their threads |
//! | [`web`] | answers that all roles give in one way |
//! | `health` | `/healthz` and `/metrics`, worked out from the keepers |
//! | [`revocation`] | what authorities have withdrawn |
//! | `budget` | what strangers may have stored in a minute |
//! | `queue` | bounded queues to loops |
//!
//! | role | what it does |
//! |---|---|
//! | [`ca`] | the certification authority: invitations, registration |
//! | [`bank`] | the test bank: accounts, payments, statements of account |
//! | [`holds`] | its desk for money under the conditions of a fair exchange |
//! | [`merchant`] | the merchant: terms, openings, messages |
//! | [`catalogue`] | the merchant's catalogue and stock, in SQLite with full-text search |
//! | [`log`], [`witness`] | transparency logs and their witnesses |
//! | [`third_party`] | the third party of fair exchanges: cases, verdicts, their public log |
//! | [`files`] | a folder of files |
//!
//! [`party`] is a buyer's or merchant's home: its configuration, and the host made from it.
#![forbid(unsafe_code)]

pub mod bank;
mod budget;
pub mod ca;
pub mod catalogue;
pub mod config;
pub mod files;
mod health;
pub mod holds;
pub mod list;
pub mod log;
pub mod merchant;
pub mod outside;
pub mod party;
mod queue;
pub mod revocation;
pub mod role;
pub mod room;
pub mod server;
pub mod surroundings;
pub mod third_party;
pub mod web;
pub mod witness;
