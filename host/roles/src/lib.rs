//! Server roles: what `semper serve` runs, alone or several in one process.
//!
//! | module | what it is for |
//! |---|---|
//! | [`config`] | the server's TOML file, checked as a whole before anything starts |
//! | [`party`] | a buyer's or merchant's home: its configuration, and the host made from it |
//! | [`ca`] | the certification authority: invitations, registration |
//! | [`bank`] | the test bank: accounts, payments, statements of account |
//! | [`holds`] | its desk for money under the conditions of a fair exchange |
//! | [`third_party`] | the third party of fair exchanges: cases, verdicts, their public log |
//! | [`log`], [`witness`] | transparency logs and their witnesses |
//! | [`files`] | a folder of files |
//! | [`merchant`] | the merchant: terms, openings, messages |
//! | [`catalogue`] | the merchant's catalogue and stock, in SQLite with full-text search |
//! | [`web`] | routes, health, metrics, refusals as they travel |
#![forbid(unsafe_code)]

pub mod bank;
pub mod ca;
pub mod catalogue;
pub mod config;
pub mod files;
pub mod holds;
pub mod log;
pub mod merchant;
pub mod party;
pub mod third_party;
pub mod web;
pub mod witness;
