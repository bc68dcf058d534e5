//! The one place that opens a connection by hand: to look whether one can be made.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// A connection to the first of these addresses that takes one. Each has its
/// share of the time, so that a silent one leaves some for the next.
pub(crate) fn dial(addresses: &[SocketAddr], within: Duration) -> io::Result<TcpStream> {
    let shares = u32::try_from(addresses.len()).unwrap_or(u32::MAX).max(1);
    let mut last = io::Error::other("it has no address");
    for address in addresses {
        match TcpStream::connect_timeout(address, within / shares) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}
