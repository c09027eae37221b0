//! The window: the TINGUIN's face for people at a screen.
//!
//! Everything that is shown is one typed [`Model`]; [`draw`] makes widgets of it and does what the
//! person does in them. So every page and every decision is tested without a display. The program
//! `semper-window` (feature `native`) puts a window around it, and the TINGUIN behind it: its process
//! holds the keys.
//!
//! | module | what it is for |
//! |---|---|
//! | [`model`] | everything that the window shows |
//! | [`face`] | threads of the TINGUIN ask at one end, the drawing answers at the other |
//! | [`arming`] | the pause before something that came up by itself can be answered |
//! | [`records`] | deals, archive, accounts, whom one believes, as typed rows |
//! | [`settings`] | language, light or dark, size of the text, plain or expert |
//! | [`words`] | the window's own words in English and German; amounts and dates |
//! | [`wording`] | the TINGUIN's sentences in the person's language |
//! | [`picture`] | the picture by which the person recognises her window |
//! | [`unlock`] | the locked page, which asks for the pass-phrase |
//!
//! Beside these, `drawing` makes widgets of the model, `look` has colours and shapes, `text` draws
//! texts from outside.
//!
//! Rules of this face (`docs/tinguin.md`): name, phrase and picture are always in sight, and so is who
//! certified the service; a decision looks like nothing else and never stands under a service's words;
//! it cannot be answered by a key that was being typed when it came up, nor before all of it has been on
//! the screen; no text pushes its buttons away. A locked window shows none of it.
#![forbid(unsafe_code)]
#![allow(clippy::float_arithmetic, reason = "places on a screen; money is never a float here")]

pub mod arming;
mod drawing;
pub mod face;
mod look;
pub mod model;
pub mod picture;
pub mod records;
pub mod settings;
mod text;
pub mod unlock;
pub mod wording;
pub mod words;

pub use drawing::draw;
pub use face::{Desk, WindowFace, pair};
pub use look::set;
pub use model::{Model, Page, Who};
