//! The one list of server roles. Who adds a role writes its file and its line here.

use crate::bank::Bank;
use crate::ca::Ca;
use crate::files::Files;
use crate::log::Log;
use crate::merchant::Merchant;
use crate::role::Section;
use crate::third_party::ThirdParty;
use crate::witness::WitnessRole;

/// Every role that a server can have, in the order in which they are opened.
pub const ROLES: &[Section] = &[
    Section::of::<Ca>(),
    Section::of::<Bank>(),
    Section::of::<Merchant>(),
    Section::of::<Log>(),
    Section::of::<WitnessRole>(),
    Section::of::<ThirdParty>(),
    Section::of::<Files>(),
];
