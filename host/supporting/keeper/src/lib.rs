//! Keepers of threads and tasks.
//!
//! Nothing runs in the background without a keeper. A keeper gives each thread a name and an end,
//! catches its panics, counts them and starts it again, and knows at any time who is well and who
//! is not: that is what a server's `/healthz` says.
//!
//! | module | what it is for |
//! |---|---|
//! | [`bell`] | waking a loop that has nothing to do |
//! | [`ending`] | telling threads and tasks that they shall end |
//! | [`post`] | the place of one thread: what it says about itself |
//! | [`spawn`] | where loops run: [`Keeper`] has threads for them, a simulation takes turns |
//!
//! A loop is a function that takes one turn at a time and says when to call it again:
//!
//! ```
//! use std::sync::mpsc;
//! use std::time::Duration;
//! use semper_keeper::{Bell, Keeper, Spawn as _, Turn};
//!
//! let keeper = Keeper::new("example");
//! let (bell, (say, heard)) = (Bell::new(), mpsc::channel());
//! keeper.keep("counter", &bell, Box::new(move |_post| match say.send("a turn") {
//!     Ok(()) => Turn::Wait(Duration::from_secs(60)),
//!     Err(_) => Turn::End,
//! }));
//! assert_eq!(heard.recv(), Ok("a turn"));
//! bell.ring_all();
//! assert_eq!(heard.recv(), Ok("a turn"));
//! assert!(keeper.health().iter().all(|it| it.state.is_well()));
//! keeper.end();
//! assert!(keeper.join(Duration::from_secs(10)).is_empty());
//! ```
#![forbid(unsafe_code)]

pub mod bell;
pub mod ending;
mod keeper;
pub mod post;
pub mod spawn;

pub use bell::Bell;
pub use ending::Ending;
pub use keeper::{Job, Keeper, Panicked};
pub use post::{Health, Post, State};
pub use spawn::{Spawn, Turn};
