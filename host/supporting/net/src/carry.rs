//! How requests travel. Shipped programs use TLS 1.3; a simulation carries them itself.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Debug;
use std::pin::Pin;
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, Method as HttpMethod, Request, Uri, header};
use http_body_util::{BodyExt as _, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use crate::believed::Believed;
use crate::client::{Ask, Method, NetError, Reply, Response};
use crate::proxy::{ProxyError, Route};
use crate::sent::{Sent, Watch};
use crate::shown::Shown;
use crate::{clock, provider, runtime};

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(10);
/// How long a stream may pause.
const PAUSE: Duration = Duration::from_secs(20);
/// How long a stream may take at first, and the bytes a second that it must bring after that:
/// whoever sends a byte a minute holds nobody up, and a slow link is not cut off.
const BEGINNING: Duration = Duration::from_secs(120);
const SLOWEST: u64 = 1024;
/// Bytes that the system may hold of what is being sent: more would hide that nothing moves.
const BUFFER: usize = 512 * 1024;

/// What a request may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes of the answer's body.
    pub most: usize,
    /// Time for the whole request. For a stream, until its head is there, not counting the time in
    /// which the request's own body moves.
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

type Connector = HttpsConnector<Route>;

/// HTTPS with TLS 1.3, and connections that are kept.
#[derive(Debug)]
pub(crate) struct Tls {
    client: hyper_util::client::legacy::Client<Connector, Sent>,
}

impl Tls {
    /// Believes servers for which these vouch, and no others.
    pub(crate) fn new(believed: &Believed) -> Self {
        let config = rustls::ClientConfig::builder_with_details(provider(), clock())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("ring has TLS 1.3")
            .dangerous()
            .with_custom_certificate_verifier(believed.verifier())
            .with_no_client_auth();
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_connect_timeout(Some(CONNECT));
        http.set_nodelay(true);
        http.set_send_buffer_size(Some(BUFFER));
        // To a proxy that is spoken to by TLS: HTTP/1 alone, in which tunnels are asked for.
        let proxies = HttpsConnectorBuilder::new()
            .with_tls_config(config.clone())
            .https_only()
            .enable_http1()
            .wrap_connector(http.clone());
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(config)
            .https_only()
            .enable_all_versions()
            .wrap_connector(Route::new(http, proxies));
        let client =
            hyper_util::client::legacy::Client::builder(TokioExecutor::new()).build(connector);
        Self { client }
    }
}

/// An answer's head, as long as something of the request moves.
async fn head<T>(
    url: &str,
    answer: impl Future<Output = Result<T, hyper_util::client::legacy::Error>>,
    watch: &Watch,
    whole: Duration,
) -> Result<T, NetError> {
    let mut answer = std::pin::pin!(answer);
    loop {
        tokio::select! {
            response = &mut answer => return response.map_err(|error| failed(url, &error)),
            () = tokio::time::sleep_until(watch.until(whole).into()) => {
                if watch.until(whole) <= Instant::now() {
                    return Err(NetError::Timeout(url.to_owned()));
                }
            }
        }
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
        let ((request, _), most) = (request(ask)?, bounds.most);
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
        let (request, watch) = request(ask.clone())?;
        runtime().block_on(async {
            let late = |_| NetError::Timeout(url.clone());
            let answer = self.client.request(request);
            let response = head(url, answer, &watch, bounds.whole).await?;
            let (begun, mut came) = (Instant::now(), 0_u64);
            let status = response.status().as_u16();
            let headers = texts(response.headers());
            let mut body = Limited::new(response.into_body(), most);
            while let Some(frame) = tokio::time::timeout(PAUSE, body.frame()).await.map_err(late)? {
                let frame = frame.map_err(|error| broken(url, most, error.as_ref()))?;
                if let Some(chunk) = frame.data_ref() {
                    came += chunk.len() as u64;
                    sink(status, chunk);
                }
                if begun.elapsed() > BEGINNING + Duration::from_secs(came / SLOWEST) {
                    return Err(NetError::Timeout(url.clone()));
                }
            }
            Ok(Reply { status, headers })
        })
    }
}

/// Headers that are text; one that comes several times is one list (RFC 9110 §5.3).
fn texts(headers: &HeaderMap) -> BTreeMap<String, String> {
    let mut all: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in headers {
        let Ok(value) = value.to_str() else { continue };
        all.entry(name.to_string())
            .and_modify(|there| *there = format!("{there}, {value}"))
            .or_insert_with(|| value.to_owned());
    }
    all
}

/// The request, if its address can be used; and what is to be watched while it is sent.
fn request(ask: Ask) -> Result<(Request<Sent>, Watch), NetError> {
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
        Method::Patch => HttpMethod::PATCH,
    };
    let mut request = Request::builder().method(method).uri(uri);
    for (name, value) in &ask.headers {
        request = request.header(name, value);
    }
    if ask.body.is_empty() && !matches!(ask.method, Method::Get | Method::Head) {
        // Some servers want to be told that nothing follows.
        request = request.header(header::CONTENT_LENGTH, 0);
    }
    let (body, watch) = Sent::new(ask.body);
    let request =
        request.body(body).map_err(|_| NetError::Address(ask.url.chars().take(100).collect()))?;
    Ok((request, watch))
}

/// A body that has not come to its end.
fn broken(url: &str, most: usize, error: &(dyn Error + Send + Sync + 'static)) -> NetError {
    let url = url.to_owned();
    if error.is::<http_body_util::LengthLimitError>() {
        NetError::TooLarge { url, most }
    } else {
        NetError::Unreachable { url, detail: plain(error) }
    }
}

fn failed(url: &str, error: &(dyn Error + 'static)) -> NetError {
    let url = url.to_owned();
    if let Some(proxy) = behind::<ProxyError>(error) {
        return NetError::Unreachable { url, detail: proxy.to_string() };
    }
    if let Some(tls) = behind::<rustls::Error>(error) {
        return NetError::Tls { url, shown: Shown::of(tls) };
    }
    NetError::Unreachable { url, detail: plain(error) }
}

/// What a connection said, in words for whoever reads it: libraries write for their own users, with
/// numbers of the system and addresses of manuals.
fn plain(error: &(dyn Error + 'static)) -> String {
    use std::io::ErrorKind as Kind;
    let kind = behind::<std::io::Error>(error).map(std::io::Error::kind);
    let words = match kind {
        Some(Kind::ConnectionRefused) => "nobody listens there",
        Some(
            Kind::UnexpectedEof
            | Kind::ConnectionReset
            | Kind::ConnectionAborted
            | Kind::BrokenPipe
            | Kind::NotConnected,
        ) => "the connection was closed from the other end",
        Some(Kind::TimedOut) => "there is no answer in time",
        Some(Kind::HostUnreachable | Kind::NetworkUnreachable | Kind::NetworkDown) => {
            "no network leads there"
        }
        _ => {
            let mut last = error;
            while let Some(inner) = last.source() {
                last = inner;
            }
            let text = last.to_string();
            return text.split(": http").next().unwrap_or_default().to_owned();
        }
    };
    words.to_owned()
}

/// The error of a type that lies anywhere behind an error; io errors hide what they wrap from
/// `source`.
fn behind<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    if let Some(found) = error.downcast_ref::<E>() {
        return Some(found);
    }
    let hidden = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    let inside = hidden.and_then(|inner| behind::<E>(inner));
    inside.or_else(|| error.source().and_then(behind::<E>))
}
