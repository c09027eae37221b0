//! How requests travel. Shipped programs use TLS 1.3; a simulation carries them itself.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Debug;
use std::pin::Pin;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::http::{Method as HttpMethod, Request, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use semper_base::cert::Roots;

use crate::client::{Ask, Method, NetError, Reply, Response};
use crate::{clock, provider, runtime};

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(10);
/// How long a stream may pause, and how long it may take in all: whoever sends a byte a minute
/// holds nobody up.
const PAUSE: Duration = Duration::from_secs(20);
const STREAM: Duration = Duration::from_secs(900);

/// What a request may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes of the answer's body.
    pub most: usize,
    /// Time for the whole request; for a stream, until its head is there.
    pub whole: Duration,
}

/// Done as soon as nobody wants the answer any more.
pub type Until<'a> = Pin<&'a mut dyn Future<Output = ()>>;

/// A way to servers.
pub trait Carry: Debug + Send + Sync {
    /// The answer as a whole; `None` as soon as `until` is done.
    ///
    /// # Errors
    /// Nobody answers, or not within the bounds, or nobody whom this way's roots vouch for.
    fn send(
        &self,
        ask: Ask,
        bounds: Bounds,
        until: Until<'_>,
    ) -> Result<Option<Response>, NetError>;

    /// Hands the answer's body on as it comes. Redirects are not followed.
    ///
    /// # Errors
    /// As for [`Carry::send`].
    fn stream(
        &self,
        ask: &Ask,
        bounds: Bounds,
        sink: &mut dyn FnMut(u16, &[u8]),
    ) -> Result<Reply, NetError>;
}

type Connector = HttpsConnector<HttpConnector>;

/// HTTPS with TLS 1.3, and connections that are kept.
#[derive(Debug)]
pub(crate) struct Tls {
    client: hyper_util::client::legacy::Client<Connector, Full<Bytes>>,
}

impl Tls {
    /// Believes servers certified by these roots, and no others.
    pub(crate) fn new(roots: &Roots) -> Self {
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
        let client =
            hyper_util::client::legacy::Client::builder(TokioExecutor::new()).build(connector);
        Self { client }
    }
}

impl Carry for Tls {
    fn send(
        &self,
        ask: Ask,
        bounds: Bounds,
        until: Until<'_>,
    ) -> Result<Option<Response>, NetError> {
        let url = ask.url.clone();
        let (request, most) = (request(ask)?, bounds.most);
        let exchange = async {
            let response = self.client.request(request).await;
            let response = response.map_err(|error| failed(&url, &error))?;
            let status = response.status().as_u16();
            let body = Limited::new(response.into_body(), most).collect().await;
            let body = body.map_err(|error| broken(&url, most, error.as_ref()))?;
            Ok(Response { status, body: body.to_bytes().to_vec() })
        };
        runtime().block_on(async {
            let work = tokio::time::timeout(bounds.whole, exchange);
            tokio::select! {
                done = work => done.unwrap_or(Err(NetError::Timeout(url.clone()))).map(Some),
                () = until => Ok(None),
            }
        })
    }

    fn stream(
        &self,
        ask: &Ask,
        bounds: Bounds,
        sink: &mut dyn FnMut(u16, &[u8]),
    ) -> Result<Reply, NetError> {
        let (url, most) = (&ask.url, bounds.most);
        let request = request(ask.clone())?;
        runtime().block_on(async {
            let until = Instant::now() + STREAM;
            let late = |_| NetError::Timeout(url.clone());
            let response = tokio::time::timeout(bounds.whole, self.client.request(request)).await;
            let response = response.map_err(late)?.map_err(|error| failed(url, &error))?;
            let status = response.status().as_u16();
            let text = |value: &header::HeaderValue| value.to_str().ok().map(str::to_owned);
            let all = response.headers().iter();
            let headers: BTreeMap<String, String> =
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
}

/// The request, if its address can be used.
fn request(ask: Ask) -> Result<Request<Full<Bytes>>, NetError> {
    let address = || NetError::Address(ask.url.chars().take(100).collect());
    let uri: Uri = ask.url.parse().map_err(|_| address())?;
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
    request
        .body(Full::new(Bytes::from(ask.body)))
        .map_err(|_| NetError::Address(ask.url.chars().take(100).collect()))
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
