//! The ClientHello parser: real hellos whole, in pieces, cut, flipped, and noise.

use proptest::prelude::*;
use selion_gateway::proxy::hello::{HELLO_BYTES_MAX, Hello, read};

/// A ClientHello for `name`, with an extension of `padding` bytes before the name's, in records of `record` bytes.
fn client_hello(name: Option<&str>, padding: usize, record: usize) -> Vec<u8> {
    let block = |bytes: &[u8]| [&u16::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat();
    let extension = |kind: u16, content: &[u8]| [kind.to_be_bytes().to_vec(), block(content)].concat();
    let mut extensions = extension(51, &vec![7; padding]);
    if let Some(name) = name {
        let entry = [vec![0], block(name.as_bytes())].concat();
        extensions.extend(extension(0, &block(&entry)));
    }
    let body = [
        vec![3, 3],
        vec![9; 32],
        [vec![32], vec![1; 32]].concat(),
        block(&[0x13, 1, 0x13, 2]),
        vec![1, 0],
        block(&extensions),
    ]
    .concat();
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    let message = [&[1], &length[1..], &body].concat();
    message.chunks(record).flat_map(|part| [vec![22, 3, 1], block(part)].concat()).collect()
}

fn named(name: &str) -> Hello {
    Hello::Tls(Some(name.to_owned()))
}

#[test]
fn the_name_is_found_also_in_large_and_fragmented_hellos() {
    for padding in [0, 1_500, 4_096, 12_000, 20_000] {
        for record in [1, 7, 1_000, 16_384] {
            let hello = client_hello(Some("daskgateway-abc"), padding, record);
            if hello.len() <= HELLO_BYTES_MAX {
                assert_eq!(read(&hello), named("daskgateway-abc"), "{padding} {record}");
            } else {
                assert_ne!(read(&hello), Hello::More, "{padding} {record}");
            }
        }
    }
    assert_eq!(read(&client_hello(None, 10, 16_384)), Hello::Tls(None));
    assert_eq!(read(&client_hello(Some("DaskGateway-ABC"), 0, 16_384)), named("daskgateway-abc"));
}

#[test]
fn every_prefix_asks_for_more() {
    for record in [1, 16, 16_384] {
        let hello = client_hello(Some("daskgateway-abc"), 100, record);
        for length in 0..hello.len() {
            assert_eq!(read(&hello[..length]), Hello::More, "{length} of {}", hello.len());
        }
    }
}

#[test]
fn what_follows_the_hello_does_not_matter() {
    let mut hello = client_hello(Some("daskgateway-abc"), 100, 16_384);
    hello.extend([0xff; 100]);
    assert_eq!(read(&hello), named("daskgateway-abc"));
}

#[test]
fn a_flipped_bit_never_gives_a_name_that_is_not_there() {
    let hello = client_hello(Some("daskgateway-abc"), 40, 64);
    let text = String::from_utf8_lossy(&hello).to_ascii_lowercase();
    assert!(text.contains("daskgateway-abc"));
    for position in 0..hello.len() {
        for bit in 0..8 {
            let mut flipped = hello.clone();
            flipped[position] ^= 1 << bit;
            if let Hello::Tls(Some(name)) = read(&flipped) {
                assert!(name.bytes().all(|byte| byte.is_ascii_graphic()), "{name:?}");
            }
        }
    }
}

#[test]
fn names_that_are_none_break_the_hello() {
    for name in ["", "a b", "a\0b", "a/b", "ä", "a\r\nb", &"x".repeat(256)] {
        assert_eq!(read(&client_hello(Some(name), 0, 16_384)), Hello::Broken, "{name:?}");
    }
}

#[test]
fn other_protocols_are_plain_and_other_tls_is_broken() {
    assert_eq!(read(b""), Hello::More);
    assert_eq!(read(b"GET / HTTP/1.1\r\n"), Hello::Plain);
    assert_eq!(read(&[22, 3, 1, 0, 0]), Hello::Broken);
    assert_eq!(read(&[22, 2, 1, 0, 5]), Hello::Broken);
    assert_eq!(read(&[22, 3, 1, 0xff, 0xff]), Hello::Broken);
    assert_eq!(read(&[22, 3, 3, 0, 4, 2, 0, 0, 0]), Hello::Broken);
    assert_eq!(read(&[22, 3, 3, 0, 4, 1, 0xff, 0xff, 0xff]), Hello::Broken);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn noise_is_answered_and_bounded(mut bytes in proptest::collection::vec(any::<u8>(), 0..600), tls in any::<bool>()) {
        if tls && bytes.len() > 6 {
            bytes[..6].copy_from_slice(&[22, 3, 1, 0, 200, 1]);
        }
        let _ = read(&bytes);
        bytes.resize(HELLO_BYTES_MAX, 1);
        prop_assert_ne!(read(&bytes), Hello::More);
    }

    /// Noise in the place of the extensions, so that the parser gets there.
    #[test]
    fn noise_in_extensions(noise in proptest::collection::vec(any::<u8>(), 0..200), cut in 0_usize..200) {
        let mut hello = client_hello(Some("daskgateway-abc"), 200, 16_384);
        let begin = hello.len() - 200;
        for (byte, noise) in hello[begin..].iter_mut().zip(noise) {
            *byte = noise;
        }
        hello.truncate(begin + cut);
        let _ = read(&hello);
    }
}
