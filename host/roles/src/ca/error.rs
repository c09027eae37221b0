//! Why an authority does not certify, does not revoke, or does not start.

use semper_archive::HomeError;
use semper_base::cert::CertError;
use semper_base::{Mend, Role, keys};

use super::KEY;

/// Why there is no certificate.
#[derive(Debug, thiserror::Error, Mend)]
pub enum CaError {
    /// The authority's home.
    #[error(transparent)]
    #[mend(from)]
    Home(#[from] HomeError),
    /// A name, a key or a request.
    #[error(transparent)]
    #[mend(input, "make it again with semper, or with openssl req")]
    Certificate(#[from] CertError),
    /// The private key file.
    #[error("{KEY} is not usable: {0}")]
    #[mend("{RESTORE}")]
    Key(#[from] keys::KeyError),
    /// Nobody was invited with this key.
    #[error("this registration key is not known")]
    #[mend("check it against the letter from the organiser")]
    UnknownKey,
    /// It has been used.
    #[error("this registration key has been used for another key pair already")]
    #[mend(
        "ask the organiser for a new registration key; if register --new-key was interrupted, run it without --new-key"
    )]
    Used,
    /// The key pair has been certified for somebody else, or was given up.
    #[error("this key pair has been certified under another name, or has been revoked")]
    #[mend("make another key pair: semper-sign key, or semper register --new-key")]
    KeyTaken,
    /// Invited under another name.
    #[error("the request is for “{got}”, but the registration key was given out for “{want}”")]
    #[mend("register as “{want}”")]
    OtherName {
        /// In the request.
        got: String,
        /// In the invitation.
        want: String,
    },
    /// Somebody has this name.
    #[error("{role} “{name}” has a certificate already")]
    #[mend("{ANOTHER}")]
    Taken {
        /// The name.
        name: String,
        /// The role in which it is taken.
        role: Role,
    },
    /// Somebody has a name that the eye takes for this one.
    #[error("“{name}” looks like “{other}”, who has a certificate as {role}")]
    #[mend("{ANOTHER}")]
    Alike {
        /// The name.
        name: String,
        /// The name that is taken.
        other: String,
        /// The role in which it is taken.
        role: Role,
    },
    /// The old certificate does not count, or the request is none.
    #[error("the certificate is not renewed: {0}")]
    #[mend("ask the organiser for a registration key: semper register --help")]
    NotRenewed(String),
    /// Somebody has renewed it before.
    #[error("this certificate has been renewed for another key before")]
    #[mend("if that was not you, tell the organiser at once: your key is in other hands")]
    Renewed,
    /// Too many renewals.
    #[error("certificates of “{name}” have been renewed too often of late")]
    #[mend("use the newest one, or ask the organiser")]
    Often {
        /// The name.
        name: String,
    },
    /// The root has not certified it yet.
    #[error("this authority has no certificate yet")]
    #[mend("semper ca certify --home ROOT --request ca.csr --out ca.pem, then semper ca install")]
    NotCertified,
    /// A party's request is no authority's.
    #[error("“{0}” asks for a party's certificate, not for leave to certify others")]
    #[mend(
        input,
        "give the ca.csr that semper ca init --below has made (with openssl: req -addext \
         basicConstraints=critical,CA:TRUE); a party registers with a key of semper ca invite"
    )]
    NoAuthority(String),
    /// An authority's request is no party's.
    #[error("“{0}” asks for leave to certify others, not for a party's certificate")]
    #[mend(input, "make a party's request: semper-sign csr; of an authority: semper ca certify")]
    NoParty(String),
    /// No certificate of this authority has this number.
    #[error(
        "no certificate with the serial number {0} was issued by this authority; nothing is revoked"
    )]
    #[mend(
        input,
        "semper ca list shows those that were; if a backup of the home lacks one, give it with \
         --certificate"
    )]
    NotIssued(String),
    /// It is of another authority.
    #[error(
        "the certificate of “{subject}” is not by this authority, but by “{issuer}”; nothing is revoked"
    )]
    #[mend(input, "revoke it at the authority that has issued it")]
    Foreign {
        /// Whose it is.
        subject: String,
        /// Who has issued it, by its own words.
        issuer: String,
    },
    /// A serial number that is none.
    #[error("“{0}” is no serial number: at most 20 bytes in hex")]
    #[mend(
        input,
        "semper ca list shows the serial numbers, openssl x509 -noout -serial that of a file"
    )]
    Serial(String),
    /// Below a root, without the root's list.
    #[error("the root's list of withdrawn authorities {0}: everything below the root is refused")]
    #[mend(
        "semper ca crl --home ROOT --out root.crl, where the root is; then semper ca install --list root.crl"
    )]
    NoList(String),
    /// Nobody can tell what the name is by looking at it.
    #[error("this is no name that can be certified: {0}")]
    #[mend(input, "write the name with letters of one script that can be seen")]
    Name(String),
    /// The authority's store.
    #[error("the authority's store cannot be used: {0}")]
    #[mend("{RESTORE}")]
    Sqlite(#[from] rusqlite::Error),
}

const RESTORE: &str = "restore the authority's home from a backup";
const ANOTHER: &str = "choose another name; a further key of the same party is invited by the \
                       authority's operator, with semper ca invite --again";
