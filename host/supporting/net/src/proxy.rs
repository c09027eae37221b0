//! The way to a server: straight, or through the proxy that the environment names.
//!
//! `HTTPS_PROXY` (or `ALL_PROXY`) and `NO_PROXY` are read as `curl` reads them. A server on this
//! machine itself is never asked for by a proxy. What is said to the server stays between both
//! ends: the proxy opens a tunnel, and TLS goes through it.

use std::error::Error;
use std::fmt;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::http::Uri;
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower_service::Service;

type Stream = MaybeHttpsStream<TokioIo<TcpStream>>;
type Fault = Box<dyn Error + Send + Sync>;

/// Connects to servers.
#[derive(Clone)]
pub(crate) struct Route {
    straight: HttpConnector,
    /// For proxies that are spoken to by TLS themselves.
    tls: HttpsConnector<HttpConnector>,
    proxies: Arc<Matcher>,
}

/// A proxy that did not bring us to where we wanted.
#[derive(Debug, thiserror::Error)]
#[error("by the proxy {proxy} of the environment (HTTPS_PROXY): {why}")]
pub(crate) struct ProxyError {
    proxy: String,
    why: String,
}

impl Route {
    /// The way that the environment names.
    pub(crate) fn new(straight: HttpConnector, tls: HttpsConnector<HttpConnector>) -> Self {
        Self { straight, tls, proxies: Arc::new(Matcher::from_env()) }
    }

    fn proxy(&self, to: &Uri) -> Option<Intercept> {
        if to.host().is_some_and(is_here) { None } else { self.proxies.intercept(to) }
    }
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Route({:?})", self.proxies)
    }
}

impl Service<Uri> for Route {
    type Response = Stream;
    type Error = Fault;
    type Future = Pin<Box<dyn Future<Output = Result<Stream, Fault>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        self.straight.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let Some(proxy) = self.proxy(&to) else {
            let connecting = self.straight.call(to);
            return Box::pin(async move { Ok(Stream::Http(connecting.await?)) });
        };
        let (address, login) = (proxy.uri().clone(), proxy.basic_auth().cloned());
        let name = address.authority().map_or_else(String::new, ToString::to_string);
        let failed = move |error: &(dyn Error + 'static)| -> Fault {
            Box::new(ProxyError { proxy: name.clone(), why: words(error) })
        };
        match address.scheme_str() {
            Some("http") => {
                let mut tunnel = Tunnel::new(address, self.straight.clone());
                if let Some(login) = login {
                    tunnel = tunnel.with_auth(login);
                }
                let through = tunnel.call(to);
                Box::pin(
                    async move { through.await.map(Stream::Http).map_err(|error| failed(&error)) },
                )
            }
            Some("https") => {
                let mut tunnel = Tunnel::new(address, self.tls.clone());
                if let Some(login) = login {
                    tunnel = tunnel.with_auth(login);
                }
                let through = tunnel.call(to);
                Box::pin(async move { through.await.map_err(|error| failed(&error)) })
            }
            _ => {
                let why = std::io::Error::other("only http:// and https:// proxies are known");
                Box::pin(async move { Err(failed(&why)) })
            }
        }
    }
}

/// Whether that is this machine itself.
fn is_here(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|it| it.is_loopback())
}

/// What an error says, and what lies behind it.
fn words(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(inner) = next {
        let more = inner.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        next = inner.source();
    }
    text
}
