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
use semper_keeper::{Bell, Keeper};
use semper_net::{Credentials, Limits, Refusals, Serving, TlsIdentity};

/// What was asked.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: Method,
    /// Host and port as they stand in the request's address, if they do (HTTP/2).
    pub authority: String,
    pub path: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// A running server; it ends with the test's process.
pub struct Server {
    pub host: String,
    pub roots: Roots,
}

/// A name that no resolver knows; servers here show certificates for it all the same.
pub const ELSEWHERE: &str = "registry.example";

/// Answers by a function.
pub fn serve(answer: impl Fn(&str, Asked) -> Response + Send + Sync + 'static) -> Server {
    let now = Timestamp::now();
    serve_from(now, now.after(super::DAY), answer)
}

/// Answers by a function, with a certificate that is valid at these times.
pub fn serve_from(
    from: Timestamp,
    until: Timestamp,
    answer: impl Fn(&str, Asked) -> Response + Send + Sync + 'static,
) -> Server {
    let before = super::ago(Timestamp::now(), super::DAY);
    let authority = Authority::new("Server CA", SigningKey::generate(), before).unwrap();
    let key = SigningKey::generate();
    let names = ["localhost", "127.0.0.1", ELSEWHERE].map(str::to_owned);
    let leaf = authority.issue("server", &key.public(), Role::Server, &names, from, until).unwrap();
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
            let authority = parts.uri.authority().map_or_else(String::new, ToString::to_string);
            let asked =
                Asked { method: parts.method, authority, path, headers: parts.headers, body };
            let host = host.get().cloned().unwrap_or_default();
            tokio::task::spawn_blocking(move || answer(&host, asked)).await.unwrap()
        }
    });
    std::thread::spawn(move || {
        let address = "127.0.0.1:0".parse().unwrap();
        let keeper = Keeper::new("test");
        let serving = Serving {
            credentials: Credentials::new(&identity).unwrap(),
            // Registries take blobs, where roles take statements.
            limits: Limits { body_bytes: 64 << 20, bodies_bytes: 256 << 20, ..Limits::default() },
            refusals: Refusals::default(),
            hangup: Bell::new(),
        };
        let ready = |bound: &[SocketAddr]| tell.send(bound[0].port()).unwrap();
        semper_net::serve_all(vec![(address, router)], &serving, &keeper, ready).unwrap();
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

/// A body of some bytes that breaks a while later.
pub fn broken(bytes: Vec<u8>) -> Body {
    struct Breaks(Option<Vec<u8>>, std::pin::Pin<Box<tokio::time::Sleep>>);
    impl futures_core::Stream for Breaks {
        type Item = Result<Vec<u8>, std::io::Error>;
        fn poll_next(
            mut self: std::pin::Pin<&mut Self>,
            cx: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Self::Item>> {
            if let Some(bytes) = self.0.take() {
                return std::task::Poll::Ready(Some(Ok(bytes)));
            }
            let late = Future::poll(self.1.as_mut(), cx);
            late.map(|()| Some(Err(std::io::ErrorKind::ConnectionReset.into())))
        }
    }
    // A timer wants to be made where there is a runtime.
    let _runtime = semper_net::runtime().enter();
    let late = tokio::time::sleep(std::time::Duration::from_millis(300));
    Body::from_stream(Breaks(Some(bytes), Box::pin(late)))
}
