//! Where a bundle lies.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use semper_base::Digest;

use crate::MoveError;

/// Where a bundle lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A folder, an OCI image layout.
    Folder(PathBuf),
    /// A tar file of such a folder.
    Archive(PathBuf),
    /// Files of such a folder below an address.
    Https(String),
    /// A registry.
    Registry(Reference),
}

/// A bundle in a registry: `registry://host:port/name:tag` or `…/name@sha256:…`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// Host and port.
    pub host: String,
    /// The repository's name.
    pub name: String,
    /// Which of its bundles.
    pub version: Version,
}

/// Which of a repository's bundles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Version {
    /// The one with this tag.
    Tag(String),
    /// The one with this digest.
    Digest(Digest),
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => f.write_str(tag),
            Self::Digest(digest) => write!(f, "{digest}"),
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = if matches!(self.version, Version::Tag(_)) { ':' } else { '@' };
        write!(f, "registry://{}/{}{mark}{}", self.host, self.name, self.version)
    }
}

impl FromStr for Place {
    type Err = MoveError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(rest) = text.strip_prefix("registry://") {
            return rest.parse().map(Self::Registry);
        }
        if text.starts_with("https://") {
            return Ok(Self::Https(text.trim_end_matches('/').to_owned()));
        }
        if let Some((scheme, _)) = text.split_once("://") {
            let why = match scheme {
                "http" => "without TLS anybody on the way could change what names the bundle",
                _ => "only https:// and registry:// are known",
            };
            return Err(MoveError::Place { text: text.to_owned(), why: why.into() });
        }
        match text {
            "" => Err(MoveError::Place { text: text.into(), why: "it is empty".into() }),
            file if file.ends_with(".tar") => Ok(Self::Archive(file.into())),
            zipped if zipped.ends_with(".tar.gz") || zipped.ends_with(".tgz") => {
                let why = "archives are not compressed here: components hardly shrink, and what \
                           unpacks to more than it weighs is an attack"
                    .into();
                Err(MoveError::Place { text: text.into(), why })
            }
            folder => Ok(Self::Folder(folder.into())),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) | Self::Archive(path) => write!(f, "{}", path.display()),
            Self::Https(base) => f.write_str(base),
            Self::Registry(reference) => write!(f, "{reference}"),
        }
    }
}

impl FromStr for Reference {
    type Err = MoveError;

    fn from_str(rest: &str) -> Result<Self, Self::Err> {
        let wrong = |why: &str| MoveError::Place {
            text: format!("registry://{}", rest.chars().take(200).collect::<String>()),
            why: why.to_owned(),
        };
        let (host, path) = rest.split_once('/').ok_or_else(|| wrong("it has no name"))?;
        let fits = |c: u8| c.is_ascii_alphanumeric() || b".-:[]".contains(&c);
        if host.is_empty() || !host.bytes().all(fits) {
            return Err(wrong("its host is not one"));
        }
        let (name, version) = if let Some((name, digest)) = path.split_once('@') {
            let digest = digest.parse().map_err(|_| wrong("after @ stands no SHA-256 digest"))?;
            (name, Version::Digest(digest))
        } else {
            let (name, tag) = path.split_once(':').unwrap_or((path, "latest"));
            let fits = |c: u8| c.is_ascii_alphanumeric() || b"._-".contains(&c);
            if tag.is_empty() || tag.len() > 128 || !tag.bytes().all(fits) {
                return Err(wrong("its tag is not one"));
            }
            (name, Version::Tag(tag.to_owned()))
        };
        // distribution-spec: lower-case parts, separated by slashes.
        let part = |part: &str| {
            let inner = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || b"._-".contains(&c);
            let edge =
                |c: Option<u8>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
            edge(part.bytes().next()) && edge(part.bytes().last()) && part.bytes().all(inner)
        };
        if name.len() > 255 || !name.split('/').all(part) {
            return Err(wrong("its name must be lower-case letters, digits, . _ - and /"));
        }
        Ok(Self { host: host.to_owned(), name: name.to_owned(), version })
    }
}
