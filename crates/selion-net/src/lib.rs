//! Connections between selion's processes: addresses, secrets, frames, and the handshake that keeps strangers out.
//!
//! * [`Address`] is `tcp://host:port` or `tls://host:port`;
//! * [`Token`] is what both ends must know; it is never printed;
//! * [`accept`] and [`connect`] prove to each other that they know it, before anything else is said;
//! * [`Security`] is what a process knows of all that, [`dial`] and [`receive`] make connections with it: a [`Stream`];
//! * [`Tls`] encrypts, with certificates of one authority on both ends;
//! * [`Frame`] is a header and buffers, written and read whole, within limits.

#![forbid(unsafe_code)]

mod address;
mod frame;
mod handshake;
mod security;
mod stream;
mod tls;
mod token;

pub use address::{Address, AddressError};
pub use frame::{Frame, Limits, read_frame, write_frame};
pub use handshake::{HandshakeError, PROTOCOL, Role, accept, connect};
pub use security::{Security, dial, receive};
pub use stream::{ReadHalf, Stream, WriteHalf};
pub use tls::{Pem, Tls, TlsError};
pub use token::{LeftToken, Token, TokenError};
