//! The way to every scheduler, and the connections on it.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

/// The ways of all clusters.
#[derive(Debug, Default)]
pub(super) struct Routes {
    table: Mutex<HashMap<String, Arc<Route>>>,
}

/// The way to one scheduler.
#[derive(Debug)]
pub(super) struct Route {
    /// `host:port`
    pub(super) target: String,
    connections: AtomicU32,
    closed: watch::Sender<bool>,
}

/// One connection on a way; counted while it lives.
#[derive(Debug)]
pub(super) struct Passage {
    pub(super) route: Arc<Route>,
}

impl Routes {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Route>>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a way. The same one again changes nothing; another one ends the connections on the old.
    pub(super) fn add(&self, name: String, target: String) {
        let mut table = self.lock();
        if table.get(&name).is_some_and(|route| route.target == target) {
            return;
        }
        let route = Route { target, connections: AtomicU32::new(0), closed: watch::channel(false).0 };
        if let Some(old) = table.insert(name, Arc::new(route)) {
            old.closed.send_replace(true);
        }
    }

    /// Removes a way, and ends the connections on it.
    pub(super) fn remove(&self, name: &str) {
        if let Some(old) = self.lock().remove(name) {
            old.closed.send_replace(true);
        }
    }

    /// Makes these the only ways.
    pub(super) fn replace(&self, routes: BTreeMap<String, String>) {
        let gone: Vec<String> = self.lock().keys().filter(|name| !routes.contains_key(*name)).cloned().collect();
        gone.iter().for_each(|name| self.remove(name));
        routes.into_iter().for_each(|(name, target)| self.add(name, target));
    }

    /// Enters a way.
    pub(super) fn enter(&self, name: &str) -> Option<Passage> {
        let route = Arc::clone(self.lock().get(name)?);
        route.connections.fetch_add(1, Ordering::Relaxed);
        Some(Passage { route })
    }

    /// Connections per cluster.
    pub(super) fn connections(&self) -> BTreeMap<String, u32> {
        self.lock().iter().map(|(name, route)| (name.clone(), route.connections.load(Ordering::Relaxed))).collect()
    }
}

impl Passage {
    /// Resolves when the way is closed.
    pub(super) async fn closed(&self) {
        let _ = self.route.closed.subscribe().wait_for(|closed| *closed).await;
    }
}

impl Drop for Passage {
    fn drop(&mut self) {
        self.route.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_counted_while_they_live() {
        let routes = Routes::default();
        routes.add("a".into(), "h:1".into());
        let passage = routes.enter("a").unwrap();
        assert_eq!(routes.connections(), BTreeMap::from([("a".into(), 1)]));
        drop(passage);
        assert_eq!(routes.connections(), BTreeMap::from([("a".into(), 0)]));
        assert!(routes.enter("b").is_none());
    }

    #[test]
    fn replacing_leaves_ways_that_stay_alone() {
        let routes = Routes::default();
        routes.replace(BTreeMap::from([("a".into(), "h:1".into()), ("b".into(), "h:2".into())]));
        let (a, b) = (routes.enter("a").unwrap(), routes.enter("b").unwrap());
        routes.replace(BTreeMap::from([("a".into(), "h:1".into()), ("b".into(), "h:3".into())]));
        assert!(!*a.route.closed.borrow());
        assert!(*b.route.closed.borrow());
    }
}
