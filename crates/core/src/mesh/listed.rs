//! Listed: the hosts with which version 1 is spoken elsewhere than on loopback. Nothing proves who they are but their address.

use std::net::{IpAddr, ToSocketAddrs};

use tokio::time::Instant;

use super::network::{LOOK_UP_AGAIN, Network};
use crate::error::{Error, Result};
use crate::sync::Mutex;

/// Most hosts that a node lists.
const V1_HOSTS_MAX: usize = 64;

/// The hosts that a node lists.
pub(super) struct Listed(Vec<Host>);

enum Host {
    Address(IpAddr),
    Name { name: String, found: Mutex<Found> },
}

/// The addresses of a name, and when they were looked up.
struct Found {
    addresses: Vec<IpAddr>,
    at: Instant,
}

impl Listed {
    /// Looks all of them up.
    ///
    /// # Errors
    /// `InvalidArgument` for a name that has no address.
    pub(super) fn look_up(hosts: &[String]) -> Result<Self> {
        hosts.iter().map(|host| Host::look_up(host)).collect::<Result<_>>().map(Self)
    }

    /// Whether this is the address of one of them. Names are looked up again from time to time.
    pub(super) async fn holds(&self, address: IpAddr, network: &dyn Network) -> bool {
        let address = address.to_canonical();
        for host in &self.0 {
            if host.is_at(address, network).await {
                return true;
            }
        }
        false
    }
}

impl Host {
    fn look_up(host: &str) -> Result<Self> {
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(Self::Address(address.to_canonical()));
        }
        let unknown = |why: &dyn std::fmt::Display| {
            Error::invalid(format!("host {host:?} of version 1 has no address: {why}"))
        };
        let found = (host, 0).to_socket_addrs().map_err(|error| unknown(&error))?;
        let addresses: Vec<IpAddr> = found.map(|address| address.ip().to_canonical()).collect();
        if addresses.is_empty() {
            return Err(unknown(&"it names no host"));
        }
        let found = Mutex::new(Found { addresses, at: Instant::now() });
        Ok(Self::Name { name: host.to_owned(), found })
    }

    async fn is_at(&self, address: IpAddr, network: &dyn Network) -> bool {
        let (name, found) = match self {
            Self::Address(known) => return *known == address,
            Self::Name { name, found } => (name, found),
        };
        // Strangers may not have it looked up as often as they knock.
        let is_due = {
            let mut found = found.lock();
            let is_due = found.at.elapsed() >= LOOK_UP_AGAIN;
            if is_due {
                found.at = Instant::now();
            }
            is_due
        };
        // A name that cannot be looked up now keeps the addresses that it had.
        if is_due && let Ok(again) = network.lookup(&format!("{name}:0")).await {
            found.lock().addresses = again.iter().map(|address| address.ip().to_canonical()).collect();
        }
        found.lock().addresses.contains(&address)
    }
}

/// Checks the form of hosts; whether they have addresses is seen when they are looked up.
pub(super) fn check(hosts: &[String]) -> Result<()> {
    if hosts.len() > V1_HOSTS_MAX {
        return Err(Error::invalid(format!("a node lists at most {V1_HOSTS_MAX} hosts of version 1")));
    }
    match hosts.iter().find(|host| !is_host(host)) {
        None => Ok(()),
        Some(wrong) => {
            let message = format!("a host of version 1 is an IP address or a host name, not {wrong:?}");
            Err(Error::invalid(message))
        }
    }
}

fn is_host(text: &str) -> bool {
    if let Ok(address) = text.parse::<IpAddr>() {
        // Nobody speaks from these; who writes one means everybody, which is not to be had.
        return !address.is_unspecified() && !address.is_multicast();
    }
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let name = text.strip_suffix('.').unwrap_or(text);
    // A name that ends in a number is an IP address that is none, which resolvers read as yet another one.
    let is_number =
        name.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
    name.len() <= 253 && name.split('.').all(is_label) && !is_number
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::net::SocketAddr;

    use async_trait::async_trait;

    use super::*;
    use crate::error::ErrorKind;
    use crate::mesh::network::{Listening, Socket};

    #[test]
    fn hosts_are_addresses_or_names() {
        let listed = |host: &str| check(&[host.to_owned()]);
        for host in
            ["10.0.0.7", "::1", "2001:db8::7", "old", "old.example", "old.example.", "old_1-b.example"]
        {
            assert_eq!(listed(host), Ok(()), "{host:?}");
        }
        let long = vec!["abcdefg"; 33].join(".");
        for host in [
            "",
            ".",
            "*",
            "a b",
            "a..b",
            "-a",
            "a-",
            "old:9000",
            "[::1]",
            "10.0.0",
            "10.0.0.256",
            "10.0.0.0/8",
            "é",
        ]
        .into_iter()
        .chain(["0.0.0.0", "::", "224.0.0.1", "ff02::1", "a\nb", &"a".repeat(64), &long])
        {
            assert_eq!(listed(host).unwrap_err().kind(), ErrorKind::InvalidArgument, "{host:?}");
        }
        assert_eq!(check(&vec!["old".to_owned(); 64]), Ok(()));
        assert_eq!(check(&vec!["old".to_owned(); 65]).unwrap_err().kind(), ErrorKind::InvalidArgument);
    }

    /// Where every name stands for this, if anything.
    struct Moved(Mutex<Option<IpAddr>>);

    #[async_trait]
    impl Network for Moved {
        fn listen(&self, _: SocketAddr) -> io::Result<Box<dyn Listening>> {
            Err(io::ErrorKind::Unsupported.into())
        }

        async fn lookup(&self, _: &str) -> io::Result<Vec<SocketAddr>> {
            let address = *self.0.lock();
            address.map(|address| vec![(address, 0).into()]).ok_or(io::ErrorKind::NotFound.into())
        }

        async fn connect(&self, _: &[SocketAddr]) -> io::Result<Socket> {
            Err(io::ErrorKind::Unsupported.into())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_name_is_looked_up_again_when_a_minute_is_over() {
        let address = |last: u8| IpAddr::from([10, 0, 0, last]);
        let network = Moved(Mutex::new(Some(address(1))));
        let listed = Listed::look_up(&["localhost".to_owned(), "10.0.0.9".to_owned()]).unwrap();
        let mapped = IpAddr::from([0, 0, 0, 0, 0, 0xffff, 0x0a00, 9]);
        assert!(listed.holds(address(9), &network).await && listed.holds(mapped, &network).await);
        assert!(
            listed.holds([127, 0, 0, 1].into(), &network).await && !listed.holds(address(1), &network).await
        );
        tokio::time::advance(LOOK_UP_AGAIN).await;
        assert!(listed.holds(address(1), &network).await);
        assert!(!listed.holds([127, 0, 0, 1].into(), &network).await);
        *network.0.lock() = None;
        tokio::time::advance(LOOK_UP_AGAIN).await;
        assert!(listed.holds(address(1), &network).await);
    }

    #[test]
    fn a_name_without_an_address_is_refused() {
        let refused = Listed::look_up(&["nobody.invalid".to_owned()]).err().unwrap();
        assert_eq!(refused.kind(), ErrorKind::InvalidArgument);
    }
}
