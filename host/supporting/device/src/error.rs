//! Why a device and a host's machine do not come together.

use std::io;

use semper_base::Mend;

/// Why a device and a host's machine do not come together.
#[derive(Debug, thiserror::Error, Mend)]
pub enum DeviceError {
    /// The address cannot be listened at.
    #[error("{address} cannot be listened at: {source}")]
    #[mend(input, "give --listen an address of this machine and a free port, such as 0.0.0.0:8460")]
    Listen {
        /// Where.
        address: String,
        /// Why not.
        source: io::Error,
    },
    /// The TINGUIN's place in the home cannot be taken.
    #[error("{0}")]
    #[mend(input, "stop the other one first")]
    Door(io::Error),
    /// The host's machine is not there.
    #[error("{address} is not reached: {source}")]
    #[mend("start semper device pair, or semper tinguin, there; compare address and port")]
    Reach {
        /// Where.
        address: String,
        /// Why not.
        source: io::Error,
    },
    /// The other end breaks off, or says something else.
    #[error("the other device breaks off: {0}")]
    #[mend("begin again at both")]
    BrokenOff(io::Error),
    /// Too many have connected that were no device.
    #[error("{0} connections were no device's")]
    #[mend(
        "somebody may be in the way: begin again, in a network that you know, or at another port"
    )]
    Tried(usize),
    /// The other end's person has said that the codes differ.
    #[error("the other device says that the codes differ")]
    #[mend("somebody may be between the two: begin again, in a network that you know")]
    Differ,
    /// It speaks another version.
    #[error("the other device speaks version {0} of this, and this one version {VERSION}",
        VERSION = crate::pairing::VERSION)]
    #[mend("install the same version of semper on both")]
    Version(u32),
}
