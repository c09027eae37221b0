//! What is wrong with the certificate that a server has shown, in plain words.

use std::fmt;

use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError, Error, PeerIncompatible};
use semper_base::Timestamp;

/// Why a server's certificate is not believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// Nobody who is believed vouches for it.
    Stranger,
    /// It is the certificate of an authority, as `openssl req -x509` makes it.
    Authority,
    /// It is of X.509 version 1, as `openssl x509 -req` without extensions makes it.
    Old,
    /// It names others than the server that was asked for.
    Name(Vec<String>),
    /// It is not valid yet.
    Early {
        /// When it begins.
        from: Option<Timestamp>,
        /// What time it is here.
        now: Option<Timestamp>,
    },
    /// It is no longer valid.
    Late {
        /// When it ended.
        until: Option<Timestamp>,
        /// What time it is here.
        now: Option<Timestamp>,
    },
    /// Its authority has revoked it.
    Revoked,
    /// The server knows no TLS 1.3.
    Version,
    /// Anything else, in the TLS library's words.
    Other(String),
}

impl Shown {
    /// By what the TLS library says.
    pub(crate) fn of(error: &Error) -> Self {
        match error {
            Error::InvalidCertificate(error) => Self::certificate(error),
            Error::AlertReceived(AlertDescription::ProtocolVersion)
            | Error::PeerIncompatible(
                PeerIncompatible::ServerDoesNotSupportTls12Or13
                | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig,
            ) => Self::Version,
            other => Self::Other(plain(other)),
        }
    }

    fn certificate(error: &CertificateError) -> Self {
        match error {
            CertificateError::UnknownIssuer => Self::Stranger,
            CertificateError::Revoked => Self::Revoked,
            CertificateError::NotValidYet => Self::Early { from: None, now: None },
            CertificateError::NotValidYetContext { time, not_before } => {
                Self::Early { from: stamp(*not_before), now: stamp(*time) }
            }
            CertificateError::Expired => Self::Late { until: None, now: None },
            CertificateError::ExpiredContext { time, not_after } => {
                Self::Late { until: stamp(*not_after), now: stamp(*time) }
            }
            CertificateError::NotValidForName => Self::Name(Vec::new()),
            CertificateError::NotValidForNameContext { presented, .. } => {
                Self::Name(presented.iter().map(|it| plain_name(it)).collect())
            }
            CertificateError::Other(other) => match other.0.downcast_ref::<webpki::Error>() {
                Some(webpki::Error::CaUsedAsEndEntity) => Self::Authority,
                Some(webpki::Error::UnsupportedCertVersion) => Self::Old,
                _ => Self::Other(other.0.to_string()),
            },
            other => Self::Other(other.to_string()),
        }
    }

    /// What helps.
    pub fn mend(&self) -> &'static str {
        match self {
            Self::Stranger => {
                "check the address; if it is right, name the root of the server's authority: --root \
                 for semper-sign, in a home the trust file's `authorities`, or `places` in its [tls] \
                 for registries"
            }
            Self::Authority => {
                "have the server's operator make it one of its own, by an authority, or by openssl \
                 req -x509 with -addext basicConstraints=critical,CA:FALSE"
            }
            Self::Old => {
                "have the server's operator make it with a subjectAltName: openssl x509 -req with \
                 -extfile"
            }
            Self::Name(_) => {
                "use a name that the certificate has, or have the server's operator add this one as \
                 a subjectAltName"
            }
            Self::Early { .. } | Self::Late { .. } => {
                "compare this machine's clock; if it is right, the server's operator must renew the \
                 certificate"
            }
            Self::Revoked => {
                "leave this server alone until its operator has another certificate: who shows \
                 this one may be a thief"
            }
            Self::Version => "have the server's operator switch TLS 1.3 on",
            Self::Other(_) => "check the address, and ask the server's operator",
        }
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = |it: &Option<Timestamp>| {
            it.map_or_else(|| "an unknown time".to_owned(), |it| it.to_string())
        };
        match self {
            Self::Revoked => f.write_str("its authority has revoked it"),
            Self::Stranger => f.write_str("nobody who is believed vouches for it"),
            Self::Authority => f.write_str(
                "it is an authority's own certificate (CA:TRUE), as openssl req -x509 makes it, and \
                 no server's",
            ),
            Self::Old => f.write_str(
                "it is of X.509 version 1, as openssl x509 -req makes it, and names no server",
            ),
            Self::Name(names) if names.is_empty() => {
                f.write_str("it names no server at all (it has no subjectAltName)")
            }
            Self::Name(names) => write!(f, "it is that of {}", names.join(", ")),
            Self::Early { from, now } => {
                write!(f, "it is valid from {}, and here it is {}", time(from), time(now))
            }
            Self::Late { until, now } => {
                write!(f, "it was valid until {}, and here it is {}", time(until), time(now))
            }
            Self::Version => f.write_str("it does not speak TLS 1.3, and nothing less is spoken here"),
            Self::Other(words) => f.write_str(words),
        }
    }
}

/// A name as people write it: the library writes `DnsName("localhost")` and `IpAddress(127.0.0.1)`.
fn plain_name(shown: &str) -> String {
    let inside = shown.split_once('(').and_then(|(_, it)| it.strip_suffix(')'));
    inside.unwrap_or(shown).trim_matches('"').to_owned()
}

/// The library's words, without the pages of its own that it points to.
fn plain(error: &Error) -> String {
    let text = error.to_string();
    text.split(" (see http").next().unwrap_or_default().to_owned()
}

fn stamp(time: UnixTime) -> Option<Timestamp> {
    Timestamp::from_secs(time.as_secs()).ok()
}

#[cfg(test)]
mod tests {
    use super::plain_name;

    #[test]
    fn names_are_shown_as_people_write_them() {
        assert_eq!(plain_name("DnsName(\"localhost\")"), "localhost");
        assert_eq!(plain_name("IpAddress(127.0.0.1)"), "127.0.0.1");
        assert_eq!(plain_name("shop.example"), "shop.example");
    }
}
