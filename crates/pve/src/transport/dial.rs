//! The one place that opens a connection by hand: to look whether one can be made.

use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

/// How long a guest's port may take to answer.
const PORT_TIMEOUT: Duration = Duration::from_secs(2);

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

/// Whether a connection to a port can be made, from this machine.
pub(crate) fn port_is_open(address: &str, port: u16) -> bool {
    (address, port)
        .to_socket_addrs()
        .and_then(|addresses| dial(&addresses.collect::<Vec<_>>(), PORT_TIMEOUT))
        .is_ok()
}
