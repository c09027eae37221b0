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
    /// A folder or a tar file that others have written, with the name of one bundle in it:
    /// `oci:folder:name`, `oci-archive:file:name`, as skopeo names them.
    Named(Box<Self>, String),
    /// Files of such a folder below an address.
    Https(String),
    /// A registry.
    Registry(Reference),
}

/// A bundle in a registry: `registry://host:port/name:tag`, `…/name@sha256:…`, or both, of which the
/// digest counts.
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
    /// The one with this digest, which somebody has found under this tag.
    Pinned(String, Digest),
}

impl Version {
    /// The digest that it must have.
    pub fn digest(&self) -> Option<Digest> {
        match self {
            Self::Tag(_) => None,
            Self::Digest(digest) | Self::Pinned(_, digest) => Some(*digest),
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => f.write_str(tag),
            Self::Digest(digest) => write!(f, "{digest}"),
            Self::Pinned(tag, digest) => write!(f, "{tag}@{digest}"),
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = if matches!(self.version, Version::Digest(_)) { '@' } else { ':' };
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
        if let Some(rest) = text.strip_prefix("oci:") {
            return Ok(named(rest, Self::Folder));
        }
        if let Some(rest) = text.strip_prefix("oci-archive:") {
            return Ok(named(rest, Self::Archive));
        }
        if let Some((scheme, _)) = text.split_once("://") {
            let why = match scheme {
                "http" => "without TLS anybody on the way could change what names the bundle",
                _ => "only https:// and registry:// are known",
            };
            return Err(MoveError::Place { text: text.to_owned(), why: why.into() });
        }
        if !text.starts_with(['/', '.', '~']) && text.contains(':') {
            let why = format!("it has no scheme: registry://{text}, or ./{text} for a folder");
            return Err(MoveError::Place { text: text.to_owned(), why });
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

/// A path and, after the first colon, the name of one of the bundles there.
fn named(text: &str, place: fn(PathBuf) -> Place) -> Place {
    match text.split_once(':') {
        Some((path, name)) => Place::Named(Box::new(place(path.into())), name.to_owned()),
        None => place(text.into()),
    }
}

impl Place {
    /// Host and port, if it is reached over the network.
    pub fn host(&self) -> Option<String> {
        match self {
            Self::Https(base) => Some(crate::address::host_of(base)),
            Self::Registry(reference) => Some(crate::address::host(&reference.host)),
            Self::Folder(_) | Self::Archive(_) | Self::Named(..) => None,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(place, name) => match &**place {
                Self::Archive(path) => write!(f, "oci-archive:{}:{name}", path.display()),
                other => write!(f, "oci:{other}:{name}"),
            },
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
        let (path, digest) = match path.split_once('@') {
            Some((path, digest)) => {
                let digest = digest.parse::<Digest>();
                (path, Some(digest.map_err(|_| wrong("after @ stands no SHA-256 digest"))?))
            }
            None => (path, None),
        };
        let (name, tag) = match path.split_once(':') {
            Some((name, tag)) => (name, Some(tag)),
            None => (path, None),
        };
        let fits = |c: u8| c.is_ascii_alphanumeric() || b"._-".contains(&c);
        if tag.is_some_and(|it| it.is_empty() || it.len() > 128 || !it.bytes().all(fits)) {
            return Err(wrong("its tag is not one"));
        }
        let version = match (tag, digest) {
            (Some(tag), Some(digest)) => Version::Pinned(tag.to_owned(), digest),
            (None, Some(digest)) => Version::Digest(digest),
            (tag, None) => Version::Tag(tag.unwrap_or("latest").to_owned()),
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
