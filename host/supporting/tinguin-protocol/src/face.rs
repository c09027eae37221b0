//! Faces: what draws screens and brings answers back. Each is a crate of its own under `host/faces`.

use crate::screen::{Answer, Frame};

/// What draws frames and brings answers back.
pub trait Face: Send + Sync {
    /// Shows a frame that asks something; the answer. One at a time. A question that is
    /// withdrawn meanwhile may be answered in any way.
    fn ask(&self, frame: &Frame, withdrawn: &dyn Fn() -> bool) -> Answer;
    /// Shows a frame that asks nothing.
    fn show(&self, frame: &Frame);
}
