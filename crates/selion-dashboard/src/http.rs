//! As much of HTTP/1.1 as it takes: requests without bodies, answers that are made at once.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use selion_net::Token;
use serde::Serialize;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::{Source, metrics};

/// The longest request.
const HEAD_MAX: usize = 8 << 10;
/// How long a connection may be open without a request.
const IDLE_MAX: Duration = Duration::from_secs(30);
/// Connections at the same time.
const CONNECTIONS_MAX: usize = 64;
const PAGE: &str = include_str!("status.html");

/// Who may look.
#[derive(Clone, Debug)]
pub struct Access {
    /// Whether only this machine can connect: then no key is needed, if the page is asked for by a name of this machine.
    pub loopback: bool,
    /// What others must know.
    pub key: Token,
}

/// What those must know who look at a cluster's page from elsewhere. It is made of the cluster's token, which it does
/// not give away: it travels without encryption.
pub fn key(token: &Token) -> Token {
    token.derive("dashboard")
}

/// Answers requests, for as long as it is polled; on a `LocalSet`.
pub async fn serve(listener: TcpListener, source: Rc<dyn Source>, access: Access) {
    let permits = std::sync::Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(permit) = std::sync::Arc::clone(&permits).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((mut stream, _)) => {
                let (source, access) = (Rc::clone(&source), access.clone());
                tokio::task::spawn_local(async move {
                    let _permit = permit;
                    let _ = converse(&mut stream, &*source, &access).await; // whoever asked sees it too
                });
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await, // out of descriptors, perhaps
        }
    }
}

/// One connection.
async fn converse(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    source: &dyn Source,
    access: &Access,
) -> io::Result<()> {
    let mut pending = Vec::new();
    loop {
        let read = tokio::time::timeout(IDLE_MAX, read_head(stream, &mut pending));
        let Ok(Some(head)) = read.await.unwrap_or(Ok(None)) else { return Ok(()) };
        let (answer, close) = match Request::parse(&head) {
            Some(request) => (answer(&request, source, access), request.close),
            None => (Answer::text(400, "a request that is none of HTTP\n"), true),
        };
        stream.write_all(&answer.bytes(close)).await?;
        stream.flush().await?;
        if close {
            return stream.shutdown().await;
        }
    }
}

/// The next request's head; none at the end, or if it is too long.
async fn read_head(stream: &mut (impl AsyncRead + Unpin), pending: &mut Vec<u8>) -> io::Result<Option<Vec<u8>>> {
    loop {
        if let Some(end) = pending.windows(4).position(|window| window == b"\r\n\r\n") {
            let rest = pending.split_off(end + 4);
            return Ok(Some(std::mem::replace(pending, rest)));
        }
        if pending.len() > HEAD_MAX || stream.read_buf(pending).await? == 0 {
            return Ok(None);
        }
    }
}

#[derive(Debug, PartialEq)]
struct Request<'a> {
    method: &'a str,
    path: &'a str,
    query: &'a str,
    host: &'a str,
    bearer: &'a str,
    cookies: &'a str,
    /// Whether there will be no other request.
    close: bool,
}

impl<'a> Request<'a> {
    fn parse(head: &'a [u8]) -> Option<Request<'a>> {
        let mut lines = std::str::from_utf8(head).ok()?.split("\r\n");
        let mut first = lines.next()?.split(' ');
        let (method, target, version) = (first.next()?, first.next()?, first.next()?);
        if first.next().is_some() || !version.starts_with("HTTP/1.") || !target.starts_with('/') {
            return None;
        }
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut request =
            Request { method, path, query, host: "", bearer: "", cookies: "", close: version == "HTTP/1.0" };
        for line in lines.filter(|line| !line.is_empty()) {
            let (name, value) = line.split_once(':')?;
            let value = value.trim();
            match name.to_ascii_lowercase().as_str() {
                "host" => request.host = value,
                "authorization" => request.bearer = value.strip_prefix("Bearer ").unwrap_or(""),
                "cookie" => request.cookies = value,
                "connection" => request.close |= value.eq_ignore_ascii_case("close"),
                // What follows would be taken for the next request.
                "content-length" | "transfer-encoding" => request.close = true,
                _ => {}
            }
        }
        Some(request)
    }

    fn asked(&self, name: &str) -> Option<&'a str> {
        self.query.split('&').find_map(|part| part.strip_prefix(name)?.strip_prefix('='))
    }

    /// Whether the page was asked for by a name of this machine: a page from elsewhere, to whose name this machine's
    /// address was given, is not.
    fn names_this_machine(&self) -> bool {
        let host = match self.host.strip_prefix('[') {
            Some(rest) => rest.split(']').next().unwrap_or(""),
            None => self.host.split(':').next().unwrap_or(""),
        };
        host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }

    fn knows(&self, key: &Token) -> bool {
        let cookie = self.cookies.split(';').find_map(|part| part.trim().strip_prefix("selion-key="));
        [self.asked("key"), Some(self.bearer), cookie].into_iter().flatten().any(|said| key.is(said))
    }
}

struct Answer {
    status: u16,
    kind: &'static str,
    body: String,
    more: String,
}

impl Answer {
    fn new(kind: &'static str, body: String) -> Answer {
        Answer { status: 200, kind, body, more: String::new() }
    }

    fn text(status: u16, body: &str) -> Answer {
        Answer { status, ..Answer::new("text/plain; charset=utf-8", body.to_owned()) }
    }

    fn json(value: &impl Serialize) -> Answer {
        match serde_json::to_string(value) {
            Ok(text) => Answer::new("application/json", text),
            Err(error) => Answer::text(500, &error.to_string()),
        }
    }

    fn bytes(&self, close: bool) -> Vec<u8> {
        let reason = match self.status {
            200 => "OK",
            307 => "Temporary Redirect",
            400 => "Bad Request",
            403 => "Forbidden",
            404 => "Not Found",
            405 => "Method Not Allowed",
            _ => "Internal Server Error",
        };
        format!(
            "HTTP/1.1 {} {reason}\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: {}\r\n\
             Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n\
             Content-Security-Policy: default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; \
             connect-src 'self'\r\n{}\r\n{}",
            self.status,
            self.kind,
            self.body.len(),
            if close { "close" } else { "keep-alive" },
            self.more,
            self.body
        )
        .into_bytes()
    }
}

fn answer(request: &Request<'_>, source: &dyn Source, access: &Access) -> Answer {
    let mut answer = match (request.method, request.path) {
        ("GET" | "HEAD", "/health") => Answer::text(200, "ok\n"),
        ("GET" | "HEAD", path) => {
            if request.knows(&access.key) || (access.loopback && request.names_this_machine()) {
                let mut answer = show(path, request, source);
                if let Some(key) = request.asked("key").filter(|key| access.key.is(key)) {
                    answer.more += &format!("Set-Cookie: selion-key={key}; Path=/; HttpOnly; SameSite=Strict\r\n");
                }
                answer
            } else {
                Answer::text(403, "this page needs the key in the link that selion gives: Client.dashboard_link\n")
            }
        }
        _ => Answer::text(405, "only GET\n"),
    };
    if request.method == "HEAD" {
        answer.body.clear();
    }
    answer
}

fn show(path: &str, request: &Request<'_>, source: &dyn Source) -> Answer {
    match path {
        "/" => Answer { more: "Location: /status\r\n".to_owned(), ..Answer::text(307, "/status\n") },
        "/status" => Answer::new("text/html; charset=utf-8", PAGE.to_owned()),
        "/metrics" => Answer::new("text/plain; version=0.0.4; charset=utf-8", metrics(source)),
        "/api/v1/info" => Answer::json(&source.overview()),
        "/api/v1/workers" => Answer::json(&source.workers()),
        "/api/v1/tasks" => {
            let after = request.asked("after").and_then(|number| number.parse().ok()).unwrap_or(0);
            Answer::json(&source.tasks(after))
        }
        _ => Answer::text(404, "there is nothing here; see /status\n"),
    }
}
