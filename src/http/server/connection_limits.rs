//! How many connections there may be: in all, and from one network.

use std::{
    collections::HashMap,
    fmt,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{
    config::{Config, Network},
    network_prefix::NetworkPrefix,
};

/// Counts open connections. A limit of 0 is none.
pub struct ConnectionLimits {
    most: u32,
    most_of_network: u32,
    /// Behind these are many clients.
    proxies: Vec<Network>,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    all: u32,
    by_network: HashMap<NetworkPrefix, u32>,
}

/// A connection's place, until it is dropped.
pub struct Place {
    limits: Arc<ConnectionLimits>,
    network: Option<NetworkPrefix>,
}

/// Which limit a connection exceeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Excess {
    /// That of all connections.
    All(u32),
    /// That of the network.
    OfNetwork(NetworkPrefix, u32),
}

impl ConnectionLimits {
    /// The limits that are configured.
    pub fn new(config: &Config) -> Arc<Self> {
        Arc::new(Self {
            most: config.max_connections,
            most_of_network: config.max_connections_per_network,
            proxies: config.trusted_proxies.clone(),
            open: Mutex::default(),
        })
    }

    /// Takes a place for a connection.
    ///
    /// # Errors
    /// There are too many connections.
    pub fn take(self: &Arc<Self>, peer: IpAddr) -> Result<Place, Excess> {
        let network = (!self.is_shared(peer)).then(|| NetworkPrefix::site(peer));
        let mut open = self.open();
        if is_full(open.all, self.most) {
            return Err(Excess::All(self.most));
        }
        if let Some(network) = network {
            let count = open.by_network.entry(network).or_default();
            if is_full(*count, self.most_of_network) {
                return Err(Excess::OfNetwork(network, self.most_of_network));
            }
            *count += 1;
        }
        open.all += 1;
        drop(open);
        Ok(Place {
            limits: Arc::clone(self),
            network,
        })
    }

    /// Proxies, and programs of this machine, connect for many clients.
    fn is_shared(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        peer.is_loopback() || self.proxies.iter().any(|network| network.contains(peer))
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        // Poisoned or not, they are numbers.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_full(count: u32, most: u32) -> bool {
    most != 0 && count >= most
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.limits.open();
        open.all = open.all.saturating_sub(1);
        let Some(network) = self.network else {
            return;
        };
        let left = open.by_network.get_mut(&network).map(|count| {
            *count = count.saturating_sub(1);
            *count
        });
        if left == Some(0) {
            open.by_network.remove(&network);
        }
    }
}

impl fmt::Display for Excess {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All(most) => write!(formatter, "more than {most} connections"),
            Self::OfNetwork(network, most) => {
                write!(formatter, "more than {most} connections from {network}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(most: u32, most_of_network: u32) -> Arc<ConnectionLimits> {
        ConnectionLimits::new(&Config {
            max_connections: most,
            max_connections_per_network: most_of_network,
            trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()],
            ..Config::default()
        })
    }

    fn take(limits: &Arc<ConnectionLimits>, peer: &str) -> Result<Place, Excess> {
        limits.take(peer.parse().unwrap())
    }

    #[test]
    fn a_network_has_its_own_limit_and_takes_no_place_from_others() {
        let limits = limits(100, 2);
        let _first = take(&limits, "203.0.113.7").unwrap();
        let second = take(&limits, "::ffff:203.0.113.8").unwrap();
        assert!(matches!(
            take(&limits, "203.0.113.9"),
            Err(Excess::OfNetwork(_, 2))
        ));
        let _other = take(&limits, "198.51.100.1").unwrap();
        drop(second);
        let _again = take(&limits, "203.0.113.9").unwrap();
        assert!(take(&limits, "203.0.113.10").is_err());
        let _sixth = take(&limits, "2001:db8:1:2::1").unwrap();
        let _sixth = take(&limits, "2001:db8:1:3::1").unwrap();
        assert!(take(&limits, "2001:db8:1:4::1").is_err());
    }

    #[test]
    fn proxies_and_this_machine_have_the_limit_of_all_only() {
        let limits = limits(7, 1);
        let peers = [
            "10.1.2.3",
            "::ffff:10.1.2.3",
            "127.0.0.1",
            "::1",
            "::ffff:127.0.0.1",
        ];
        let _places: Vec<Place> = peers.map(|peer| take(&limits, peer).unwrap()).into();
        let _proxy = take(&limits, "10.1.2.3").unwrap();
        let last = take(&limits, "203.0.113.7").unwrap();
        assert!(matches!(take(&limits, "127.0.0.1"), Err(Excess::All(7))));
        drop(last);
        let _again = take(&limits, "127.0.0.1").unwrap();
    }

    #[test]
    fn closed_connections_leave_nothing_behind() {
        let limits = limits(0, 0);
        let places: Vec<Place> = (0..200)
            .map(|nth| take(&limits, &format!("203.0.{nth}.7")).unwrap())
            .collect();
        drop(places);
        let open = limits.open();
        assert_eq!((open.all, open.by_network.len()), (0, 0));
    }
}
