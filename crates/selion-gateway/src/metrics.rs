//! What `/metrics` tells, in the text format of OpenMetrics.

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// A request's route, method and status. Routes are those of the router, never the caller's text.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RequestLabels {
    /// `GET` and so on.
    pub method: String,
    /// The route's pattern.
    pub route: String,
    /// The answer's status.
    pub status: u16,
}

/// A cluster's state.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct StatusLabels {
    /// `RUNNING` and so on.
    pub status: String,
}

/// Everything that is counted.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// Requests.
    pub requests: Family<RequestLabels, Counter>,
    /// How long they took.
    pub seconds: Histogram,
    /// Refused credentials.
    pub auth_refused: Counter,
    /// Clusters made.
    pub clusters_created: Counter,
    /// Clusters that failed.
    pub clusters_failed: Counter,
    /// Clusters per state.
    pub clusters: Family<StatusLabels, Gauge>,
    /// Workers of all clusters.
    pub workers: Gauge,
    /// Cores of all clusters.
    pub cores: Gauge,
}

impl Default for Metrics {
    fn default() -> Metrics {
        let mut registry = Registry::with_prefix("selion_gateway");
        let seconds = Histogram::new([0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 20.0, 30.0]);
        let metrics = Metrics {
            requests: Family::default(),
            seconds,
            auth_refused: Counter::default(),
            clusters_created: Counter::default(),
            clusters_failed: Counter::default(),
            clusters: Family::default(),
            workers: Gauge::default(),
            cores: Gauge::default(),
            registry: Registry::default(),
        };
        registry.register("requests", "HTTP requests answered", metrics.requests.clone());
        registry.register("request_seconds", "Time to the head of the answer", metrics.seconds.clone());
        registry.register("auth_refused", "Requests whose credentials were refused", metrics.auth_refused.clone());
        registry.register("clusters_created", "Clusters made", metrics.clusters_created.clone());
        registry.register("clusters_failed", "Clusters that failed", metrics.clusters_failed.clone());
        registry.register("clusters", "Clusters per state", metrics.clusters.clone());
        registry.register("workers", "Workers of all clusters", metrics.workers.clone());
        registry.register("cores", "Cores of all clusters", metrics.cores.clone());
        Metrics { registry, ..metrics }
    }
}

impl Metrics {
    /// The text that Prometheus reads.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = String::new();
        let _ = text::encode(&mut out, &self.registry);
        out
    }
}
