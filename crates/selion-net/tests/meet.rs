//! Who meets whom over real sockets, encrypted or not, and how long it takes to see that it will not be.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::io;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use selion_net::{
    Address, Frame, HandshakeError, Limits, Pem, Role, Security, Stream, Tls, Token, dial, read_frame, receive,
    write_frame,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

fn plain(token: &str) -> Security {
    Token::new(token).into()
}

fn encrypted(token: &str, pem: &Pem) -> Security {
    Security { tls: Some(Tls::new(pem).unwrap()), ..plain(token) }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

type Met = (Result<Stream, HandshakeError>, Result<(Stream, Role), HandshakeError>);

/// What both ends get, if one listens with `ours` and the other, with `theirs`, thinks that it does so at `tls://` or not.
fn meet(theirs: &Security, tls: bool, ours: &Security) -> Met {
    block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let address = Address { host: "127.0.0.1".into(), port, tls };
        tokio::join!(dial(&address, theirs, Role::Worker), async {
            let (socket, _) = listener.accept().await?;
            receive(socket, ours).await
        })
    })
}

fn why(met: Met) -> String {
    assert!(met.1.is_err(), "a stranger was let in");
    let error = met.0.unwrap_err();
    assert!(error.is_final(), "{error}");
    error.to_string()
}

#[test]
fn both_of_one_authority_meet_and_speak() {
    let security = encrypted("secret", &Pem::generate().unwrap());
    let frame = Frame { header: vec![1; 100].into(), buffers: vec![vec![7; 3 << 20].into(), vec![8; 10].into()] };
    let back = block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let address = Address { host: "localhost".into(), port, tls: true };
        let (theirs, ours) = tokio::join!(dial(&address, &security, Role::Peer), async {
            receive(listener.accept().await.unwrap().0, &security).await
        });
        let (_, mut writing) = theirs.unwrap().split();
        let (mut reading, role) = ours.unwrap();
        assert_eq!(role, Role::Peer);
        let (written, read) = tokio::join!(
            async {
                write_frame(&mut writing, &frame).await?;
                writing.flush().await
            },
            read_frame(&mut reading, Limits::default())
        );
        written.unwrap();
        read.unwrap().unwrap()
    });
    assert_eq!(back, frame);
}

#[test]
fn whoever_does_not_belong_is_told_so_at_once() {
    let (pem, other) = (Pem::generate().unwrap(), Pem::generate().unwrap());
    let cases = [
        (plain("secret"), false, encrypted("secret", &pem), "wants TLS"),
        (plain("secret"), true, encrypted("secret", &pem), "a certificate is needed"),
        (encrypted("secret", &pem), true, plain("secret"), "without TLS"),
        (encrypted("secret", &other), true, encrypted("secret", &pem), "certificate"),
        (encrypted("guess", &pem), true, encrypted("secret", &pem), "the token is not the right one"),
        (plain("guess"), false, plain("secret"), "the token is not the right one"),
    ];
    for (theirs, tls, ours, expected) in cases {
        let since = Instant::now();
        let said = why(meet(&theirs, tls, &ours));
        assert!(said.contains(expected), "{said:?} should say {expected:?}");
        assert!(since.elapsed() < Duration::from_secs(1));
    }
}

#[test]
fn who_has_no_certificate_hears_nothing() {
    let ours = encrypted("secret", &Pem::generate().unwrap());
    block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let place = listener.local_addr().unwrap();
        let (_, heard) = tokio::join!(async { receive(listener.accept().await.unwrap().0, &ours).await }, async {
            let mut socket = TcpStream::connect(place).await.unwrap();
            socket.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
            let mut heard = Vec::new();
            let _ = socket.read_to_end(&mut heard).await;
            heard
        });
        assert!(heard.len() <= 7, "no more than an alert of TLS: {heard:?}");
    });
}

#[test]
fn beyond_this_machine_only_with_tls_or_on_demand() {
    let wrong = plain("secret").listen("0.0.0.0:0").unwrap_err();
    assert_eq!(wrong.kind(), io::ErrorKind::PermissionDenied);
    assert!(wrong.to_string().contains("--insecure"));
    plain("secret").listen("127.0.0.1:0").unwrap();
    Security { insecure: true, ..plain("secret") }.listen("0.0.0.0:0").unwrap();
    let pem = Pem::generate().unwrap();
    encrypted("secret", &pem).listen("0.0.0.0:0").unwrap();
}

#[test]
fn certificates_that_are_none_are_named() {
    let good = Pem::generate().unwrap();
    let said = Tls::new(&Pem { ca: "nothing".into(), ..good.clone() }).unwrap_err().to_string();
    assert!(said.contains("authority"), "{said}");
    let said = Tls::new(&Pem { key: "nothing".into(), ..good.clone() }).unwrap_err().to_string();
    assert!(said.contains("private key"), "{said}");
    let other = Pem::generate().unwrap();
    assert!(Tls::new(&Pem { key: other.key, ..good }).is_err(), "the key of another certificate");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever a stranger says, it is not let in, hears nothing that depends on the token but a proof about its own
    /// number, and nothing panics.
    #[test]
    fn strangers_may_say_anything(
        mut bytes in proptest::collection::vec(any::<u8>(), 0..300),
        prefix in 0usize..10,
    ) {
        // Some begin as they should.
        let start = b"selion\x01\x00\x02";
        let prefix = prefix.min(bytes.len());
        bytes[..prefix].copy_from_slice(&start[..prefix]);
        let ours = plain("secret");
        let (let_in, heard) = block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let place = listener.local_addr().unwrap();
            tokio::join!(
                async { receive(listener.accept().await.unwrap().0, &ours).await.is_ok() },
                async {
                    let mut socket = TcpStream::connect(place).await.unwrap();
                    let _ = socket.write_all(&bytes).await;
                    let _ = socket.shutdown().await;
                    let mut heard = Vec::new();
                    let _ = socket.read_to_end(&mut heard).await;
                    heard
                }
            )
        });
        prop_assert!(!let_in);
        prop_assert!(heard.len() <= 73);
    }
}
