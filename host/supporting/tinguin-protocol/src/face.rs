//! Faces: what draws screens and brings answers back. Each is a crate of its own under `host/faces`.

use std::sync::Arc;

use crate::screen::{Answer, Frame};
use crate::secret::PassPhrase;

/// What draws frames and brings answers back.
pub trait Face: Send + Sync {
    /// Shows a frame that asks something; the answer. One at a time. A question that is
    /// withdrawn meanwhile may be answered in any way.
    fn ask(&self, frame: &Frame, withdrawn: &dyn Fn() -> bool) -> Answer;
    /// Shows a frame that asks nothing.
    fn show(&self, frame: &Frame);

    /// To whom the face says, from now on, that somebody is there. A face that nobody sits at has
    /// nothing to say.
    fn attend(&self, _to: Arc<dyn Attention>) {}

    /// Whether a pass-phrase can be typed here. If not, only `semper unlock` unlocks.
    fn unlocks(&self) -> bool {
        false
    }

    /// Shows a locked screen and waits for the pass-phrase; `None` once it is `over`: unlocked from
    /// elsewhere, or at its end. Never called while a question is being asked, and
    /// never if it does not unlock ([`Face::unlocks`]).
    fn unlock(&self, _frame: &Frame, _over: &dyn Fn() -> bool) -> Option<PassPhrase> {
        None
    }
}

/// Who has to know whether somebody sits at the face.
pub trait Attention: Send + Sync {
    /// A key was pressed or a pointer moved: the TINGUIN is not idle.
    fn touched(&self);
    /// The person locks it. A question on the screen is withdrawn, and put again afterwards.
    fn lock(&self);
}
