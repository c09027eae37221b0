//! The bounds on everything that a stranger can take of a server: one place for all of them.
//!
//! The defaults are for a small machine. With all of them used up a server holds some 100 MiB more
//! than at rest. They stand in the section `[limits]` of a server's file.

use std::time::Duration;

use serde::Deserialize;

/// What may be taken of a server. What is left out of a file has its default.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Limits {
    /// Connections at once.
    pub connections: usize,
    /// Connections at once from one address (of IPv6, from one network of 64 bits).
    pub connections_per_address: usize,
    /// New connections from one address in a second, over time; as many as an address may have are
    /// taken at once. Each costs a TLS handshake, which is what a server's processor is spent on.
    pub connects_per_address: u32,
    /// TLS handshakes at once.
    pub handshakes: usize,
    /// Seconds for a TLS handshake.
    pub handshake_seconds: u64,
    /// Bytes of a request's headers.
    pub header_bytes: usize,
    /// Seconds until a new connection has sent its first request's headers.
    pub header_seconds: u64,
    /// Bytes of a request's body; each route has its own bound below this one.
    pub body_bytes: usize,
    /// Seconds for a request's body.
    pub body_seconds: u64,
    /// Bytes of bodies that are held at once. The first 16 KiB of each do not count.
    pub bodies_bytes: usize,
    /// Seconds that a connection may stay open while nothing is asked.
    pub idle_seconds: u64,
    /// Seconds within which a reader takes the next 64 KiB of an answer.
    pub write_seconds: u64,
    /// Seconds for a whole request, until its answer has been taken.
    pub request_seconds: u64,
    /// Answers of more than 128 KiB that are handed over at once.
    pub downloads: usize,
    /// The same for one address.
    pub downloads_per_address: usize,
    /// What strangers may have stored in a minute: openings, cases, fences, each kind by itself.
    /// Twice as many, as far as they come from addresses that have had little.
    pub strangers_a_minute: u32,
    /// The same for one address.
    pub strangers_per_address: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1_000,
            connections_per_address: 250,
            connects_per_address: 25,
            handshakes: 100,
            handshake_seconds: 10,
            header_bytes: 16 * 1024,
            header_seconds: 15,
            body_bytes: 2 * 1024 * 1024,
            body_seconds: 60,
            bodies_bytes: 32 * 1024 * 1024,
            // Longer than clients keep an unused connection, so that they close it, and not we
            // while they send.
            idle_seconds: 120,
            write_seconds: 30,
            request_seconds: 900,
            downloads: 128,
            downloads_per_address: 32,
            strangers_a_minute: 600,
            strangers_per_address: 300,
        }
    }
}

/// A bound that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("[limits] {name} = {got}: {want}")]
pub struct LimitsError {
    name: &'static str,
    got: u64,
    want: String,
}

impl Limits {
    /// Whether a server can work within them.
    ///
    /// # Errors
    /// The first that makes no sense.
    pub fn check(&self) -> Result<(), LimitsError> {
        let size = |it: usize| u64::try_from(it).unwrap_or(u64::MAX);
        let longest = 86_400;
        let most = [
            ("connections", size(self.connections), 1, 1_000_000),
            ("connections-per-address", size(self.connections_per_address), 1, 1_000_000),
            ("connects-per-address", self.connects_per_address.into(), 1, 1_000_000),
            ("handshakes", size(self.handshakes), 1, 1_000_000),
            ("handshake-seconds", self.handshake_seconds, 1, longest),
            ("header-bytes", size(self.header_bytes), 8 * 1024, 1024 * 1024),
            ("header-seconds", self.header_seconds, 1, longest),
            ("body-bytes", size(self.body_bytes), 1024 * 1024, 1024 * 1024 * 1024),
            ("body-seconds", self.body_seconds, 1, longest),
            ("bodies-bytes", size(self.bodies_bytes), 1024 * 1024, u64::MAX),
            ("idle-seconds", self.idle_seconds, 1, longest),
            ("write-seconds", self.write_seconds, 1, longest),
            ("request-seconds", self.request_seconds, 30, longest),
            ("downloads", size(self.downloads), 1, 1_000_000),
            ("downloads-per-address", size(self.downloads_per_address), 1, 1_000_000),
            ("strangers-a-minute", self.strangers_a_minute.into(), 1, 10_000_000),
            ("strangers-per-address", self.strangers_per_address.into(), 1, 10_000_000),
        ];
        for (name, got, least, greatest) in most {
            if !(least..=greatest).contains(&got) {
                let want = match greatest {
                    u64::MAX => format!("at least {least}"),
                    _ => format!("from {least} to {greatest}"),
                };
                return Err(LimitsError { name, got, want });
            }
        }
        Ok(())
    }

    pub(crate) const fn handshake(&self) -> Duration {
        Duration::from_secs(self.handshake_seconds)
    }

    pub(crate) const fn header(&self) -> Duration {
        Duration::from_secs(self.header_seconds)
    }

    pub(crate) const fn body(&self) -> Duration {
        Duration::from_secs(self.body_seconds)
    }

    pub(crate) const fn idle(&self) -> Duration {
        Duration::from_secs(self.idle_seconds)
    }

    pub(crate) const fn write(&self) -> Duration {
        Duration::from_secs(self.write_seconds)
    }

    pub(crate) const fn request(&self) -> Duration {
        Duration::from_secs(self.request_seconds)
    }
}

/// Files that the server needs besides its connections: stores, logs, components.
const OTHERS: u64 = 256;

/// Lets the process have as many files open as the system allows, and gives the connections that
/// fit into that.
pub(crate) fn raise_open_files(wanted: usize) -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let now = getrlimit(Resource::Nofile);
    if now.current != now.maximum {
        let most = Rlimit { current: now.maximum, maximum: now.maximum };
        if let Err(error) = setrlimit(Resource::Nofile, most) {
            tracing::warn!(%error, "the number of open files stays as it is");
        }
    }
    // No limit at all is none that connections could reach.
    let Some(files) = getrlimit(Resource::Nofile).current else { return wanted };
    // A small number of files is shared half and half.
    let room = usize::try_from(files.saturating_sub(OTHERS.min(files / 2))).unwrap_or(wanted);
    if room < wanted {
        tracing::warn!(
            files,
            connections = room,
            "fewer connections than [limits] says: the system lets this process open few files"
        );
    }
    room.min(wanted)
}

#[cfg(test)]
mod tests {
    use super::Limits;

    #[test]
    fn the_defaults_make_sense_and_a_bound_that_does_not_is_named() {
        assert_eq!(Limits::default().check(), Ok(()));

        let wrong = Limits { connections: 0, ..Limits::default() };
        let error = wrong.check().unwrap_err().to_string();
        assert_eq!(error, "[limits] connections = 0: from 1 to 1000000");
    }
}
