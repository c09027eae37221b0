//! A TLS server whose every answer the test decides.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, Method};
use axum::response::Response;
use semper_base::cert::{Authority, Roots};
use semper_base::{Role, SigningKey, Timestamp};
use semper_keeper::Keeper;
use semper_net::TlsIdentity;

/// What was asked.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: Method,
    pub path: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// A running server; it ends with the test's process.
pub struct Server {
    pub host: String,
    pub roots: Roots,
}

/// Answers by a function.
pub fn serve(answer: impl Fn(&str, Asked) -> Response + Send + Sync + 'static) -> Server {
    let now = Timestamp::now();
    let authority = Authority::new("Server CA", SigningKey::generate(), now).unwrap();
    let key = SigningKey::generate();
    let until = now.after(super::DAY);
    let names = ["localhost".to_owned()];
    let leaf = authority.issue("server", &key.public(), Role::Server, &names, now, until).unwrap();
    let identity = TlsIdentity { chain: vec![leaf], key_pem: key.to_pem().to_string() };
    let (tell, told) = std::sync::mpsc::channel::<u16>();
    let answer = Arc::new(answer);
    let host = Arc::new(std::sync::OnceLock::<String>::new());
    let shared = Arc::clone(&host);
    let router = Router::new().fallback(move |request: Request| {
        let (answer, host) = (Arc::clone(&answer), Arc::clone(&shared));
        async move {
            let (parts, body) = request.into_parts();
            let body = axum::body::to_bytes(body, 64 << 20).await.unwrap_or_default();
            let path = parts.uri.path_and_query().map_or("/", |it| it.as_str()).to_owned();
            let asked = Asked { method: parts.method, path, headers: parts.headers, body };
            let host = host.get().cloned().unwrap_or_default();
            tokio::task::spawn_blocking(move || answer(&host, asked)).await.unwrap()
        }
    });
    std::thread::spawn(move || {
        let address = "127.0.0.1:0".parse().unwrap();
        let keeper = Keeper::new("test");
        let ready = |bound: SocketAddr| tell.send(bound.port()).unwrap();
        semper_net::serve(router, address, &identity, &keeper, ready).unwrap();
    });
    let name = format!("localhost:{}", told.recv().unwrap());
    host.set(name.clone()).unwrap();
    Server { host: name, roots: Roots::new(vec![authority.certificate]) }
}

/// An answer of a status, with headers and a body.
pub fn reply(status: u16, headers: &[(&str, &str)], body: impl Into<Body>) -> Response {
    let mut builder = Response::builder().status(status);
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder.body(body.into()).unwrap()
}

/// A body that never ends.
pub fn endless() -> Body {
    let chunk = Bytes::from(vec![0x20; 64 * 1024]);
    Body::from_stream(Repeat(chunk))
}

struct Repeat(Bytes);

impl futures_core::Stream for Repeat {
    type Item = Result<Bytes, std::convert::Infallible>;

    fn poll_next(
        self: std::pin::Pin<&mut Self>,
        _cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        std::task::Poll::Ready(Some(Ok(self.0.clone())))
    }
}
