//! The configuration: the issue's example, errors that name the key, and noise.

use proptest::prelude::*;
use selion_gateway::config::Config;

const EXAMPLE: &str = r#"
address = "127.0.0.1:8000"            # REST, scheduler proxy, dashboards and pages on one port
state = "gateway.sqlite"
[auth]
kind = "oidc"                         # oidc | basic | jupyterhub | proxy
issuer = "http://127.0.0.1:9000"      # plain http only for loopback
audience = "dask"
username_claim = "preferred_username"
groups_claim = "groups"
[backend]
kind = "local"                        # local | slurm | kubernetes
[limits]
clusters_per_user = 2
cores_per_user = 8
[cluster]
idle_timeout = "30m"
[[option]]
name = "worker_cores"
type = "int"
default = 1
min = 1
max = 4
"#;

fn problems(text: &str) -> String {
    match Config::parse(text) {
        Err(error) => error,
        Ok(config) => config.problems().join("\n"),
    }
}

#[test]
fn the_example_is_fine() {
    assert_eq!(problems(EXAMPLE), "");
}

#[test]
fn what_is_wrong_is_named() {
    for (old, new, named) in [
        ("state =", "stat =", "stat"),
        ("127.0.0.1:8000", "127.0.0.1", "address"),
        ("127.0.0.1:8000", "0.0.0.0:8000", "loopback"),
        ("kind = \"oidc\"", "kind = \"anybody\"", "anybody"),
        ("http://127.0.0.1:9000", "http://login.example.org", "https"),
        ("http://127.0.0.1:9000", "login.example.org", "auth.issuer"),
        ("audience = \"dask\"", "", "audience"),
        ("audience = \"dask\"", "audience = \"\"", "auth.audience"),
        ("audience =", "audiens =", "audiens"),
        ("kind = \"local\"", "kind = \"moon\"", "moon"),
        ("clusters_per_user = 2", "clusters_per_user = -2", "clusters_per_user"),
        ("clusters_per_user = 2", "clusters = 2", "clusters"),
        ("\"30m\"", "\"soon\"", "idle_timeout"),
        ("idle_timeout", "idle_timeuot", "idle_timeuot"),
        ("idle_timeout = \"30m\"", "engine = \"steam\"", "steam"),
        ("name = \"worker_cores\"", "name = \"worker cores\"", "worker cores"),
        ("name = \"worker_cores\"", "name = \"colour\"", "colour"),
        ("type = \"int\"", "type = \"integer\"", "integer"),
        ("default = 1", "default = 9", "default"),
        ("default = 1", "", "default"),
        ("min = 1", "min = 7", "worker_cores"),
        ("min = 1", "choices = [\"1\"]", "worker_cores"),
    ] {
        let text = EXAMPLE.replacen(old, new, 1);
        assert_ne!(text, EXAMPLE, "{old}");
        let said = problems(&text);
        assert!(said.contains(named), "{new:?} is answered by {said:?}");
    }
}

#[test]
fn secrets_of_the_configuration_are_not_printed() {
    let text = EXAMPLE.replace("state =", "metrics_token = \"hunter2\"\nstate =");
    let config = Config::parse(&text).unwrap();
    assert!(!format!("{config:?}").contains("hunter2"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    /// Lines removed, doubled, exchanged, values replaced: always an answer, never a panic.
    #[test]
    fn mutated_examples(order in proptest::collection::vec(0_usize..25, 0..40), value in "[ -~]{0,12}", at in 0_usize..40) {
        let lines: Vec<&str> = EXAMPLE.lines().collect();
        let mut text: Vec<String> = order.iter().filter_map(|line| lines.get(*line)).map(|line| (*line).to_owned()).collect();
        if let Some(line) = text.get_mut(at)
            && let Some((key, _)) = line.clone().split_once('=')
        {
            *line = format!("{key}= {value}");
        }
        let _ = problems(&text.join("\n"));
    }

    #[test]
    fn noise(text in "\\PC{0,200}") {
        let _ = problems(&text);
    }
}
