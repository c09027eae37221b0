//! Requests: blocking, bounded, over TLS 1.3 with the roots that the caller believes.

use std::collections::BTreeMap;
use std::error::Error;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::http::{Method as HttpMethod, Request, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use semper_base::Mend;
use semper_base::cert::Roots;

use crate::{clock, provider, runtime};

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(10);
/// How long a whole request may take, unless a client says otherwise; long polls are shorter.
const WHOLE: Duration = Duration::from_secs(90);
/// How long a stream may pause, and how long it may take in all: whoever sends a byte a minute
/// holds nobody up.
const PAUSE: Duration = Duration::from_secs(20);
const STREAM: Duration = Duration::from_secs(900);

type Connector = HttpsConnector<HttpConnector>;

/// A client; cloning shares its connections.
#[derive(Clone, Debug)]
pub struct Client {
    inner: hyper_util::client::legacy::Client<Connector, Full<Bytes>>,
    /// How long a whole request may take.
    whole: Duration,
}

/// What is done at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Look.
    Get,
    /// Look whether it is there.
    Head,
    /// Hand in.
    Post,
    /// Put there.
    Put,
}

/// A request with headers of its own.
#[derive(Clone, Debug)]
pub struct Ask {
    /// What is done.
    pub method: Method,
    /// Where.
    pub url: String,
    /// Headers, by lower-case names.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// The head of an answer whose body has been streamed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// Headers that are text, by lower-case names.
    pub headers: BTreeMap<String, String>,
}

/// What came back, whatever its status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

/// Why there is no response.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NetError {
    /// Not an address that can be used.
    #[error("“{0}” is not an https address")]
    Address(String),
    /// Nobody answers there.
    #[error("{url} cannot be reached: {detail}")]
    Unreachable {
        /// Where.
        url: String,
        /// What the connection said.
        detail: String,
    },
    /// Somebody answers whom the roots do not vouch for.
    #[error("{url} cannot show a certificate that is believed here: {detail}")]
    Tls {
        /// Where.
        url: String,
        /// What TLS said.
        detail: String,
    },
    /// More than was asked for.
    #[error("{url} sends more than {most} bytes")]
    TooLarge {
        /// Where.
        url: String,
        /// What is allowed.
        most: usize,
    },
    /// Not in time.
    #[error("{0} does not answer in time")]
    Timeout(String),
}

impl Mend for NetError {
    fn mend(&self) -> String {
        match self {
            Self::Address(_) => "give an address such as https://shop.example:8443".into(),
            Self::Unreachable { .. } | Self::Timeout(_) => {
                "check the address and that the server is running; what was begun goes on by itself"
                    .into()
            }
            Self::Tls { .. } => {
                "check the address; if it is right, add its authority's root to the trust file"
                    .into()
            }
            Self::TooLarge { .. } => "do not use it; the server is at fault".into(),
        }
    }
}

impl NetError {
    /// Whether trying again later may help.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Timeout(_))
    }
}

impl Client {
    /// A client that believes servers certified by these roots, and no others.
    pub fn new(roots: &Roots) -> Self {
        let mut store = RootCertStore::empty();
        for root in roots.certificates() {
            // A root that rustls cannot read vouches for nobody.
            if let Err(error) = store.add(CertificateDer::from(root.der().to_vec())) {
                tracing::warn!(root = root.subject(), %error, "root not usable for TLS");
            }
        }
        let config = rustls::ClientConfig::builder_with_details(provider(), clock())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("ring has TLS 1.3")
            .with_root_certificates(store)
            .with_no_client_auth();
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_connect_timeout(Some(CONNECT));
        http.set_nodelay(true);
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config(config)
            .https_only()
            .enable_all_versions()
            .wrap_connector(http);
        let inner =
            hyper_util::client::legacy::Client::builder(TokioExecutor::new()).build(connector);
        Self { whole: WHOLE, inner }
    }

    /// The same client, whose requests take no longer than this: for those who ask somebody that
    /// may not keep them waiting.
    #[must_use]
    pub fn within(&self, whole: Duration) -> Self {
        Self { whole, inner: self.inner.clone() }
    }

    /// GET, with at most `most` bytes in answer.
    pub fn get(&self, url: &str, most: usize) -> Result<Response, NetError> {
        self.send(HttpMethod::GET, url, "", Vec::new(), most)
    }

    /// GET as before, given up with `None` as soon as `stop` is done: for long polls.
    pub fn get_until(
        &self,
        url: &str,
        most: usize,
        stop: impl Future<Output = ()>,
    ) -> Result<Option<Response>, NetError> {
        let work = self.work(HttpMethod::GET, url, "", Vec::new(), most)?;
        runtime().block_on(async {
            tokio::select! {
                done = work => done.map(Some),
                () = stop => Ok(None),
            }
        })
    }

    /// POST of a body of some type, with at most `most` bytes in answer.
    pub fn post(
        &self,
        url: &str,
        media_type: &str,
        body: Vec<u8>,
        most: usize,
    ) -> Result<Response, NetError> {
        self.send(HttpMethod::POST, url, media_type, body, most)
    }

    /// Asks with headers, and hands the answer's body on as it comes: status and bytes, at
    /// most `most` of them. Redirects are not followed.
    pub fn ask(
        &self,
        ask: &Ask,
        most: usize,
        sink: &mut dyn FnMut(u16, &[u8]),
    ) -> Result<Reply, NetError> {
        let url = &ask.url;
        let address = || NetError::Address(url.chars().take(100).collect());
        let uri: Uri = url.parse().map_err(|_| address())?;
        if uri.scheme_str() != Some("https") || uri.host().is_none() {
            return Err(address());
        }
        let method = match ask.method {
            Method::Get => HttpMethod::GET,
            Method::Head => HttpMethod::HEAD,
            Method::Post => HttpMethod::POST,
            Method::Put => HttpMethod::PUT,
        };
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in &ask.headers {
            request = request.header(name, value);
        }
        let body = Full::new(Bytes::from(ask.body.clone()));
        let request = request.body(body).map_err(|_| address())?;
        runtime().block_on(async {
            let until = Instant::now() + STREAM;
            let late = |_| NetError::Timeout(url.clone());
            let response = tokio::time::timeout(self.whole, self.inner.request(request)).await;
            let response = response.map_err(late)?.map_err(|error| failed(url, &error))?;
            let status = response.status().as_u16();
            let text = |value: &header::HeaderValue| value.to_str().ok().map(str::to_owned);
            let all = response.headers().iter();
            let headers =
                all.filter_map(|(name, value)| Some((name.to_string(), text(value)?))).collect();
            let mut body = Limited::new(response.into_body(), most);
            while let Some(frame) = tokio::time::timeout(PAUSE, body.frame()).await.map_err(late)? {
                let frame = frame.map_err(|error| broken(url, most, error.as_ref()))?;
                if let Some(chunk) = frame.data_ref() {
                    sink(status, chunk);
                }
                if Instant::now() > until {
                    return Err(NetError::Timeout(url.clone()));
                }
            }
            Ok(Reply { status, headers })
        })
    }

    fn send(
        &self,
        method: HttpMethod,
        url: &str,
        media_type: &str,
        body: Vec<u8>,
        most: usize,
    ) -> Result<Response, NetError> {
        runtime().block_on(self.work(method, url, media_type, body, most)?)
    }

    /// The request, not yet begun; it ends within the time that this client allows.
    fn work(
        &self,
        method: HttpMethod,
        url: &str,
        media_type: &str,
        body: Vec<u8>,
        most: usize,
    ) -> Result<impl Future<Output = Result<Response, NetError>>, NetError> {
        let address = || NetError::Address(url.chars().take(100).collect());
        let uri: Uri = url.parse().map_err(|_| address())?;
        if uri.scheme_str() != Some("https") || uri.host().is_none() {
            return Err(address());
        }
        let mut request = Request::builder().method(method).uri(uri);
        if !media_type.is_empty() {
            request = request.header(header::CONTENT_TYPE, media_type);
        }
        let request = request.body(Full::new(Bytes::from(body))).map_err(|_| address())?;
        let (client, whole, url) = (self.inner.clone(), self.whole, url.to_owned());
        let exchange = {
            let url = url.clone();
            async move {
                let response =
                    client.request(request).await.map_err(|error| failed(&url, &error))?;
                let status = response.status().as_u16();
                let body = Limited::new(response.into_body(), most).collect().await;
                let body = body.map_err(|error| broken(&url, most, error.as_ref()))?;
                Ok(Response { status, body: body.to_bytes().to_vec() })
            }
        };
        Ok(async move {
            let done = tokio::time::timeout(whole, exchange).await;
            done.unwrap_or(Err(NetError::Timeout(url)))
        })
    }
}

/// A body that has not come to its end.
fn broken(url: &str, most: usize, error: &(dyn Error + Send + Sync + 'static)) -> NetError {
    let url = url.to_owned();
    if error.is::<http_body_util::LengthLimitError>() {
        NetError::TooLarge { url, most }
    } else {
        NetError::Unreachable { url, detail: error.to_string() }
    }
}

fn failed(url: &str, error: &(dyn Error + 'static)) -> NetError {
    let mut last = error;
    while let Some(inner) = last.source() {
        last = inner;
    }
    let (url, detail) = (url.to_owned(), last.to_string());
    if is_tls(error) {
        NetError::Tls { url, detail }
    } else {
        NetError::Unreachable { url, detail }
    }
}

/// Whether rustls is anywhere behind an error; io errors hide what they wrap from `source`.
fn is_tls(error: &(dyn Error + 'static)) -> bool {
    let hidden = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    error.is::<rustls::Error>()
        || hidden.is_some_and(|inner| is_tls(inner))
        || error.source().is_some_and(is_tls)
}
