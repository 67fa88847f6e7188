//! Stock `dask scheduler` and `dask worker`, with the plug-in of the stock client's package.
//!
//! Command lines and variables are those that the plug-in and the configuration of distributed expect (reference § 8).

use std::collections::BTreeMap;

use super::{Command, Engine, Place};
use crate::cluster::model::Cluster;

pub(super) struct Dask;

impl Engine for Dask {
    fn scheduler(&self, cluster: &Cluster, place: &Place) -> Command {
        let settings = &cluster.settings;
        let seconds = |span: crate::units::Span| span.0.as_secs_f64().to_string();
        let mut argv = python(cluster);
        argv.extend(["-m", "distributed.cli.dask_scheduler"].map(str::to_owned));
        for (name, value) in [
            ("--protocol", "tls".to_owned()),
            ("--port", "0".to_owned()),
            ("--host", place.host.clone()),
            ("--dashboard-address", format!("{}:0", place.host)),
            ("--preload", "dask_gateway.scheduler_preload".to_owned()),
            ("--dg-api-address", format!("{}:0", place.host)),
            ("--dg-heartbeat-period", seconds(settings.heartbeat_period)),
            ("--dg-adaptive-period", seconds(settings.adaptive_period)),
            ("--dg-idle-timeout", seconds(settings.idle_timeout)),
        ] {
            argv.extend([name.to_owned(), value]);
        }
        Command { argv, env: environment(cluster, place, "SCHEDULER") }
    }

    fn worker(&self, cluster: &Cluster, name: &str, place: &Place) -> Command {
        let settings = &cluster.settings;
        let scheduler = cluster.addresses.as_ref().map(|addresses| addresses.scheduler.clone()).unwrap_or_default();
        let mut argv = python(cluster);
        argv.extend(["-m", "distributed.cli.dask_worker"].map(str::to_owned));
        argv.push(scheduler);
        for (option, value) in [
            ("--dashboard-address", format!("{}:0", place.host)),
            ("--name", name.to_owned()),
            ("--nthreads", settings.threads().to_string()),
            ("--memory-limit", settings.worker_memory.0.to_string()),
        ] {
            argv.extend([option.to_owned(), value]);
        }
        Command { argv, env: environment(cluster, place, "WORKER") }
    }
}

/// The interpreter: that of the environment chosen, else the one that the operator named in `SELION_PYTHON`, else the one
/// beside this executable, which a wheel has put there, else the path's.
fn python(cluster: &Cluster) -> Vec<String> {
    let beside = || {
        let python = std::env::current_exe().ok()?.with_file_name("python");
        python.exists().then(|| python.to_string_lossy().into_owned())
    };
    let own = || std::env::var("SELION_PYTHON").ok().or_else(beside).unwrap_or_else(|| "python3".to_owned());
    let chosen = cluster.settings.environment_path.as_ref();
    vec![chosen.map_or_else(own, |folder| format!("{}/bin/python", folder.trim_end_matches('/')))]
}

fn environment(cluster: &Cluster, place: &Place, role: &str) -> BTreeMap<String, String> {
    let mut env = cluster.settings.environment.clone();
    let dask = "DASK_DISTRIBUTED__COMM";
    env.extend([
        ("DASK_GATEWAY_API_URL".to_owned(), place.api_url.clone()),
        ("DASK_GATEWAY_CLUSTER_NAME".to_owned(), cluster.name.clone()),
        ("DASK_GATEWAY_API_TOKEN".to_owned(), place.token.clone()),
        (format!("{dask}__REQUIRE_ENCRYPTION"), "True".to_owned()),
        (format!("{dask}__TLS__CA_FILE"), place.certificate.clone()),
        (format!("{dask}__TLS__{role}__KEY"), place.key.clone()),
        (format!("{dask}__TLS__{role}__CERT"), place.certificate.clone()),
    ]);
    env
}
