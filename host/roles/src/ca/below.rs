//! An authority below a root. The root's key is off line: its home is an authority's home that no
//! server is started in, and what it signs (the authority below, its own list of withdrawn
//! authorities) is carried over by hand.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, params};
use semper_archive::Home;
use semper_base::cert::{Bounds, CertError, Crl, Request, Roots};
use semper_base::{Certificate, SigningKey, Timestamp};

use super::{BELOW, Ca, CaError, KEY, LIST_OF_ROOT, REQUEST, ROOT, SERVERS, names};

impl Ca {
    /// Begins the home of an authority below a root: a key, and a request for the root to certify.
    ///
    /// # Errors
    /// The home is there already, or the name cannot stand in a certificate.
    pub fn begin_below(
        path: &Path,
        name: &str,
        servers: &[String],
        root: &Certificate,
    ) -> Result<(), CaError> {
        let key = SigningKey::generate();
        let request = Request::of_authority(name, &key)?;
        let home = Home::create(path)?;
        home.write(KEY, key.to_pem().as_bytes())?;
        home.write(REQUEST, request.pem().as_bytes())?;
        home.write(SERVERS, servers.join("\n").as_bytes())?;
        home.write(ROOT, root.to_pem().as_bytes())?;
        Ok(())
    }

    /// Certifies an authority below this one; its certificate, and those between it and the root.
    ///
    /// # Errors
    /// The request is none, or no authority's, or the store cannot be written.
    pub fn certify(
        &self,
        request: &str,
        bounds: Bounds,
        life: Duration,
    ) -> Result<Vec<Certificate>, CaError> {
        let request = Request::from_pem(request)?;
        let now = Timestamp::now();
        let until = now.after(life);
        let (name, key) = (&request.name, &request.key);
        let store = self.lock();
        // Requests of before they said so: of an authority that has been certified once.
        if !request.authority && !is_below(&store, &request)? {
            return Err(CaError::NoAuthority(request.name));
        }
        if names::is_party(&store, key)? {
            return Err(CaError::KeyTaken);
        }
        let certificate = self.authority.subordinate(name, key, bounds, now, until)?;
        store.execute(
            "INSERT INTO below VALUES (?1, ?2, ?3, ?4)",
            params![certificate.serial(), name, now.millis().cast_signed(), certificate.der()],
        )?;
        Ok(self.registered(certificate).chain)
    }

    /// Takes up what a root has certified, and makes a TLS certificate for this authority's own
    /// server; or the root's list, which is shown beside our own from then on; or both. Again with
    /// another certificate of the same key: the old one is replaced. Both are looked at before
    /// either is taken up. What is wrong with the list that is shown now is said.
    ///
    /// # Errors
    /// The chain does not lead to the root, or is another key's; the list is not the root's, or is
    /// older than the one that is shown.
    pub fn install(
        path: &Path,
        chain: Option<&[Certificate]>,
        list: Option<&Crl>,
    ) -> Result<Option<CaError>, CaError> {
        let home = Self::home(path)?;
        if let Some(chain) = chain {
            Self::fits(&home, chain)?;
        }
        if let Some(list) = list {
            Self::may_show(&home, list)?;
            home.write(LIST_OF_ROOT, list.to_pem().as_bytes())?;
        }
        if let Some(chain) = chain {
            home.write(BELOW, Certificate::chain_to_pem(chain).as_bytes())?;
            let servers = home.read(SERVERS)?;
            let servers: Vec<String> = servers.lines().map(str::to_owned).collect();
            Self::open(path)?.certify_server(&home, &servers)?;
        }
        Ok(Self::open(path)?.lack_of_list(Timestamp::now()).map(CaError::NoList))
    }

    /// Whether a chain is this authority's own, and leads to its root.
    fn fits(home: &Home, chain: &[Certificate]) -> Result<(), CaError> {
        let root = Self::root_of(home)?;
        let wrong = |why: &str| {
            let subject = chain.first().map(Certificate::subject).unwrap_or_default();
            CaError::Certificate(CertError::Path { subject, why: why.to_owned() })
        };
        if !Roots::new(vec![root]).certify(chain) {
            return Err(wrong("it is not certified by the authority in root.pem"));
        }
        if chain[0].key()? != Self::key(home)?.public() {
            return Err(wrong("it is for another key than this home's"));
        }
        Ok(())
    }

    /// A list of what this authority has withdrawn, for so long: of a root, whose key is seldom at
    /// hand.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn list_for(&self, life: Duration) -> Result<Crl, CaError> {
        let now = Timestamp::now();
        self.sign_list(now, now.after(life))
    }

    /// Whether a list is the root's, and not older than the one that is shown.
    fn may_show(home: &Home, list: &Crl) -> Result<(), CaError> {
        let root = Self::root_of(home)?;
        if !list.is_believed(&Roots::new(vec![root.clone()]), &[]) {
            let what = format!("the list is not by “{}”", root.subject());
            return Err(CertError::Form(what).into());
        }
        let before = home.read(LIST_OF_ROOT).ok().and_then(|pem| Crl::from_pem(&pem).ok());
        if let Some(before) = before.filter(|it| it.number() > list.number()) {
            let (got, seen) = (list.number(), before.number());
            let what = format!("the list has number {got}, and number {seen} is shown");
            return Err(CertError::Form(what).into());
        }
        Ok(())
    }
}

/// Whether this very key has been certified as an authority under this name.
fn is_below(store: &Connection, request: &Request) -> Result<bool, CaError> {
    let mut statement = store.prepare("SELECT certificate FROM below WHERE name = ?1")?;
    let rows = statement.query_map([&request.name], |row| row.get::<_, Vec<u8>>(0))?;
    for der in rows {
        if Certificate::from_der(&der?)?.key()? == request.key {
            return Ok(true);
        }
    }
    Ok(false)
}
