//! Addresses of this machine for what has to know them before anybody listens there.

use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

/// An address at which nobody listens; where port 0 serves, it is better.
///
/// Its port is below those that the system gives to whoever does not choose (`ip_local_port_range`): these
/// go to the next test or connection, and who knocks there before anybody listens can end up connected
/// with themselves.
pub fn free_address() -> SocketAddr {
    loop {
        let dice = RandomState::new().hash_one(std::process::id());
        let port = 20_000 + u16::try_from(dice % 12_000).unwrap();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}
